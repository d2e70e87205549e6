xtask plan tampered --quiet --store one
