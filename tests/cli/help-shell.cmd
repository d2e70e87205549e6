xtask shell --help
