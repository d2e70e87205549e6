xtask build fails --json
