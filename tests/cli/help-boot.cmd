xtask boot --help
