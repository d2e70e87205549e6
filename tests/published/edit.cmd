xtask patch edit packed tiny --quiet
