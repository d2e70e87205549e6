xtask build stale --quiet
