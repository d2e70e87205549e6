xtask verify --published tiny --quiet
