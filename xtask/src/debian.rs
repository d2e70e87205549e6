//! Debian as a place that toolchains come from: mirrors, signed indices, dependencies, packages.
//!
//! Neither apt nor dpkg is run, so that a toolchain can be locked and unpacked on any Linux machine.

pub mod apt;
pub mod deb;
pub mod index;
pub mod lock;
mod mirror;
pub mod relation;
pub mod resolve;
pub mod signature;

use crate::context::Net;

/// Debian's public snapshot archive, which keeps what mirrors drop. The only host name in this repository.
pub const SNAPSHOT: &str = "https://snapshot.debian.org/archive/debian";

/// Where the file at `path` below the root of a mirror may be had, the nearest first. `moment` is one at which the snapshot
/// archive has it, `YYYYMMDDTHHMMSSZ`; without one that archive cannot be asked.
pub fn urls(net: &Net, moment: Option<&str>, path: &str) -> Vec<String> {
    let snapshot = net.snapshot.iter().zip(moment).map(|(base, moment)| format!("{base}/{moment}"));
    net.debian.iter().cloned().chain(snapshot).map(|base| format!("{base}/{path}")).collect()
}
