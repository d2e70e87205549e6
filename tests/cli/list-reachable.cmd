xtask list --reachable --offline
