xtask verify --published differs --quiet
