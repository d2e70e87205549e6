//! Makes dom0's image: a Debian system with a recipe's own packages installed by dpkg.
