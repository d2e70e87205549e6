xtask verify --published absent --quiet
