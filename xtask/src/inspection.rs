//! The edge of the audit: reads a tree's files once and keeps the facts that the rules ask for. Judges nothing.

use crate::audit::{Fact, Facts, Offer, search};
use crate::elf;
use crate::interrupt;
use crate::relocate::{Relocated, links};
use crate::tree::{Kind, Manifest};
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::Path;

/// Reads every file of a relocated tree. `places` are the folders that no file may mention.
pub fn facts(tree: &Relocated, places: &[String]) -> Result<Facts> {
    facts_of(tree.path(), tree.manifest(), tree.owners(), places)
}

/// The same for a tree that is at hand.
pub fn facts_of(root: &Path, tree: &Manifest, owners: &BTreeMap<String, String>, places: &[String]) -> Result<Facts> {
    let mut entries = BTreeMap::new();
    for entry in &tree.entries {
        let (mut found, mut leaks) = (None, Vec::new());
        if let Kind::File { .. } = entry.kind {
            interrupt::check()?;
            let bytes = fs::read(root.join(&entry.path)).context("reading the tree to be audited")?;
            found = elf::parse(&bytes).transpose();
            leaks = search(&bytes, places);
        }
        let step = owners.get(&entry.path).cloned();
        entries.insert(entry.path.clone(), Fact { kind: entry.kind.clone(), step, elf: found, leaks });
    }
    Ok(Facts { entries })
}

/// What the libraries called `sonames` offer in the roots of toolchains, whose release is the oldest that the packages are for. The
/// first that has a library answers for it; one that is nowhere is left out.
pub fn offer(roots: &[&Path], triplet: &str, sonames: &[String]) -> Result<Offer> {
    let folders = [format!("usr/lib/{triplet}"), "usr/lib".to_owned(), "usr/lib64".to_owned()];
    let mut libraries = BTreeMap::new();
    for soname in sonames {
        let places =
            roots.iter().flat_map(|root| folders.iter().map(move |folder| (root, links::join(folder, soname))));
        for (root, path) in places {
            let Some(bytes) = read_in_root(root, &path)? else { continue };
            let Ok(Some(library)) = elf::parse(&bytes) else { continue };
            // Private versions are glibc's own business: what is bound to them breaks with its next release.
            let offered = library.version_definitions.into_iter().filter(|version| !version.ends_with("_PRIVATE"));
            libraries.insert(soname.clone(), offered.collect());
            break;
        }
    }
    Ok(Offer { libraries })
}

/// As many links as Linux follows (`MAXSYMLINKS` in include/linux/namei.h).
const LINKS: usize = 40;

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
