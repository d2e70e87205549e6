xtask plan twice --quiet
