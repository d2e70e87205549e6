xtask store gc
