xtask plan both --quiet
