//! From pins to trees: every source of a recipe as a checked, read-only tree in the store.
//!
//! Which origin a source came from leaves no trace: the same pin gives the same bytes, modes and times.

pub mod folder;
pub mod reach;
pub mod tree;

pub use reach::{Reach, reachable, suggest};

use crate::archive::{self, Limits, Links};
use crate::context::Context;
use crate::digest::{Key, KeyBuilder};
use crate::download::{self, Wanted};
use crate::fault::{Exit, Fault};
use crate::git;
use crate::origin::{self, Failures, Place};
use crate::recipe::{Recipe, Source};
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

/// A source whose content is what its pin says. Only this module makes one.
#[derive(Clone, Debug)]
pub struct Checked {
    name: String,
    identity: Key,
    path: PathBuf,
}

impl Checked {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn identity(&self) -> &Key {
        &self.identity
    }

    /// The unpacked tree, read-only.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }
}

/// What identifies a source's content, known from the pin alone. The strongest pin counts: two recipes that pin one tree share it,
/// whatever they say of its commit.
pub fn identity(source: &Source) -> Key {
    identity_within(source, |_| true)
}

/// The same for a step that sees a part of the source. Of our own files only those that are let in count, so that a change to
/// others does not reach the step; a pin is a pin as a whole.
pub fn identity_within(source: &Source, keeps: impl Fn(&str) -> bool) -> Key {
    let mut key = KeyBuilder::new("source/1");
    if let Some(folder) = &source.folder {
        for (path, (executable, sha256)) in folder.files.iter().filter(|(path, _)| keeps(path)) {
            let mode = if *executable { "755" } else { "644" };
            key = key.field("file", format!("{mode} {sha256} {path}"));
        }
        return key.finish();
    }
    match (&source.tree, &source.sha256, &source.commit) {
        (Some(tree), _, _) => key.field("tree", tree.as_str()),
        (None, Some(sha256), _) => key.field("sha256", sha256.as_str()),
        (None, None, Some(commit)) => key.field("commit", commit.as_str()),
        (None, None, None) => key,
    }
    .finish()
}

