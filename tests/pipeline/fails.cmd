xtask build fails
