xtask repro xen-4.17 --built
