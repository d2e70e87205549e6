//! Private writable copies of trees: blocks shared where the file system can (FICLONE), bytes copied by the kernel where not.

use super::walk;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, ioctl_ficlone, utimensat};
use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// The times that files and folders of a copy get.
#[derive(Clone, Copy, Debug)]
pub enum Times {
    /// Those of the original.
    Kept,
    /// Seconds since 1970, for everything.
    At(u64),
}

/// Copies a tree: files, modes, links and mtimes; folders and files of the copy can be written by their owner.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    copy_filtered(from, to, |_| true, Times::Kept)
}

/// Copies what `keeps` accepts of a tree's files and links, and the folders that lead to them; a folder that is empty in the
/// original is copied when `keeps` accepts it. `to` is made, or must be an empty folder.
pub fn copy_filtered(from: &Path, to: &Path, keeps: impl Fn(&str) -> bool, times: Times) -> Result<()> {
    let copying = || format!("copying {} to {}", from.display(), to.display());
    let mut folders = Vec::new();
    make_folder(to)?;
    let mut clones = true;
    let everything = walk(from).with_context(copying)?;
    let parents: BTreeSet<String> =
        everything.iter().filter_map(|found| Some(found.path.rsplit_once('/')?.0.to_owned())).collect();
    for found in everything {
        let (source, target) = (from.join(&found.path), to.join(&found.path));
        if found.metadata.is_dir() {
            folders.push((found, target));
            continue;
        }
        if !keeps(&found.path) {
            continue;
        }
        let parent = target.parent().expect("a copy is below a folder");
        if !parent.is_dir() {
            fs::create_dir_all(parent)?;
        }
        if found.metadata.is_symlink() {
            fs::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if found.metadata.is_file() {
            clones = copy_file(&source, &target, found.metadata.mode(), clones).with_context(copying)?;
        } else {
            bail!("{}: only files, folders and links can be copied", source.display());
        }
        set_times(&target, modified(&found.metadata, times))?;
    }
    // Byte order puts a folder before all that is in it. Backwards, because whatever is made in a folder changes its time.
    for (found, target) in folders.into_iter().rev() {
        if keeps(&found.path) && !parents.contains(&found.path) {
            fs::create_dir_all(&target)?;
        }
        if target.is_dir() {
            fs::set_permissions(&target, std::fs::Permissions::from_mode(found.metadata.mode() & 0o7777 | 0o700))?;
            set_times(&target, modified(&found.metadata, times))?;
        }
    }
    set_times(to, modified(&fs::metadata(from)?, times))
}

/// Sets the mtime of everything below and of a tree's root itself to `seconds` since 1970.
pub fn stamp(root: &Path, seconds: u64) -> Result<()> {
    for found in walk(root)? {
        set_times(&root.join(found.path), modified_at(seconds))?;
    }
    set_times(root, modified_at(seconds))
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path)?;
    if fs::read_dir(path)?.next().is_some() {
        bail!("{} is not empty", path.display());
    }
    Ok(())
}

/// Copies one file; the result says whether the next one should try to share blocks.
fn copy_file(source: &Path, target: &Path, mode: u32, clone: bool) -> Result<bool> {
    let reader = fs::File::open(source)?;
    let mode = mode & 0o7777 | 0o200;
    let writer = fs::OpenOptions::new().write(true).create_new(true).mode(mode & 0o777).open(target)?;
    let cloned = clone && ioctl_ficlone(writer.file(), reader.file()).is_ok();
    if !cloned {
        // Between two plain files, std asks the kernel to copy (copy_file_range(2)); the wrappers would hide that they are
        // plain.
        std::io::copy(&mut reader.file(), &mut writer.file())
            .with_context(|| format!("copying {} to {}", source.display(), target.display()))?;
    }
    // The umask, and set-id bits that writing takes away.
    fs::set_permissions(target, std::fs::Permissions::from_mode(mode))?;
    Ok(cloned)
}

fn modified(original: &std::fs::Metadata, times: Times) -> Timestamps {
    match times {
        Times::Kept => with_modification(Timespec { tv_sec: original.mtime(), tv_nsec: original.mtime_nsec() }),
        Times::At(seconds) => modified_at(seconds),
    }
}

fn modified_at(seconds: u64) -> Timestamps {
    with_modification(Timespec { tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX), tv_nsec: 0 })
}

fn with_modification(last_modification: Timespec) -> Timestamps {
    Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, last_modification }
}

fn set_times(path: &Path, times: Timestamps) -> Result<()> {
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(std::io::Error::from)
        .with_context(|| format!("setting the time of {}", path.display()))
}
