xtask build kconfig
