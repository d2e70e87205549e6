xtask boot xen-4.17 --list
