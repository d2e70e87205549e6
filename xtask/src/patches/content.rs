//! The files that a queue touches, in memory, over a base that is only read: what patches are tried on. A tree on disk is changed
//! once, when all patches have been applied.

use anyhow::{Result, bail};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use git2::ObjectType;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What git records of a file's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Plain,
    Executable,
    /// A symbolic link; the bytes are where it leads.
    Link,
}

impl From<Mode> for git2::FileMode {
    fn from(mode: Mode) -> git2::FileMode {
        match mode {
            Mode::Plain => git2::FileMode::Blob,
            Mode::Executable => git2::FileMode::BlobExecutable,
            Mode::Link => git2::FileMode::Link,
        }
    }
}

impl Mode {
    /// The octal digits of a patch; None for what is neither a file nor a link, such as a submodule.
    pub fn read(digits: &[u8]) -> Option<Mode> {
        let digits = std::str::from_utf8(digits).ok()?.trim_ascii_end();
        Mode::of(u32::from_str_radix(digits, 8).ok()?)
    }

    /// What git keeps of a file's type and permissions.
    pub fn of(bits: u32) -> Option<Mode> {
        match bits & 0o170000 {
            0o120000 => Some(Mode::Link),
            0o100000 if bits & 0o100 != 0 => Some(Mode::Executable),
            0o100000 => Some(Mode::Plain),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub mode: Mode,
    pub bytes: Rc<[u8]>,
}

/// A tree that patches are tried on. Paths are relative, with `/` between their parts.
pub trait Base {
    /// None where there is no file of that name (nothing, or a folder). A path that leads through a link or a file is an error,
    /// [`Through`].
    fn file(&self, path: &str) -> Result<Option<File>>;

    /// The files below a folder; none where there is no folder of that name.
    fn below(&self, folder: &str) -> Result<Vec<String>>;
}

/// A path that leads through something that is not a folder.
#[derive(Debug)]
pub struct Through {
    pub at: String,
    pub link: bool,
}

impl fmt::Display for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.link { "the symbolic link" } else { "the file" };
        write!(f, "leads through {what} `{}`", self.at)
    }
}

impl std::error::Error for Through {}

/// An unpacked source.
pub struct Folder(pub PathBuf);

/// A tree of a git repository.
pub struct Tree<'r> {
    pub repository: &'r git2::Repository,
    pub tree: git2::Tree<'r>,
}

impl Base for Folder {
    fn file(&self, path: &str) -> Result<Option<File>> {
        for folder in above(path) {
            let Some(metadata) = metadata(&self.0.join(folder))? else { return Ok(None) };
            if !metadata.is_dir() {
                return Err(Through { at: folder.to_owned(), link: metadata.is_symlink() }.into());
            }
        }
        let full = self.0.join(path);
        let Some(metadata) = metadata(&full)? else { return Ok(None) };
        let Some(mode) = Mode::of(metadata.mode()) else {
            return if metadata.is_dir() { Ok(None) } else { bail!("{}: neither a file nor a link", full.display()) };
        };
        let bytes = match mode {
            Mode::Link => fs::read_link(&full)?.into_os_string().into_vec(),
            Mode::Plain | Mode::Executable => fs::read(&full)?,
        };
        Ok(Some(File { mode, bytes: bytes.into() }))
    }

    fn below(&self, folder: &str) -> Result<Vec<String>> {
        for path in above(folder).chain([folder]) {
            if !metadata(&self.0.join(path))?.is_some_and(|metadata| metadata.is_dir()) {
                return Ok(Vec::new());
            }
        }
        let full = self.0.join(folder);
        let files = crate::tree::walk(&full)?.into_iter().filter(|found| !found.metadata.is_dir());
        Ok(files.map(|found| format!("{folder}/{}", found.path)).collect())
    }
}

impl Base for Tree<'_> {
    fn file(&self, path: &str) -> Result<Option<File>> {
        let mut tree = self.tree.clone();
        for folder in above(path) {
            let name = folder.rsplit('/').next().unwrap_or(folder);
            let Some((kind, id, mode)) = entry(&tree, name) else { return Ok(None) };
            match kind {
                Some(ObjectType::Tree) => tree = self.repository.find_tree(id)?,
                Some(ObjectType::Blob) => {
                    return Err(Through { at: folder.to_owned(), link: mode == Some(Mode::Link) }.into());
                }
                _ => return Ok(None),
            }
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        let Some((Some(ObjectType::Blob), id, Some(mode))) = entry(&tree, name) else { return Ok(None) };
        Ok(Some(File { mode, bytes: self.repository.find_blob(id)?.content().into() }))
    }

    fn below(&self, folder: &str) -> Result<Vec<String>> {
        let Ok(entry) = self.tree.get_path(Path::new(folder)) else { return Ok(Vec::new()) };
        let Ok(tree) = self.repository.find_tree(entry.id()) else { return Ok(Vec::new()) };
        let mut paths = Vec::new();
        tree.walk(git2::TreeWalkMode::PreOrder, |above, entry| {
            if entry.kind() != Some(ObjectType::Tree) {
                paths.push(format!(
                    "{folder}/{}{}",
                    String::from_utf8_lossy(above.as_bytes()),
                    String::from_utf8_lossy(entry.name_bytes())
                ));
            }
            git2::TreeWalkResult::Ok
        })?;
        Ok(paths)
    }
}

