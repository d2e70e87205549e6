xtask shell xen-4.20 tools --toolchain stubdom
