xtask store du
