//! One namespace layout for every step: fixed path, host name, user and clock, no network, the toolchain's root read-only.
//!
//! Bubblewrap does the work (the host's, or the one of `toolchains/builder.lock` where the host has none).

use crate::context::Context;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// Part of every step's key: changed whenever what a step sees of the sandbox changes.
pub const LAYOUT: &str = "sandbox/1";

/// One sandbox to be.
pub struct Sandbox {
    /// The toolchain's root, seen as `/`.
    pub root: PathBuf,
    /// Host folders by their place inside; writable.
    pub writable: Vec<(PathBuf, String)>,
    /// Host folders by their place inside; read-only.
    pub readonly: Vec<(PathBuf, String)>,
    pub env: BTreeMap<String, String>,
    pub cwd: String,
    /// Keeps the terminal: only `shell` asks for it.
    pub interactive: bool,
}

impl Sandbox {
    /// The command that runs `argv` inside. Inherited file descriptors (the jobserver's) stay open.
    pub fn command(&self, ctx: &Context, argv: &[&str]) -> Result<Command> {
        let _ = (ctx, argv);
        anyhow::bail!("not written")
    }
}
