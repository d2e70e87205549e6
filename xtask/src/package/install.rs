//! Puts finished artifacts where the user wants them: whole, or not at all.
//!
//! The new folder is made beside the old one and takes its place by one rename, so that a killed run leaves either. A folder that
//! holds anything else than our artifacts is not touched.

use super::{AUDIT, MANIFEST, SUMS};
use crate::digest::{Hash, hash_reader};
use crate::fault::Fault;
use anyhow::{Context as _, Result};
use fs_err as fs;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// True when `out` holds exactly the artifacts at `from`: the same names with the same content, and nothing else. Reads the
/// artifacts once, some milliseconds for tens of megabytes.
pub fn holds(out: &Path, from: &Path) -> Result<bool> {
    let wanted = fs::read(from.join(SUMS))?;
    match fs::read(out.join(SUMS)) {
        Ok(found) if found == wanted => {}
        Ok(_) => return Ok(false),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    let Some(sums) = sums(out)? else { return Ok(false) };
    if !strangers(out, &sums)?.is_empty() {
        return Ok(false);
    }
    for (name, wanted) in &sums {
        let file = match fs::File::open(out.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if hash_reader(file)?.0 != *wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes `out` hold exactly the artifacts at `from`.
pub fn install(from: &Path, out: &Path) -> Result<()> {
    install_inner(from, out).with_context(|| format!("writing the artifacts to {}", out.display()))
}

fn install_inner(from: &Path, out: &Path) -> Result<()> {
    // A link to a folder is the user's wish to have them there.
    let out = if out.exists() { fs::canonicalize(out)? } else { out.to_owned() };
    refuse_foreign(&out)?;
    let (Some(parent), Some(name)) = (out.parent(), out.file_name()) else {
        return Err(Fault::usage(format!("{} cannot be replaced", out.display()))
            .cure("name a folder with --out")
            .into());
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    fs::create_dir_all(parent)?;
    // Held to the end: two builds with one `--out` wait for each other, and what is left over is nobody's. NFS cannot lock a
    // folder; there what a killed run left stays.
    let lock = fs::File::open(parent)?;
    let prefix = format!(".{}.new-", name.to_string_lossy());
    if lock.file().lock().is_ok() {
        remove_left_overs(parent, &prefix)?;
    }
    let fresh = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent)?;
    fs::set_permissions(fresh.path(), std::fs::Permissions::from_mode(0o755))?;
    let sums = sums(from)?.with_context(|| format!("{} is not whole", from.display()))?;
    for name in sums.keys().map(String::as_str).chain([SUMS]) {
        let to = fresh.path().join(name);
        fs::copy(from.join(name), &to)?;
        fs::set_permissions(&to, std::fs::Permissions::from_mode(0o644))?;
    }
    replace(fresh, &out)
}

/// Exchanges the two folders in one step, then removes the old one under its temporary name.
fn replace(fresh: tempfile::TempDir, out: &Path) -> Result<()> {
    if !out.exists() {
        fs::rename(fresh.keep(), out)?;
        return Ok(());
    }
    match renameat_with(CWD, fresh.path(), CWD, out, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(fresh.close()?),
        // File systems that cannot exchange (NFS, some FUSE ones) have a moment without the folder, never one with a mix.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            let new = fresh.keep();
            let old = out.with_file_name(format!("{}.old", file_name(&new)));
            fs::rename(out, &old)?;
            fs::rename(&new, out)?;
            Ok(fs::remove_dir_all(old)?)
        }
        Err(error) => {
            Err(error).with_context(|| format!("exchanging {} and {}", fresh.path().display(), out.display()))
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What a killed run left beside the folder; the lock says that no other run is at it.
fn remove_left_overs(parent: &Path, prefix: &str) -> Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// An empty folder may be filled and one of ours may be replaced, whichever recipe it is of; everything else is the user's.
fn refuse_foreign(out: &Path) -> Result<()> {
    if !out.exists() {
        return Ok(());
    }
    let refuse =
        |what: String| Fault::usage(what).cure("name another folder with --out, or move its content away").into();
    if !out.is_dir() {
        return Err(refuse("it is not a folder".to_owned()));
    }
    let foreign = match sums(out)? {
        Some(sums) => strangers(out, &sums)?,
        None => fs::read_dir(out)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?,
    };
    match foreign.first() {
        None => Ok(()),
        Some(path) => Err(refuse(format!("it holds {}, which no build put there", file_name(path)))),
    }
}

/// The artifacts that a folder's `SHA256SUMS` names; `None` when there is none of ours.
fn sums(folder: &Path) -> Result<Option<BTreeMap<String, Hash>>> {
    let text = match fs::read_to_string(folder.join(SUMS)) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let line = |line: &str| {
        let (hash, name) = line.split_once("  ")?;
        (!name.contains('/')).then_some((name.to_owned(), Hash::try_from(hash.to_owned()).ok()?))
    };
    let sums: Option<BTreeMap<String, Hash>> = text.lines().map(line).collect();
    Ok(sums.filter(|sums| sums.contains_key(MANIFEST) && sums.contains_key(AUDIT)))
}

/// What is in a folder beside the artifacts.
fn strangers(folder: &Path, sums: &BTreeMap<String, Hash>) -> Result<Vec<PathBuf>> {
    let mut strangers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name == SUMS || sums.contains_key(name));
        if !ours || !entry.file_type()?.is_file() {
            strangers.push(entry.path());
        }
    }
    strangers.sort();
    Ok(strangers)
}
