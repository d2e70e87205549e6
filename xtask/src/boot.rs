//! Starts what was built in one emulated machine: hypervisor, dom0, guests and stubdomains, and says whether they did what a case asks.
//!
//! ```text
//! case ─► guests ──────────────┐
//! packages ─► dom0's image ────┤─► emulator ─► record ─► verdict ─► report
//! boot.lock ─► emulator ───────┘
//! ```
//!
//! One machine runs one case. Nothing is asked of the host but user namespaces: emulator, dom0's kernel and system come from locks.

pub mod accelerator;
pub mod case;
pub mod cases;
pub mod cpio;
pub mod dom0;
pub mod emulator;
pub mod event;
pub mod guest;
pub mod kernel;
pub mod machine;
pub mod report;
pub mod timeline;
pub mod transcript;
pub mod verdict;
pub mod watch;

/// The toolchain of the emulator, of dom0's kernel and of what guests are made with.
pub const TOOLCHAIN: &str = "boot";

/// That, and the one of the system that packages are installed in.
pub const TOOLCHAINS: [&str; 2] = [TOOLCHAIN, dom0::TOOLCHAIN];
