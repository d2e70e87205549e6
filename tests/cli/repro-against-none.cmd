xtask repro xen-4.17.5 --against nowhere
