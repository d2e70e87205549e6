xtask toolchain env --help
