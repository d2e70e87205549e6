xtask list
