xtask boot hello pv --broken nothing
