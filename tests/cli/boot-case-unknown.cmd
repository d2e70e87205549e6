xtask boot hello smok
