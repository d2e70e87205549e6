//! From a relocated tree to artifacts: the tarball, `manifest.json`, `audit.json`, and `SHA256SUMS` over all. Same tree, same bytes.
//!
//! What a package holds is decided here; whether the tree is fit to be shipped is the audit's to say, and where the artifacts go
//! is `package::install`'s.

pub mod install;
mod manifest;
mod tarball;

pub use manifest::{Document, Item, What};
pub use tarball::write as write_tarball;

use crate::digest::Hash;
use crate::filter::Filter;
use crate::recipe::Recipe;
use crate::relocate::Relocated;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::Path;

/// Names of the artifacts that are called the same for every recipe.
pub const MANIFEST: &str = "manifest.json";
pub const AUDIT: &str = "audit.json";
pub const SUMS: &str = "SHA256SUMS";

/// `xen-4.17.5+72-x86_64.tar.zst`.
pub fn tarball_name(recipe: &Recipe) -> String {
    format!("{}-{}.tar.zst", recipe.stem(), recipe.architecture.gnu())
}

/// A finished file.
#[derive(Clone, Debug)]
pub struct Artifact {
    pub name: String,
    /// Bytes.
    pub size: u64,
    pub sha256: Hash,
}

/// What lies in the folder of artifacts so far, and what the tarball holds.
pub struct Packed {
    /// Sorted by name.
    pub artifacts: Vec<Artifact>,
    pub document: Document,
}

/// Writes the tarball, the manifest and the audit into `into`, an empty folder.
pub fn pack(recipe: &Recipe, tree: &Relocated, audit_json: &str, into: &Path) -> Result<Packed> {
    let name = tarball_name(recipe);
    let file = fs::File::create(into.join(&name))?;
    let sha256 =
        tarball::write(tree.path(), tree.manifest(), recipe.epoch, file).with_context(|| format!("packing {name}"))?;
    let size = fs::metadata(into.join(&name))?.len();
    let document = Document::new(recipe, tree)?;
    let manifest = put(into, MANIFEST, &document.to_json())?;
    let mut artifacts = vec![Artifact { name, size, sha256 }, manifest, put(into, AUDIT, audit_json)?];
    artifacts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Packed { artifacts, document })
}

/// Writes one artifact.
pub fn put(into: &Path, name: &str, text: &str) -> Result<Artifact> {
    fs::write(into.join(name), text)?;
    Ok(Artifact { name: name.to_owned(), size: text.len() as u64, sha256: Hash::of(text.as_bytes()) })
}

/// Writes `SHA256SUMS` over all artifacts, which makes them whole.
pub fn seal(artifacts: &[Artifact], into: &Path) -> Result<()> {
    let sums: BTreeMap<&str, &Hash> = artifacts.iter().map(|a| (a.name.as_str(), &a.sha256)).collect();
    // The form of coreutils, so that `sha256sum -c` reads it.
    let sums: String = sums.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
    fs::write(into.join(SUMS), sums)?;
    Ok(())
}

/// Which package a path belongs to: the first whose globs match.
#[derive(Clone, Debug)]
pub struct Claims<'a> {
    packages: Vec<(&'a str, Filter)>,
}

impl<'a> Claims<'a> {
    pub fn of(recipe: &'a Recipe) -> Result<Claims<'a>> {
        let packages = recipe.package.iter();
        let packages = packages.map(|package| Ok((package.name.as_str(), Filter::new(&package.files)?)));
        Ok(Claims { packages: packages.collect::<Result<_>>()? })
    }

    pub fn package(&self, path: &str) -> Option<&'a str> {
        self.packages.iter().find(|(_, globs)| globs.keeps(path)).map(|(name, _)| *name)
    }
}
