//! The manifest of a directory tree: every path with kind, mode, size and digest, in byte order of the paths.
//!
//! A manifest is what a tree *is* to this project: owner, group and times are left out on purpose, because the first two belong
//! to whoever unpacks and the last is set to the recipe's epoch.

mod copy;

pub use copy::{Times, copy, copy_filtered, stamp};

use crate::digest::{Hash, hash_reader};
use crate::fault::Fault;
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// All of a tree, sorted by path. The root itself has no entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub entries: Vec<Entry>,
}

/// One thing below a root, as a walk finds it.
pub struct Found {
    /// Relative to the root.
    pub path: String,
    pub metadata: std::fs::Metadata,
}

impl Manifest {
    /// Reads and hashes everything below `root`, on a few threads. Sockets, devices, pipes and names that are not UTF-8 are
    /// refused by name: no package carries them.
    pub fn of(root: &Path) -> Result<Manifest> {
        let found = walk(root)?;
        let mut hashes = hash_files(root, &found)?;
        let mut entries = Vec::with_capacity(found.len());
        for Found { path, metadata } in found {
            let kind = kind_of(root, &path, &metadata, &mut hashes)?;
            entries.push(Entry { path, kind });
        }
        Ok(Manifest { entries })
    }

    /// The identity of the tree.
    pub fn digest(&self) -> Hash {
        Hash::of(self.to_json().as_bytes())
    }

    /// The bytes that [`Manifest::digest`] is the sha256 of.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a manifest is plain data")
    }

    /// Bytes of all files together.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| if let Kind::File { size, .. } = entry.kind { size } else { 0 }).sum()
    }

    /// Every path at which `found` is not what this manifest says, one line each, in the order of the paths.
    pub fn differences(&self, found: &Manifest) -> Vec<String> {
        let index = |manifest: &Manifest| -> BTreeMap<String, Kind> {
            manifest.entries.iter().map(|entry| (entry.path.clone(), entry.kind.clone())).collect()
        };
        let (expected, found) = (index(self), index(found));
        let mut lines = BTreeMap::new();
        for (path, kind) in &expected {
            match found.get(path) {
                Some(other) if other == kind => {}
                Some(other) => drop(lines.insert(path, format!("{path}: expected {kind}, found {other}"))),
                None => drop(lines.insert(path, format!("{path}: expected {kind}, found nothing"))),
            }
        }
        for (path, kind) in found.iter().filter(|(path, _)| !expected.contains_key(*path)) {
            lines.insert(path, format!("{path}: expected nothing, found {kind}"));
        }
        lines.into_values().collect()
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Directory { mode } => write!(f, "a folder of mode {mode:04o}"),
            Kind::File { mode, size, sha256 } => write!(f, "a file of mode {mode:04o}, {size} bytes, sha256 {sha256}"),
            Kind::Symlink { target } => write!(f, "a link to {target}"),
        }
    }
}

/// Everything below `root` without following links, in byte order of the paths.
pub fn walk(root: &Path) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut folders = vec![(root.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs_err::read_dir(&folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                bail!("{}: the file name is not UTF-8", entry.path().display());
            };
            let metadata = entry.metadata()?;
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            if metadata.is_dir() {
                folders.push((entry.path(), path.clone()));
            }
            found.push(Found { path, metadata });
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn kind_of(
    root: &Path,
    path: &str,
    metadata: &std::fs::Metadata,
    hashes: &mut BTreeMap<String, (Hash, u64)>,
) -> Result<Kind> {
    let mode = metadata.mode() & 0o7777;
    let file_type = metadata.file_type();
    if file_type.is_dir() {
        return Ok(Kind::Directory { mode });
    }
    if let Some((sha256, size)) = hashes.remove(path) {
        return Ok(Kind::File { mode, size, sha256 });
    }
    let full = root.join(path);
    if file_type.is_symlink() {
        let target = fs_err::read_link(&full)?;
        let Some(target) = target.to_str() else {
            bail!("{}: the link's target is not UTF-8", full.display());
        };
        return Ok(Kind::Symlink { target: target.to_owned() });
    }
    let kind = match file_type {
        kind if kind.is_socket() => "a socket",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_block_device() => "a block device",
        _ => "a character device",
    };
    Err(Fault::failed(format!("{} is {kind}", full.display()))
        .cure("a tree in the store holds folders, regular files and symbolic links only: remove it where it is made")
        .into())
}

/// The digests of all regular files. Hashing is bound by the processor, so each core takes the next file when it is free.
fn hash_files(root: &Path, found: &[Found]) -> Result<BTreeMap<String, (Hash, u64)>> {
    let files: Vec<&Found> = found.iter().filter(|entry| entry.metadata.is_file()).collect();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(files.len()));
    // Below a few dozen files the threads cost more than they bring; above eight the disk is the bound.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8).min(1 + files.len() / 32);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = hash_file(&root.join(&file.path)).map(|hash| (file.path.clone(), hash));
                    results.lock().expect("no thread panics while it holds the lock").push(result);
                }
            });
        }
    });
    results.into_inner().expect("no thread panics while it holds the lock").into_iter().collect()
}

fn hash_file(path: &PathBuf) -> Result<(Hash, u64)> {
    hash_reader(fs_err::File::open(path)?).with_context(|| format!("reading {}", path.display()))
}

/// How a tree looked when it was finished, read without opening a file: the count of its entries and the newest change of any.
///
/// Linux moves an inode's change time (ctime) forward whenever its bytes, its mode or its times are written, and offers no
/// call to set it (inode(7)), so an equal seal means an untouched tree. A different one means only that the tree must be
/// read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    pub entries: u64,
    /// Seconds and nanoseconds since 1970.
    pub newest: (i64, i64),
}

impl Seal {
    pub fn of(root: &Path) -> Result<Seal> {
        let own = fs_err::symlink_metadata(root)?;
        let mut seal = Seal { entries: 0, newest: (own.ctime(), own.ctime_nsec()) };
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(&folder)? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                seal.entries += 1;
                seal.newest = seal.newest.max((metadata.ctime(), metadata.ctime_nsec()));
                if metadata.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        Ok(seal)
    }
}
