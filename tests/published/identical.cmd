xtask verify --published packed --quiet
