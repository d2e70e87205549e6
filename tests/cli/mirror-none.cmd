xtask fetch xen-4.17 --mirror nowhere
