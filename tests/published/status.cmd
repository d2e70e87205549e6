xtask patch status packed --quiet
