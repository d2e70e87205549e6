//! Making one tree: the lock, the work folder, the rename.

use super::{Guard, Record, Store, Stored, disk, lock};
use crate::digest::Key;
use crate::tree::{Manifest, Seal};
use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What making a tree took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Milliseconds from start to end.
    pub wall_ms: u64,
    /// Milliseconds of processor time, children included.
    pub cpu_ms: u64,
}

/// A tree that is wanted.
pub enum Begin<'s> {
    Found(Stored),
    Make(Making<'s>),
}

/// The right to make one tree. Dropping it gives the making up and removes all traces.
pub struct Making<'s> {
    store: &'s Store,
    key: Key,
    what: String,
    work: PathBuf,
    root: PathBuf,
    /// Last, so that the folder is gone before the next one may have it.
    _lock: Guard,
}

pub(super) fn begin<'s>(
    store: &'s Store,
    key: &Key,
    what: &str,
    given_up: impl Fn() -> bool,
) -> Result<Option<Begin<'s>>> {
    if let Some(stored) = store.tree(key)? {
        return Ok(Some(Begin::Found(stored)));
    }
    let waiting = || store.report.note(&format!("waiting for another process that makes {what}"));
    let lock = lock::exclusive_unless(&store.lock_path(key.as_str()), waiting, given_up)?;
    let Some(lock) = lock else { return Ok(None) };
    if let Some(stored) = store.tree(key)? {
        return Ok(Some(Begin::Found(stored)));
    }
    let work = store.root.join("work").join(key.as_str());
    disk::remove(&work)?;
    disk::remove(&store.failed(key))?;
    // A folder without a record is not an entry: something else took the record away.
    disk::remove(&store.entry(key))?;
    let root = work.join("entry").join("root");
    fs::create_dir_all(&root)?;
    Ok(Some(Begin::Make(Making { store, key: key.clone(), what: what.to_owned(), work, root, _lock: lock })))
}

impl Making<'_> {
    /// The folder that becomes the tree, empty at first.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder around it, for what the making needs; it goes away with this value.
    pub fn folder(&self) -> &Path {
        &self.work
    }

    /// Makes the tree appear under its key.
    pub fn finish(self, cost: Option<Cost>) -> Result<Stored> {
        self.finish_inner(cost)
            .with_context(|| format!("storing {}", self.what))
            .map_err(|error| self.store.explain(error))
    }

    fn finish_inner(&self, cost: Option<Cost>) -> Result<Stored> {
        let manifest = Manifest::of(&self.root)?;
        let json = manifest.to_json();
        let digest = crate::digest::Hash::of(json.as_bytes());
        let record = Record {
            what: self.what.clone(),
            manifest: digest.clone(),
            bytes: manifest.bytes(),
            seal: Seal::of(&self.root)?,
            cost,
        };
        let entry = self.work.join("entry");
        fs::write(entry.join("manifest.json"), json)?;
        fs::write(entry.join("record.json"), serde_json::to_string(&record)?)?;
        fs::rename(&entry, self.store.entry(&self.key))?;
        Ok(self.store.stored(&self.key, digest))
    }

    /// Gives the making up but keeps its folders for a look: the path is [`Store::failed`].
    pub fn keep_failed(self) -> Result<PathBuf> {
        let kept = self.store.failed(&self.key);
        fs::rename(self.work.join("entry").join("root"), self.work.join("root"))?;
        disk::remove(&kept)?;
        fs::rename(&self.work, &kept)?;
        Ok(kept)
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is taken away by the next open.
        let _ = disk::remove(&self.work);
    }
}
