//! Reads cases: what a machine is given, what dom0 does in it, and what must and must not appear.
