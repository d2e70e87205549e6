//! What can go wrong with a disk, in words, and taking folders away that resist it.

use crate::fault::{Exit, Fault};
use anyhow::Result;
use fs_err as fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

/// The processes of a sandbox that was just killed may still make a file or two: the kernel ends them one after another.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Turns a full, read-only or foreign disk into a fault that says what to do; leaves every other error as it is.
pub fn explain(error: anyhow::Error, store: &Path) -> anyhow::Error {
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>().map(io::Error::kind));
    let elsewhere = "put the store elsewhere with --store DIR or XENWRIGHT_STORE";
    let cure = match cause {
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => format!(
            "free some space (`cargo xtask store du` shows what the store holds, `cargo xtask store gc` takes unused parts away) or {elsewhere}"
        ),
        Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            format!("make {} writable for you, or {elsewhere}", store.display())
        }
        _ => return error,
    };
    if error.downcast_ref::<Fault>().is_some() {
        return error;
    }
    Fault { exit: Exit::Failed, what: format!("{error:#}"), cure: Some(cure) }.into()
}

/// Removes a file or a folder with all it holds; what is not there is fine. Folders that their maker left without write
/// permission are opened first: unlike root, an ordinary user cannot empty them as they are.
pub fn remove(path: &Path) -> Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !metadata.is_dir() {
        return Ok(fs::remove_file(path)?);
    }
    for _ in 0..TRIES {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => open_folders(path)?,
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => std::thread::sleep(PAUSE),
            other => return Ok(other?),
        }
    }
    Ok(fs::remove_dir_all(path)?)
}

fn open_folders(path: &Path) -> Result<()> {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Marks a file as used now, by the file system's own clock.
pub fn touch(path: &Path) -> Result<()> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    utimensat(CWD, path, &times, AtFlags::empty()).map_err(|error| fs_error(error, path))
}

fn fs_error(error: rustix::io::Errno, path: &Path) -> anyhow::Error {
    anyhow::Error::from(io::Error::from(error)).context(format!("writing {}", path.display()))
}
