xtask build network
