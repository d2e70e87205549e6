//! The manifest of a directory tree: every path with kind, mode, size and digest, in byte order of the paths.

use crate::digest::Hash;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::path::Path;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative to the tree's root, `/`-separated, no leading slash.
    pub path: String,
    #[serde(flatten)]
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    Directory { mode: u32 },
    File { mode: u32, size: u64, sha256: Hash },
    Symlink { target: String },
}

/// All of a tree, sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// Reads and hashes everything below `root`.
    pub fn of(root: &Path) -> Result<Manifest> {
        let _ = root;
        anyhow::bail!("not written")
    }

    /// The identity of the tree.
    pub fn digest(&self) -> Hash {
        Hash::of(serde_json::to_string(self).expect("a manifest is plain data").as_bytes())
    }
}

/// Copies a tree: files, modes, links and mtimes; folders and files of the copy can be written by their owner.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let _ = (from, to);
    anyhow::bail!("not written")
}
