xtask repro --help
