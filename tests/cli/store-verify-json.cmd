xtask store verify --json
