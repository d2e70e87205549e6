xtask
