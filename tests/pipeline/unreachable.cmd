xtask build unreachable
