//! A new version of upstream as a new recipe: its tag found and believed, its sisters read, the recipe rewritten, the queues carried.
//!
//! [`prepare`] decides everything and writes nothing; [`Bump::write`] puts it into the repository. A queue that does not fit the new
//! version is not written: the recipe stands for itself, and `patch rebase` carries the queue to it.

pub mod config;
pub mod recipe;
pub mod review;
pub mod sisters;
pub mod tag;
pub mod upstream;

use crate::catalog;
use crate::context::Context;
use crate::fault::Fault;
use crate::openpgp;
use crate::patches::rebase::{self, AtConflict, Carry, Side, Step};
use crate::patches::{Queue, packed, save};
use crate::recipe::Recipe;
use crate::sources;
use anyhow::{Context as _, Result};
use fs_err as fs;
use git2::{Oid, Repository, Tree};
use sisters::Sister;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tag::{Release, Tagged};

/// A new version, ready to be written.
pub struct Bump {
    pub old: Recipe,
    pub new: Recipe,
    pub text: String,
    pub release: Release,
    pub tagged: Tagged,
    /// The repository that has the tag.
    pub place: String,
    pub sisters: Vec<Sister>,
    /// What became of each patch, by source; queues without patches are not there.
    pub queues: BTreeMap<String, Vec<Step>>,
    /// What a reviewer must know, beside the sisters and the queues.
    pub notes: Vec<String>,
}

/// Everything about the new version of a recipe, which `wanted` means.
pub fn prepare(ctx: &Context, wanted: &str, version: &str) -> Result<Bump> {
    let old = catalog::find(&ctx.root, wanted)?;
    let stem = old.stem();
    let source = old.source.get(&old.name).filter(|source| source.commit.is_some()).ok_or_else(|| {
        Fault::usage(format!(
            "recipe {stem} pins no commit of a source {}, so no tag leads to its next version",
            old.name
        ))
        .cure("copy the recipe by hand")
    })?;
    // A pin that is a tarball's stays as it is, and what is packed for it fits on.
    let moving = old.source.iter().filter(|(_, source)| source.commit.is_some());
    moving.map(|(name, _)| name).try_for_each(|name| packed::check_own(&old, name))?;
    let release = tag::release(&old, source, version)?;
    vacant(&ctx.root, &old, &release)?;
    let keys = tag::certificate(ctx, &old, source)?;
    let found = tag::find(ctx, &old, source, &release)?;
    let tagged = tag::verify(&found, &release, &keys, openpgp::now())?;
    let repository = &found.repository;
    let new_tree = tree(repository, tagged.tree.as_str()).context("reading the new tree")?;
    // A shallow clone may not have it; then there is less to compare.
    let old_tree = source.commit.as_ref().and_then(|commit| tree(repository, commit.as_str()).ok());

    let named = upstream::named(repository, &new_tree, &release.tag)?;
    let sisters = sisters::all(ctx, &old, repository, &new_tree, old_tree.as_ref())?;
    let until = upstream::support(repository, &new_tree, &named.series);
    let change = recipe::Change {
        version: &release.version,
        tag: &release.tag,
        tagged: &tagged,
        series: &named.series,
        until: until.as_deref(),
        sisters: &sisters,
    };
    let old_text = fs::read_to_string(ctx.root.join(file(&stem)))?;
    let written = recipe::write(&old_text, &old, &change)?;
    let shown = file(&format!("{}-{}", old.name, release.version)).display().to_string();
    let new = catalog::read(&ctx.root, &shown, &written.text).context("writing the new recipe")?;

    let mut notes = written.notes;
    if old_tree.is_none() {
        notes.push(format!("{} does not have the old commit: nothing upstream was compared with it", found.place));
    }
    notes.extend(upstream::compare(&new, &release.version, &named, repository, &new_tree, old_tree.as_ref())?);
    notes.extend(queues_left(ctx, &old, &new)?);
    let queues = carry(ctx, &old, &new)?;
    let place = found.place.clone();
    drop((new_tree, old_tree));
    Ok(Bump { old, new, text: written.text, release, tagged, place, sisters, queues, notes })
}

