xtask fetch xen-4.18
