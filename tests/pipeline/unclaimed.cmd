xtask build unclaimed
