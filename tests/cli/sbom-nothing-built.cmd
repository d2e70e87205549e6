xtask sbom query zlib