/// Every source that the recipe's steps use, fetched where it is not in the store.
pub fn obtain(ctx: &Context, recipe: &Recipe) -> Result<BTreeMap<String, Checked>> {
    let used = used(recipe);
    let results: Vec<Result<Checked>> = thread::scope(|scope| {
        let threads: Vec<_> = used.iter().map(|(name, source)| scope.spawn(move || one(ctx, name, source))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    let mut checked = BTreeMap::new();
    let mut errors = Vec::new();
    for result in results {
        match result {
            Ok(source) => {
                checked.insert(source.name.clone(), source);
            }
            Err(error) => errors.push(error),
        }
    }
    all_of(errors)?;
    Ok(checked)
}

/// The sources that a step of the recipe uses, and those that hold queues for them, by name; the others are pins for later.
pub fn used(recipe: &Recipe) -> BTreeMap<&str, &Source> {
    let mut names: BTreeSet<&str> = recipe.step.values().map(|step| step.source.as_str()).collect();
    let queues = recipe.source.iter().filter(|(name, _)| names.contains(name.as_str()));
    let holders: Vec<&str> = queues.filter_map(|(_, source)| Some(source.queue.as_ref()?.source.as_str())).collect();
    names.extend(holders);
    let all = recipe.source.iter().map(|(name, source)| (name.as_str(), source));
    all.filter(|(name, _)| names.contains(name)).collect()
}

/// One error of many: whatever is not about an origin goes first, and alone.
fn all_of(mut errors: Vec<anyhow::Error>) -> Result<()> {
    let unavailable =
        |error: &anyhow::Error| error.downcast_ref::<Fault>().is_some_and(|fault| fault.exit == Exit::Source);
    if let Some(other) = errors.iter().position(|error| !unavailable(error)) {
        return Err(errors.swap_remove(other));
    }
    let Some(first) = errors.pop() else { return Ok(()) };
    if errors.is_empty() {
        return Err(first);
    }
    let cure = first.downcast_ref::<Fault>().and_then(|fault| fault.cure.clone());
    errors.push(first);
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Err(Fault { exit: Exit::Source, what: texts.join("\n  "), cure }.into())
}

/// One source, whoever pins it.
pub fn one(ctx: &Context, name: &str, source: &Source) -> Result<Checked> {
    let identity = identity(source);
    let what = format!("source {name} ({})", source.release);
    let stored = ctx.store.tree_or_make(&identity, &what, |into| bring(ctx, &what, source, into))?;
    Ok(Checked { name: name.to_owned(), identity, path: stored.path })
}

/// Fills an empty folder with the source, from the nearest place that has it.
fn bring(ctx: &Context, what: &str, source: &Source, into: &Path) -> Result<()> {
    if let Some(folder) = &source.folder {
        return folder::bring(&ctx.root, folder, into);
    }
    let mut failures = Failures::new(what);
    let places = origin::places(source, &ctx.net, &mut failures);
    if !(near(ctx, what, source, &places, into, &mut failures)?
        || far(ctx, what, source, &places, into, &mut failures)?)
    {
        return Err(failures.into_fault().into());
    }
    failures.warn(&ctx.report);
    Ok(())
}

/// From the store and the mirror folders.
fn near(
    ctx: &Context,
    what: &str,
    source: &Source,
    places: &[Place],
    into: &Path,
    failures: &mut Failures,
) -> Result<bool> {
    for place in places {
        if let Place::Tarball(wanted) = place
            && let Some(tarball) = download::local(ctx, wanted, failures)?
        {
            unpack(ctx, what, source, wanted, &tarball, into)?;
            return Ok(true);
        }
    }
    match &source.commit {
        Some(commit) => {
            let found = git::local(&ctx.net, &git::Pin { commit, tree: source.tree.as_ref() }, into, failures)?;
            if found {
                tree::normalize(into)?;
            }
            Ok(found)
        }
        None => Ok(false),
    }
}

/// From the network.
fn far(
    ctx: &Context,
    what: &str,
    source: &Source,
    places: &[Place],
    into: &Path,
    failures: &mut Failures,
) -> Result<bool> {
    for place in places {
        match place {
            Place::Tarball(wanted) => {
                if let Some(tarball) = download::remote(ctx, wanted, None, failures)? {
                    unpack(ctx, what, source, wanted, &tarball, into)?;
                    return Ok(true);
                }
            }
            Place::Git { url, commit } => {
                // Within the folder that is being made, so that whatever ends this run, the store clears it away.
                let scratch = into.join(".fetch");
                fs::create_dir(&scratch)?;
                let pin = git::Pin { commit, tree: source.tree.as_ref() };
                let found = git::remote(ctx, url, &pin, into, &scratch, failures);
                fs::remove_dir_all(&scratch)?;
                if found? {
                    tree::normalize(into)?;
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// Unpacks a tarball whose bytes have been checked, and checks what came out where a tree is pinned.
fn unpack(ctx: &Context, what: &str, source: &Source, wanted: &Wanted, tarball: &Path, into: &Path) -> Result<()> {
    let task = ctx.report.begin("unpack", &wanted.name, None);
    let context = || format!("unpacking {} ({what})", wanted.name);
    archive::unpack(archive::open(tarball).with_context(context)?, into, 0, &Limits::default())
        .with_context(context)?;
    lift(into).with_context(context)?;
    // What led from the top folder to beside it now leads out.
    archive::check_links(into, Links::Inside).with_context(context)?;
    if let Some(expected) = &source.tree {
        let found = tree::id(into).with_context(context)?;
        if found != *expected {
            return Err(Fault::source(format!("{what}: the tree of {} is {found}, expected {expected}", wanted.name))
                .cure("this tarball does not hold the pinned content: correct the origin or the `tree` in the recipe")
                .into());
        }
        tree::normalize(into)?;
    }
    task.done("checked");
    Ok(())
}

/// Replaces the only folder in `into` by its content.
fn lift(into: &Path) -> Result<()> {
    let tops: Vec<fs::DirEntry> = fs::read_dir(into)?.collect::<Result<_, _>>()?;
    let [top] = tops.as_slice() else {
        bail!("expected one folder that holds everything, found {} entries at the top", tops.len());
    };
    if !top.file_type()?.is_dir() {
        bail!("expected one folder that holds everything, found the file {}", top.path().display());
    }
    // The folder may hold something of its own name.
    let mut aside = into.join(".top");
    while top.path().join(aside.file_name().unwrap_or_default()).symlink_metadata().is_ok() {
        aside.as_mut_os_string().push("_");
    }
    fs::rename(top.path(), &aside)?;
    for entry in fs::read_dir(&aside)? {
        let entry = entry?;
        fs::rename(entry.path(), into.join(entry.file_name()))?;
    }
    fs::remove_dir(&aside)?;
    Ok(())
}
