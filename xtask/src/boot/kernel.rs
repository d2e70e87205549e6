//! Takes dom0's kernel and its modules out of a locked package.
