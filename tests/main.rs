//! One binary for all tests that are more than a unit: each module mirrors one of `xtask/src`, its cases lie beside it.

mod archive;
