//! From a relocated tree to artifacts: the tarball, `manifest.json`, `audit.json`, `SHA256SUMS`. Same tree, same bytes.

use crate::filter::Filter;
use crate::recipe::Recipe;
use anyhow::Result;

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
