//! Patch queues: `patches/<recipe>/<source>/NNNN-*.patch`, applied exactly (no fuzz) in the order of their names.

use crate::context::Context;
use crate::digest::Key;
use crate::sources::Checked;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// A source with its queue applied: a read-only tree in the store. Only this module makes one.
#[derive(Clone, Debug)]
pub struct Patched {
    path: PathBuf,
}

impl Patched {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// One patch as it stands in the repository.
#[derive(Clone, Debug)]
pub struct Patch {
    /// `patches/xen-4.17.4/xen/0101-….patch`, for messages.
    pub file: String,
    pub text: Vec<u8>,
    /// Every path that the patch reads or writes, relative to the source's root.
    pub touches: Vec<String>,
    /// The diff without the mail around it: what reaches the output.
    pub diff: Key,
}

#[derive(Clone, Debug, Default)]
pub struct Queue {
    pub patches: Vec<Patch>,
}

/// Applies a queue to a checked source.
pub fn apply(ctx: &Context, source: &Checked, queue: &Queue) -> Result<Patched> {
    let _ = (ctx, source, queue);
    anyhow::bail!("not written")
}