/// Below the checkout.
fn file(stem: &str) -> PathBuf {
    PathBuf::from(format!("recipes/{stem}.toml"))
}

fn tree<'r>(repository: &'r Repository, id: &str) -> Result<Tree<'r>> {
    Ok(repository.find_object(Oid::from_str(id)?, None)?.peel_to_tree()?)
}

/// Neither the new recipe nor a queue of it may be there.
fn vacant(root: &Path, old: &Recipe, release: &Release) -> Result<()> {
    let stem = format!("{}-{}", old.name, release.version);
    for path in [file(&stem), PathBuf::from(format!("patches/{stem}"))] {
        if root.join(&path).exists() {
            return Err(Fault::usage(format!("{} is there already", path.display()))
                .cure(format!(
                    "remove it to make it anew; `cargo xtask patch rebase {} --onto {stem}` carries queues only",
                    old.stem()
                ))
                .into());
        }
    }
    Ok(())
}

/// Queues of sources that the new recipe does not have.
fn queues_left(ctx: &Context, old: &Recipe, new: &Recipe) -> Result<Vec<String>> {
    let queues = Queue::read_all(&ctx.root, old)?;
    let left = queues.iter().filter(|(name, queue)| !queue.patches.is_empty() && !new.source.contains_key(*name));
    let line = |(name, queue): (&String, &Queue)| {
        format!(
            "patches/{}/{name} with {} patches is not carried: its source is left out",
            old.stem(),
            queue.patches.len()
        )
    };
    Ok(left.map(line).collect())
}

fn carry(ctx: &Context, old: &Recipe, new: &Recipe) -> Result<BTreeMap<String, Vec<Step>>> {
    let mut queues = BTreeMap::new();
    let (was, is) = (old.stem(), new.stem());
    for (name, queue) in Queue::read_all(&ctx.root, old)? {
        let Some(source) = new.source.get(&name).filter(|_| !queue.patches.is_empty()) else { continue };
        let before = &old.source[&name];
        let context = || format!("carrying patches/{was}/{name}");
        let from = sources::one(ctx, &name, before).with_context(context)?;
        let to = sources::one(ctx, &name, source).with_context(context)?;
        let way = Carry {
            old: Side { source: &from, commit: before.commit.as_ref(), name: &was },
            queue: &queue,
            new: Side { source: &to, commit: source.commit.as_ref(), name: &is },
        };
        let steps = rebase::rebase(ctx, &way, Vec::new(), AtConflict::LeaveOut).with_context(context)?;
        queues.insert(name, steps);
    }
    Ok(queues)
}

impl Bump {
    /// The first patch that does not fit, with its source.
    pub fn conflict(&self) -> Option<(&str, &Step)> {
        self.queues.iter().find_map(|(name, steps)| Some((name.as_str(), rebase::conflict(steps)?)))
    }

    /// Writes the recipe, and the queues unless one of them does not fit; which files and folders, below the checkout.
    pub fn write(&self, root: &Path) -> Result<Vec<String>> {
        let stem = self.new.stem();
        let mut written = Vec::new();
        if self.conflict().is_none() {
            for (name, steps) in &self.queues {
                let folder = format!("patches/{stem}/{name}");
                if !save::save(&root.join(&folder), &rebase::files(steps))?.is_empty() {
                    written.push(folder);
                }
            }
        }
        let path = file(&stem);
        let context = || format!("writing {}", path.display());
        let mut temporary = tempfile::NamedTempFile::new_in(root.join("recipes")).with_context(context)?;
        temporary.write_all(self.text.as_bytes()).with_context(context)?;
        fs::set_permissions(temporary.path(), std::fs::Permissions::from_mode(0o644))?;
        temporary.persist_noclobber(root.join(&path)).with_context(context)?;
        written.insert(0, path.display().to_string());
        Ok(written)
    }
}
