//! Taking away what nobody needs, and never what another process uses.

use super::check::{key_of, sorted};
use super::{Store, disk, lock};
use anyhow::Result;
use fs_err as fs;
use std::fs::TryLockError;
use std::path::{Path, PathBuf};

/// What may go, beside the remains of killed and failed builds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Trees and blobs that no build has used for so many days.
    pub unused_days: Option<u64>,
    /// Trees and blobs, the longest unused first, until the rest of them has at most so many bytes.
    pub max_bytes: Option<u64>,
}

/// One thing that was taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    pub what: String,
    /// What its files held.
    pub bytes: u64,
}

/// A tree or a blob that may go.
struct Candidate {
    /// Seconds since 1970, by the file system's clock.
    used: i64,
    path: PathBuf,
    what: String,
    bytes: u64,
}

impl Store {
    /// Removes what the policy allows. While another process uses the store, trees and blobs stay (the second value is then
    /// true): it may have looked them up a moment ago.
    pub fn gc(&self, policy: &Policy) -> Result<(Vec<Removed>, bool)> {
        let collect = || -> Result<(Vec<Removed>, bool)> {
            let mut removed = self.sweep()?;
            removed.extend(remove_unlocked(self, "failed", |name| self.lock_path(name))?);
            removed.extend(remove_unlocked(self, "partial", |name| self.lock_path(&format!("blob-{name}")))?);
            removed.extend(self.orphaned_logs()?);
            let aged = self.alone(|| {
                let mut aged = Vec::new();
                for candidate in self.expired(policy)? {
                    self.discard(&candidate.path)?;
                    aged.push(Removed { what: candidate.what, bytes: candidate.bytes });
                }
                Ok(aged)
            })?;
            let busy = aged.is_none();
            removed.extend(aged.unwrap_or_default());
            Ok((removed, busy))
        };
        collect().map_err(|error| self.explain(error))
    }

    /// Takes a blob or a tree away as a whole: what is half gone has no name by then, and is swept away after a kill.
    pub(super) fn discard(&self, path: &Path) -> Result<()> {
        let aside = self.root.join("work").join(path.file_name().unwrap_or_default());
        disk::remove(&aside)?;
        fs::rename(path, &aside)?;
        disk::remove(&aside)
    }

    /// Runs `work` while no other process has the store open; nothing when one has.
    pub(super) fn alone<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        let result = match self.users.file().try_lock() {
            Ok(()) => work().map(Some),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        };
        // flock(2) may drop a share when it cannot be made exclusive, so it is taken again either way.
        lock::shared(&self.users)?;
        result
    }

    fn expired(&self, policy: &Policy) -> Result<Vec<Candidate>> {
        if policy.unused_days.is_none() && policy.max_bytes.is_none() {
            return Ok(Vec::new());
        }
        let mut candidates = self.candidates()?;
        candidates.sort_by(|one, other| (one.used, &one.path).cmp(&(other.used, &other.path)));
        let oldest = match policy.unused_days {
            Some(days) => self.now()? - i64::try_from(days.saturating_mul(86_400)).unwrap_or(i64::MAX),
            None => i64::MIN,
        };
        let mut kept: u64 = candidates.iter().map(|candidate| candidate.bytes).sum();
        let limit = policy.max_bytes.unwrap_or(u64::MAX);
        candidates.retain(|candidate| {
            let goes = candidate.used < oldest || kept > limit;
            if goes {
                kept -= candidate.bytes;
            }
            goes
        });
        Ok(candidates)
    }

    fn candidates(&self) -> Result<Vec<Candidate>> {
        let mut candidates = Vec::new();
        for path in self.blobs()? {
            let what = format!("blob {}", path.file_name().unwrap_or_default().to_string_lossy());
            candidates.push(Candidate { used: modified(&path)?, bytes: fs::metadata(&path)?.len(), path, what });
        }
        for key in self.trees()? {
            let path = self.entry(&key);
            // A damaged record counts as never used: there is nothing to lose.
            candidates.push(match self.record(&key) {
                Ok(Some(record)) => Candidate {
                    used: modified(&path.join("record.json"))?,
                    path,
                    what: record.what,
                    bytes: record.bytes,
                },
                _ => Candidate { used: i64::MIN, path, what: format!("tree {}", key.short()), bytes: 0 },
            });
        }
        Ok(candidates)
    }

    /// Logs whose step left neither a tree nor a failed folder.
    fn orphaned_logs(&self) -> Result<Vec<Removed>> {
        let mut removed = Vec::new();
        for path in sorted(self.root.join("log"))? {
            let key = path.file_stem().and_then(|stem| key_of(stem.to_str()?));
            let wanted = match &key {
                Some(key) => {
                    self.entry(key).exists()
                        || self.failed(key).exists()
                        || lock::try_exclusive(&self.lock_path(key.as_str()))?.is_none()
                }
                None => false,
            };
            if !wanted {
                let bytes = fs::metadata(&path)?.len();
                fs::remove_file(&path)?;
                removed.push(Removed { what: format!("log {}", short(&path)), bytes });
            }
        }
        Ok(removed)
    }

    /// The time by the clock that the store's files are stamped with; it may be a file server's.
    fn now(&self) -> Result<i64> {
        let path = self.lock_path("users");
        disk::touch(&path)?;
        modified(&path)
    }
}

/// Removes each entry of a folder whose lock is free.
pub(super) fn remove_unlocked(store: &Store, folder: &str, lock_of: impl Fn(&str) -> PathBuf) -> Result<Vec<Removed>> {
    let mut removed = Vec::new();
    for path in sorted(store.root.join(folder))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(_guard) = lock::try_exclusive(&lock_of(&name))? else { continue };
        let bytes = usage_of(&path)?;
        disk::remove(&path)?;
        removed.push(Removed { what: format!("{folder} {}", short(&path)), bytes });
    }
    Ok(removed)
}

/// Bytes of all files at and below a path.
pub(super) fn usage_of(path: &Path) -> Result<u64> {
    let mut bytes = 0;
    let mut rest = vec![path.to_owned()];
    while let Some(path) = rest.pop() {
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            // Removed by its owner meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        if !metadata.is_dir() {
            bytes += metadata.len();
            continue;
        }
        // A folder that its maker closed is removed all the same, only not counted.
        if let Ok(entries) = fs::read_dir(&path) {
            rest.extend(entries.flatten().map(|entry| entry.path()));
        }
    }
    Ok(bytes)
}

fn modified(path: &Path) -> Result<i64> {
    Ok(std::os::unix::fs::MetadataExt::mtime(&fs::metadata(path)?))
}

/// A file's name, cut to what tells two apart.
fn short(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().chars().take(12).collect()
}
