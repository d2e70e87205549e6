HOME= xtask fetch xen-4.17
