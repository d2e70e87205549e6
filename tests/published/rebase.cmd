xtask patch rebase packed --onto tiny --quiet
