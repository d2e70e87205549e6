//! Locks that the kernel takes back when their holder dies: flock(2) on small files in the store's `lock` folder.
//!
//! A lock's file is removed by the last holder while it still holds it, so whoever gets a lock looks whether the file it locked
//! is still the one that has the name.

use crate::interrupt;
use anyhow::Result;
use fs_err as fs;
use std::fs::TryLockError;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a waiter looks again: a person does not notice it, and ten tries a second cost nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// An exclusive lock; dropping it lets the next one in.
#[derive(Debug)]
pub struct Guard {
    path: PathBuf,
    /// Held open: closing it is what unlocks.
    _file: fs::File,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Fails only where the folder is gone, and then so is the name.
        let _ = fs::remove_file(&self.path);
    }
}

/// The lock, if nobody has it.
pub fn try_exclusive(path: &Path) -> Result<Option<Guard>> {
    loop {
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        if still_named(&file, path)? {
            return Ok(Some(Guard { path: path.to_owned(), _file: file }));
        }
    }
}

/// The lock, waiting for it as long as it takes. `waiting` is called once, when somebody else has it.
pub fn exclusive(path: &Path, waiting: impl FnOnce()) -> Result<Guard> {
    Ok(exclusive_unless(path, waiting, || false)?.expect("nobody gives up"))
}

/// As [`exclusive`]; nothing once `given_up` says so.
pub fn exclusive_unless(path: &Path, waiting: impl FnOnce(), given_up: impl Fn() -> bool) -> Result<Option<Guard>> {
    let mut waiting = Some(waiting);
    loop {
        if let Some(guard) = try_exclusive(path)? {
            return Ok(Some(guard));
        }
        if let Some(waiting) = waiting.take() {
            waiting();
        }
        interrupt::check()?;
        if given_up() {
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Takes a share in the lock on an open file that is never removed.
pub fn shared(file: &fs::File) -> Result<()> {
    loop {
        match file.file().try_lock_shared() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        interrupt::check()?;
        std::thread::sleep(PAUSE);
    }
}

fn still_named(file: &fs::File, path: &Path) -> Result<bool> {
    let own = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}
