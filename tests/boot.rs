//! Machines that `boot` starts; see the modules.

mod machine;
