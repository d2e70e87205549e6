xtask plan nowhere --quiet
