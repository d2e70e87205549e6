xtask verify
