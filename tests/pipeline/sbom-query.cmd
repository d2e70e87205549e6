xtask sbom query tiny<2
