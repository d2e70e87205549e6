xtask build xen-4.17 --ofline
