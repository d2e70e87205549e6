xtask boot hello pv smoke --keep
