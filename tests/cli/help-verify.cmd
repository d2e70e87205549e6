xtask verify --help
