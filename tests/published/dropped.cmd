xtask verify --published dropped --quiet --store two
