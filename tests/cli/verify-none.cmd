xtask verify --published
