xtask --help
