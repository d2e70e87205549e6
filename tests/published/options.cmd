xtask plan options --quiet
