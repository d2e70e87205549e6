//! The edge of the audit: reads a tree's files once and keeps what the rules ask for. Judges nothing.

use super::leaks;
use crate::elf::{self, Elf};
use crate::interrupt;
use crate::relocate::Relocated;
use crate::relocate::links;
use crate::tree::{Kind, Manifest};
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A tree as the rules see it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// By path, relative to the tree's root.
    pub entries: BTreeMap<String, Fact>,
}

#[derive(Clone, Debug)]
pub struct Fact {
    pub kind: Kind,
    /// The step that staged it; nothing for a folder that holds something.
    pub step: Option<String>,
    /// What an ELF file says, or why it cannot be read.
    pub elf: Option<Result<Elf, String>>,
    /// Build paths found in the content.
    pub leaks: Vec<String>,
}

impl Fact {
    /// The ELF facts of a readable ELF file.
    pub fn elf(&self) -> Option<&Elf> {
        self.elf.as_ref().and_then(|elf| elf.as_ref().ok())
    }
}

/// Reads every file of a relocated tree. `places` are the folders that no file may mention.
pub fn gather(tree: &Relocated, places: &[String]) -> Result<Facts> {
    gather_from(tree.path(), tree.manifest(), tree.owners(), places)
}

/// The same for a tree that is at hand.
pub fn gather_from(
    root: &Path,
    tree: &Manifest,
    owners: &BTreeMap<String, String>,
    places: &[String],
) -> Result<Facts> {
    let mut entries = BTreeMap::new();
    for entry in &tree.entries {
        let (mut found, mut leaks) = (None, Vec::new());
        if let Kind::File { .. } = entry.kind {
            interrupt::check()?;
            let bytes = fs::read(root.join(&entry.path)).context("reading the tree to be audited")?;
            found = elf::parse(&bytes).transpose();
            leaks = leaks::search(&bytes, places);
        }
        let step = owners.get(&entry.path).cloned();
        entries.insert(entry.path.clone(), Fact { kind: entry.kind.clone(), step, elf: found, leaks });
    }
    Ok(Facts { entries })
}

/// Where a path leads once all links in it are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Led {
    /// To this entry, which is not a link.
    To(String),
    /// To this path, where nothing is.
    Nowhere(String),
    /// Out of the root by `..`, or round in a circle.
    Astray,
}

impl Facts {
    /// Follows links in every component, as the kernel would with the tree as root.
    pub fn follow(&self, path: &str) -> Led {
        let mut path = path.to_owned();
        for _ in 0..LINKS {
            let Some((link, target, rest)) = self.first_link(&path) else {
                return if self.entries.contains_key(&path) { Led::To(path) } else { Led::Nowhere(path) };
            };
            let Some(led) = links::lead(links::parent(link), &format!("{target}/{rest}")) else { return Led::Astray };
            path = led;
        }
        Led::Astray
    }

    /// The first component of `path` that is a link: its own path, its target, and what follows it.
    fn first_link<'p>(&self, path: &'p str) -> Option<(&'p str, &str, &'p str)> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            if let Some(Fact { kind: Kind::Symlink { target }, .. }) = self.entries.get(&path[..end]) {
                return Some((&path[..end], target, path[end..].trim_start_matches('/')));
            }
        }
        None
    }

    /// The ELF files that can be read.
    pub fn elves(&self) -> impl Iterator<Item = (&str, &Elf)> {
        self.entries.iter().filter_map(|(path, fact)| Some((path.as_str(), fact.elf()?)))
    }
}

/// `MAXSYMLINKS` of Linux (include/linux/namei.h).
const LINKS: usize = 40;

/// Symbol versions that the distribution's libraries offer, by SONAME.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    pub libraries: BTreeMap<String, BTreeSet<String>>,
}

impl Offer {
    /// Reads the libraries called `sonames` from a toolchain's root, whose release is the oldest that the packages are for.
    /// A library that is not there is left out.
    pub fn read(root: &Path, triplet: &str, sonames: &[String]) -> Result<Offer> {
        let folders = [format!("usr/lib/{triplet}"), "usr/lib".to_owned(), "usr/lib64".to_owned()];
        let mut libraries = BTreeMap::new();
        for soname in sonames {
            for folder in &folders {
                let Some(bytes) = read_in_root(root, &links::join(folder, soname))? else { continue };
                let Ok(Some(library)) = elf::parse(&bytes) else { continue };
                // Private versions are glibc's own business: what is bound to them breaks with its next release.
                let offered = library.version_definitions.into_iter().filter(|version| !version.ends_with("_PRIVATE"));
                libraries.insert(soname.clone(), offered.collect());
                break;
            }
        }
        Ok(Offer { libraries })
    }
}

/// A file in a root that is not this machine's: its links are followed inside it.
fn read_in_root(root: &Path, path: &str) -> Result<Option<Vec<u8>>> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let here = root.join(&path);
        let Ok(metadata) = fs::symlink_metadata(&here) else { return Ok(None) };
        if !metadata.is_symlink() {
            return Ok(Some(fs::read(&here)?));
        }
        let target = fs::read_link(&here)?;
        let Some(led) = target.to_str().and_then(|target| links::lead(links::parent(&path), target)) else {
            return Ok(None);
        };
        path = led;
    }
    Ok(None)
}
