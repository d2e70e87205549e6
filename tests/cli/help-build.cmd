xtask build --help
