//! A folder as git sees it: its tree id, and the form in which all folders of the same tree id are alike.
//!
//! Counted as `git add -Af .` followed by `git write-tree` counts: names, contents, the owner's executable bit and symbolic links;
//! not folders without files, other mode bits, owners or times. Attributes are not obeyed: a pinned tree holds the bytes that
//! upstream committed, and so must the folder.

use crate::digest::{GitId, hex};
use crate::tree::stamp;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use sha1::{Digest as _, Sha1};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// 1980-01-01, the earliest time that a zip archive can hold. All files have the same one, so that make finds nothing out of date.
const TIME: u64 = 315_532_800;

/// Git's id of the tree below `root`.
pub fn id(root: &Path) -> Result<GitId> {
    let id = match tree(root)? {
        Some(id) => id,
        None => object("tree", 0, &mut io::empty())?,
    };
    Ok(GitId::try_from(hex(&id)).expect("sha1 has 20 bytes"))
}

/// Takes away what a tree id does not tell: modes become 644 and 755, times one time, folders without files go.
pub fn normalize(root: &Path) -> Result<()> {
    plain(root)?;
    stamp(root, TIME)
}

fn plain(folder: &Path) -> Result<()> {
    let mode = |path: &Path, mode| fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let meta = fs::symlink_metadata(&path)?;
        if meta.is_dir() {
            plain(&path)?;
            if fs::read_dir(&path)?.next().is_none() {
                fs::remove_dir(&path)?;
            }
        } else if !meta.is_symlink() {
            mode(&path, if executable(&meta) { 0o755 } else { 0o644 })?;
        }
    }
    Ok(mode(folder, 0o755)?)
}

fn executable(meta: &std::fs::Metadata) -> bool {
    meta.permissions().mode() & 0o100 != 0
}

/// The id of a folder's tree object; none where git would not make one.
fn tree(folder: &Path) -> Result<Option<[u8; 20]>> {
    let mut entries: Vec<(Vec<u8>, OsString, &str, [u8; 20])> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let meta = fs::symlink_metadata(&path)?;
        let kind = meta.file_type();
        if name.eq_ignore_ascii_case(".git") {
            bail!("{}: no git tree has an entry of this name", path.display());
        }
        let (mode, id) = if kind.is_dir() {
            match tree(&path)? {
                Some(id) => ("40000", id),
                None => continue,
            }
        } else if kind.is_symlink() {
            let target = fs::read_link(&path)?;
            let bytes = target.as_os_str().as_bytes();
            ("120000", object("blob", bytes.len() as u64, &mut &bytes[..])?)
        } else if kind.is_file() {
            let mode = if executable(&meta) { "100755" } else { "100644" };
            (mode, object("blob", meta.len(), &mut fs::File::open(&path)?)?)
        } else {
            bail!("{}: neither a file nor a folder nor a link", path.display());
        };
        // Git orders a folder as if its name ended with a slash.
        let mut order = name.as_bytes().to_vec();
        if kind.is_dir() {
            order.push(b'/');
        }
        entries.push((order, name, mode, id));
    }
    if entries.is_empty() {
        return Ok(None);
    }
    entries.sort();
    let mut bytes = Vec::new();
    for (_, name, mode, id) in &entries {
        bytes.extend_from_slice(mode.as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(id);
    }
    object("tree", bytes.len() as u64, &mut &bytes[..]).map(Some)
}

/// The id of a git object: the sha1 of its header and content.
fn object(kind: &str, size: u64, content: &mut dyn io::Read) -> Result<[u8; 20]> {
    let mut hash = Sha1::new();
    hash.update(format!("{kind} {size}\0"));
    let mut buffer = vec![0; 64 * 1024];
    let mut left = size;
    loop {
        let count = content.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        left = left.checked_sub(count as u64).context("a file grew while it was hashed")?;
        hash.update(&buffer[..count]);
    }
    if left != 0 {
        bail!("a file shrank while it was hashed");
    }
    Ok(hash.finalize().into())
}
