xtask sbom query TINY=1.0.0 --json
