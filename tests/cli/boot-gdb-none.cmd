xtask boot hello pv --gdb hvm
