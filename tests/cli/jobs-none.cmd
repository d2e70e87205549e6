xtask build xen-4.17 --jobs 0
