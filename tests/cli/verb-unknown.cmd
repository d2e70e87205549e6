xtask biuld xen
