xtask list --json