fn entry(tree: &git2::Tree<'_>, name: &str) -> Option<(Option<ObjectType>, git2::Oid, Option<Mode>)> {
    let entry = tree.get_name_bytes(name.as_bytes())?;
    Some((entry.kind(), entry.id(), u32::try_from(entry.filemode()).ok().and_then(Mode::of)))
}

/// The folders that lead to a path, the outermost first.
pub fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

fn metadata(path: &Path) -> Result<Option<std::fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A base with the changes of the patches that have been applied so far.
#[derive(Clone)]
pub struct Files<'b> {
    base: &'b dyn Base,
    /// None is a deleted file.
    changed: BTreeMap<String, Option<File>>,
}

impl<'b> Files<'b> {
    pub fn over(base: &'b dyn Base) -> Files<'b> {
        Files { base, changed: BTreeMap::new() }
    }

    /// The file as it is now.
    pub fn get(&self, path: &str) -> Result<Option<File>> {
        if let Some(file) = self.changed.get(path) {
            return Ok(file.clone());
        }
        for folder in above(path) {
            match self.changed.get(folder) {
                Some(Some(file)) => {
                    return Err(Through { at: folder.to_owned(), link: file.mode == Mode::Link }.into());
                }
                // What was a file in the base has nothing below it there.
                Some(None) => return Ok(None),
                None => {}
            }
        }
        self.base.file(path)
    }

    /// The files that are now below a folder.
    pub fn below(&self, folder: &str) -> Result<Vec<String>> {
        let below = format!("{folder}/");
        let mut paths = self.base.below(folder)?;
        paths.retain(|path| !self.changed.contains_key(path));
        let changed = self.changed.range(below.clone()..).take_while(|(path, _)| path.starts_with(&below));
        paths.extend(changed.filter(|(_, file)| file.is_some()).map(|(path, _)| path.clone()));
        Ok(paths)
    }

    pub fn set(&mut self, path: &str, file: Option<File>) {
        self.changed.insert(path.to_owned(), file);
    }

    /// What differs from the base, or was written as it was, by path; None is a deleted file.
    pub fn changed(&self) -> &BTreeMap<String, Option<File>> {
        &self.changed
    }

    /// Makes the same changes to `folder`, a writable copy of the base. Nothing is written through a link; a folder that has lost
    /// its last file goes with it.
    pub fn write(&self, folder: &Path) -> Result<()> {
        for (path, _) in self.changed.iter().filter(|(_, file)| file.is_none()) {
            remove(folder, path)?;
            prune(folder, path)?;
        }
        for (path, file) in &self.changed {
            if let Some(file) = file {
                remove(folder, path)?;
                create(folder, path, file)?;
            }
        }
        Ok(())
    }
}

fn remove(folder: &Path, path: &str) -> Result<()> {
    for above in above(path) {
        if !metadata(&folder.join(above))?.is_some_and(|metadata| metadata.is_dir()) {
            return Ok(());
        }
    }
    let full = folder.join(path);
    match metadata(&full)? {
        Some(metadata) if !metadata.is_dir() => Ok(fs::remove_file(full)?),
        _ => Ok(()),
    }
}

/// Takes away the folders above a deleted file that are empty by now.
fn prune(folder: &Path, path: &str) -> Result<()> {
    let folders: Vec<&str> = above(path).collect();
    for above in folders.into_iter().rev() {
        match fs::remove_dir(folder.join(above)) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound | ErrorKind::NotADirectory
                ) =>
            {
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn create(folder: &Path, path: &str, file: &File) -> Result<()> {
    for above in above(path) {
        let full = folder.join(above);
        match metadata(&full)? {
            None => fs::create_dir(&full)?,
            Some(metadata) if metadata.is_dir() => {}
            Some(_) => bail!("{}: not a folder", full.display()),
        }
    }
    let full = folder.join(path);
    if file.mode == Mode::Link {
        return Ok(fs::os::unix::fs::symlink(OsStr::from_bytes(&file.bytes), &full)?);
    }
    let mode = if file.mode == Mode::Executable { 0o755 } else { 0o644 };
    let mut writer = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&full)?;
    writer.write_all(&file.bytes)?;
    // Whatever the umask.
    Ok(fs::set_permissions(&full, std::fs::Permissions::from_mode(mode))?)
}
