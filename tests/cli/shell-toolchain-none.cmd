xtask shell xen-4.17 --toolchain stubdom
