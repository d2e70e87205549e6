//! The store: blobs by sha256 and trees by key, in the user's cache directory, shared by checkouts and by builds at once.
//!
//! A result appears under its name only when it is whole (made in a work folder, then renamed); whoever makes it holds a lock
//! that the kernel takes back when the process dies. Nothing in the store is changed after it appeared.

use crate::digest::{Hash, Key};
use crate::tree::Manifest;
use anyhow::Result;
use std::path::{Path, PathBuf};

pub struct Store {
    root: PathBuf,
}

/// A finished tree in the store.
#[derive(Clone, Debug)]
pub struct Stored {
    pub key: Key,
    /// Read-only.
    pub path: PathBuf,
    pub manifest_digest: Hash,
}

impl Store {
    /// Opens or makes the store at `root`.
    pub fn open(root: &Path) -> Result<Store> {
        Ok(Store { root: root.to_owned() })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The blob with this hash, if it is there.
    pub fn blob(&self, hash: &Hash) -> Option<PathBuf> {
        let _ = hash;
        None
    }

    /// The tree under this key, if it is finished.
    pub fn tree(&self, key: &Key) -> Result<Option<Stored>> {
        let _ = key;
        Ok(None)
    }

    /// The tree under this key, made by `make` in an empty folder when it is not there. A failed `make` leaves nothing behind.
    /// `what` names the object in messages.
    pub fn tree_or_make(&self, key: &Key, what: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<Stored> {
        let _ = (key, what, make);
        anyhow::bail!("not written")
    }

    pub fn manifest(&self, stored: &Stored) -> Result<Manifest> {
        let _ = stored;
        anyhow::bail!("not written")
    }
}
