xtask boot hello pv --junit nowhere/boot.xml
