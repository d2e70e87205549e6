xtask fetch xen-4.18 --json
