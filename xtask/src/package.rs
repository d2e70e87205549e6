//! From a relocated tree to artifacts: the tarball, `manifest.json`, `audit.json`, `SHA256SUMS`. Same tree, same bytes.
//!
//! What a package holds is decided here; whether the tree is fit to be shipped is the audit's to say, and where the artifacts go
//! is `package::install`'s.

pub mod install;
mod manifest;
mod tarball;

pub use manifest::{Document, Item};
pub use tarball::write as write_tarball;

use crate::digest::Hash;
use crate::filter::Filter;
use crate::recipe::Recipe;
use crate::relocate::Relocated;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// Names of the artifacts that are called the same for every recipe.
pub const MANIFEST: &str = "manifest.json";
pub const AUDIT: &str = "audit.json";
pub const SUMS: &str = "SHA256SUMS";

/// `xen-4.17.5+72-x86_64.tar.zst`.
pub fn tarball_name(recipe: &Recipe) -> String {
    format!("{}-{}.tar.zst", recipe.stem(), recipe.architecture.gnu())
}

/// Writes all artifacts into `into`, an empty folder.
pub fn pack(recipe: &Recipe, tree: &Relocated, audit_json: &str, into: &Path) -> Result<()> {
    let name = tarball_name(recipe);
    let file = fs::File::create(into.join(&name))?;
    let tarball =
        tarball::write(tree.path(), tree.manifest(), recipe.epoch, file).with_context(|| format!("packing {name}"))?;
    let manifest = Document::new(recipe, tree)?.to_json();
    fs::write(into.join(MANIFEST), &manifest)?;
    fs::write(into.join(AUDIT), audit_json)?;
    let mut sums =
        [(name.as_str(), tarball), (MANIFEST, Hash::of(manifest.as_bytes())), (AUDIT, Hash::of(audit_json.as_bytes()))];
    sums.sort_by_key(|(name, _)| *name);
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
