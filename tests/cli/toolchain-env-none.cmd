xtask toolchain env stubdum
