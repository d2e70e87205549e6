//! From a relocated tree to artifacts: packages in the recipe's formats, `manifest.json`, `audit.json`, and `SHA256SUMS` over all.
//! Same tree, same bytes.
//!
//! What a package holds is decided here; whether the tree is fit to be shipped is the audit's to say, and where the artifacts go
//! is `package::install`'s.

mod arch;
pub mod bundle;
mod deb;
pub mod install;
mod layout;
mod manifest;
mod parcel;
mod rpm;
mod tarball;

pub use layout::{Layout, Placed};
pub use manifest::{Document, Item, Mode, What};
pub use parcel::{Goods, Parcel, parcels};
pub use tarball::Tarball;

use crate::digest::Hash;
use crate::filter::Filter;
use crate::recipe::{Format, Recipe};
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::Path;

/// Names of the artifacts that are called the same for every recipe.
pub const MANIFEST: &str = "manifest.json";
pub const AUDIT: &str = "audit.json";
pub const SUMS: &str = "SHA256SUMS";

/// A finished file.
#[derive(Clone, Debug)]
pub struct Artifact {
    pub name: String,
    /// Bytes.
    pub size: u64,
    pub sha256: Hash,
}

/// What lies in the folder of artifacts so far, and what the tree holds.
pub struct Packed {
    /// Sorted by name.
    pub artifacts: Vec<Artifact>,
    pub document: Document,
}

/// Writes the packages, the manifest and the audit into `into`, an empty folder.
pub fn pack(goods: &Goods, audit_json: &str, into: &Path) -> Result<Packed> {
    let recipe = &goods.job.recipe;
    let document = Document::new(recipe, goods.tree)?;
    let mut artifacts = vec![put(into, MANIFEST, &document.to_json())?, put(into, AUDIT, audit_json)?];
    for format in &recipe.formats {
        let task = goods.report.begin("pack", &format!("{} as {}", recipe.stem(), format.name()), None);
        let write = match format {
            Format::Arch => arch::write,
            Format::Deb => deb::write,
            Format::Rpm => rpm::write,
            Format::Tar => bundle::write,
        };
        let packed = write(goods, into).with_context(|| format!("packing {} as {}", recipe.stem(), format.name()))?;
        let size = packed.iter().map(|artifact| artifact.size).sum();
        let files = if packed.len() == 1 { "1 file".to_owned() } else { format!("{} files", packed.len()) };
        task.done(&format!("{files}, {}", indicatif::BinaryBytes(size)));
        artifacts.extend(packed);
    }
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
