//! The packages that cases install: the recipe's own, for some those of other recipes, and for some the recipe's next revision.

use crate::boot::case::Case;
use crate::boot::dom0::{self, Dom0, Part};
use crate::boot::kernel::Kernel;
use crate::cmd::build;
use crate::context::Context;
use crate::fault::Fault;
use crate::job::Job;
use crate::recipe::Format;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub struct Packages {
    /// By the names of the other recipes in it, as cases say them.
    images: BTreeMap<BTreeSet<String>, Dom0>,
    /// The packages of the next revision, when a case asks for them.
    upgrade: Vec<PathBuf>,
}

impl Packages {
    /// Builds what the store lacks, and installs it for all cases.
    pub fn bring(ctx: &Context, job: &Job, kernel: &Kernel, cases: &[Case]) -> Result<Packages> {
        let recipe = &job.recipe;
        if !recipe.formats.contains(&Format::Deb) {
            let what = format!("{} makes no Debian packages, and dom0 is a Debian system", recipe.stem());
            return Err(Fault::usage(what).cure("add \"deb\" to `formats` in the recipe").into());
        }
        let own = build::shipped(ctx, job)?.path().to_owned();
        let mut others: BTreeMap<String, (Job, PathBuf)> = BTreeMap::new();
        let mut images = BTreeMap::new();
        for with in cases.iter().map(with).collect::<BTreeSet<_>>() {
            for name in &with {
                if !others.contains_key(name) {
                    let other = Job::new(ctx, name)?;
                    let path = build::shipped(ctx, &other)?.path().to_owned();
                    others.insert(name.clone(), (other, path));
                }
            }
            let mut parts = vec![Part { recipe, packages: own.clone() }];
            // One machine has one Xen of a series.
            let beside =
                with.iter().map(|name| &others[name]).filter(|(other, _)| other.recipe.series != recipe.series);
            parts.extend(beside.map(|(other, path)| Part { recipe: &other.recipe, packages: path.clone() }));
            images.insert(with, dom0::obtain(ctx, kernel, &parts)?);
        }
        let asked = cases.iter().any(|case| case.upgrade);
        let upgrade = if asked { next_revision(ctx, job)? } else { Vec::new() };
        Ok(Packages { images, upgrade })
    }

    pub fn dom0(&self, case: &Case) -> &Dom0 {
        &self.images[&with(case)]
    }

    /// What the case finds in `/case/upgrade`.
    pub fn upgrade(&self, case: &Case) -> &[PathBuf] {
        if case.upgrade { &self.upgrade } else { &[] }
    }
}

fn with(case: &Case) -> BTreeSet<String> {
    case.with.iter().cloned().collect()
}

/// The same packages under the next number, as a distribution's own change makes them.
fn next_revision(ctx: &Context, job: &Job) -> Result<Vec<PathBuf>> {
    let mut recipe = job.recipe.clone();
    recipe.revision += 1;
    recipe.formats = [Format::Deb].into();
    let next = Job::with(ctx, &ctx.root, recipe)?;
    let packages = build::shipped(ctx, &next)?.path().to_owned();
    Part { recipe: &next.recipe, packages }.debs()
}
