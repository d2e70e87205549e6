xtask check nowhere
