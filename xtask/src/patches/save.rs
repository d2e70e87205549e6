//! A queue's folder replaced as a whole: at any moment it holds either all of the old files or all of the new ones.

use anyhow::{Context as _, Result};
use fs_err as fs;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::collections::BTreeMap;
use std::path::Path;

/// What a replacement did to a file, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Added,
    Changed,
    Removed,
}

/// What `save` would do.
pub fn changes(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<String, Change>> {
    let mut changes = BTreeMap::new();
    let old = if folder.exists() { super::sorted_names(folder)? } else { Vec::new() };
    for name in &old {
        match files.get(name) {
            None => changes.insert(name.clone(), Change::Removed),
            Some(text) if fs::read(folder.join(name))? != *text => changes.insert(name.clone(), Change::Changed),
            Some(_) => None,
        };
    }
    for name in files.keys().filter(|name| !old.contains(name)) {
        changes.insert(name.clone(), Change::Added);
    }
    Ok(changes)
}

/// Makes `folder` hold these files, by name, and nothing else. A queue without patches has no folder.
pub fn save(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<String, Change>> {
    let changes = changes(folder, files)?;
    if changes.is_empty() {
        return Ok(changes);
    }
    let parent = folder.parent().context("a queue's folder has a parent")?;
    fs::create_dir_all(parent)?;
    let aside = tempfile::Builder::new().prefix(".queue-").tempdir_in(parent)?;
    let new = aside.path().join("new");
    fs::create_dir(&new)?;
    for (name, text) in files {
        fs::write(new.join(name), text)?;
    }
    if files.is_empty() {
        fs::rename(folder, aside.path().join("old"))?;
    } else if folder.exists() {
        renameat_with(CWD, &new, CWD, folder, RenameFlags::EXCHANGE)
            .with_context(|| format!("replacing {}", folder.display()))?;
    } else {
        fs::rename(&new, folder)?;
    }
    Ok(changes)
}
