xtask shell xen-4.20 --toolchain stubdom --dir nowhere
