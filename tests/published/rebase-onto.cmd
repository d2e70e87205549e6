xtask patch rebase tiny --onto packed --quiet
