xtask build patched
