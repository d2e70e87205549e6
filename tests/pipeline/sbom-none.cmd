xtask sbom query tiny>1.0.0
