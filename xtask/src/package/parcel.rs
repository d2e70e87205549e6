//! The relocated tree divided into packages, whatever the format: what each holds, with the folders above it.
//!
//! Every writer takes the same parcels; what a format adds (control files, documentation that a distribution asks for) is its own.

use super::Claims;
use crate::audit::Facts;
use crate::job::Job;
use crate::papers::attribution::Attribution;
use crate::recipe::Package;
use crate::relocate::{Relocated, links};
use crate::report::Report;
use crate::shipment::Roots;
use crate::tree::{Entry, Kind};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

/// All that a writer of packages may look at. Nothing else may reach a package's bytes.
pub struct Goods<'a> {
    pub job: &'a Job,
    pub tree: &'a Relocated,
    /// What is known of every path of `tree`.
    pub facts: &'a Facts,
    /// What every path of `tree` was made of.
    pub attribution: &'a Attribution,
    /// The roots of toolchains: what the distribution offers.
    pub roots: &'a Roots,
    /// One for each package of the recipe that holds something, in the recipe's order.
    pub parcels: Vec<Parcel<'a>>,
    pub report: &'a Report,
    /// How many packages are packed at once.
    pub jobs: usize,
}

/// One package to be written.
pub struct Parcel<'a> {
    pub package: &'a Package,
    /// In byte order of the paths, folders before what is in them. The folders above a path are among them, whoever else has them.
    pub entries: Vec<&'a Entry>,
}

impl Parcel<'_> {
    /// The entries that no other package has: files, links, and folders that were staged for their own sake.
    pub fn own<'p>(&'p self, tree: &'p Relocated) -> impl Iterator<Item = &'p Entry> {
        self.entries.iter().copied().filter(|entry| tree.owners().contains_key(&entry.path))
    }

    /// Paths below `/etc`, which belong to the machine's administrator once they are installed.
    pub fn configuration(&self) -> impl Iterator<Item = &str> {
        let files = self.entries.iter().filter(|entry| matches!(entry.kind, Kind::File { .. }));
        files.map(|entry| entry.path.as_str()).filter(|path| path.starts_with("etc/"))
    }
}

/// Which package holds what. A path that no package claims is in none; the audit reports it.
pub fn parcels<'a>(job: &'a Job, tree: &'a Relocated) -> Result<Vec<Parcel<'a>>> {
    let claims = Claims::of(&job.recipe)?;
    let mut held: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for path in tree.owners().keys() {
        let Some(package) = claims.package(path) else { continue };
        let paths = held.entry(package).or_default();
        let mut path = path.as_str();
        while !path.is_empty() && paths.insert(path) {
            path = links::parent(path);
        }
    }
    let entries: BTreeMap<&str, &Entry> =
        tree.manifest().entries.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let parcel = |package: &'a Package| {
        let paths = held.get(package.name.as_str())?;
        Some(Parcel { package, entries: paths.iter().map(|path| entries[path]).collect() })
    };
    Ok(job.recipe.package.iter().filter_map(parcel).collect())
}
