xtask toolchain env stubdom xen-4.17
