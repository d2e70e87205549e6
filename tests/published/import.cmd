xtask patch import packed tiny patches/tiny-1.0.0/tiny/0101-evening.patch --quiet
