//! The files that a queue touches, in memory, over a base that is only read: what patches are tried on.

use anyhow::Result;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

/// What git records of a file's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Plain,
    Executable,
    /// A symbolic link; the bytes are where it leads.
    Link,
}

impl Mode {
    /// The octal digits of a patch; None for what is neither a file nor a link, such as a submodule.
    pub fn read(digits: &[u8]) -> Option<Mode> {
        let digits = std::str::from_utf8(digits).ok()?.trim_ascii_end();
        let mode = u32::from_str_radix(digits, 8).ok()?;
        Mode::of(mode)
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
    /// None where there is no file of that name (nothing, or a folder). A path that leads through a link or a file is an error.
    fn file(&self, path: &str) -> Result<Option<File>>;
}

/// An unpacked source.
pub struct Folder(pub PathBuf);

/// A tree of a git repository.
pub struct Tree<'r> {
    pub repository: &'r git2::Repository,
    pub tree: git2::Tree<'r>,
}

impl Base for Folder {
    fn file(&self, _path: &str) -> Result<Option<File>> {
        todo!()
    }
}

impl Base for Tree<'_> {
    fn file(&self, _path: &str) -> Result<Option<File>> {
        todo!()
    }
}

/// A base with the changes of the patches that have been applied so far.
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
        match self.changed.get(path) {
            Some(file) => Ok(file.clone()),
            None => self.base.file(path),
        }
    }

    pub fn set(&mut self, path: &str, file: Option<File>) {
        self.changed.insert(path.to_owned(), file);
    }

    /// What differs from the base, or was written as it was, by path; None is a deleted file.
    pub fn changed(&self) -> &BTreeMap<String, Option<File>> {
        &self.changed
    }
}
