xtask shell tiny nowhere
