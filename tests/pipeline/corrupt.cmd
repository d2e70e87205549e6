xtask build corrupt
