xtask build tiny
