//! A queue that another source holds as quilt keeps one: a `series`, and the patches that it names, as in Debian's `debian/patches`.
//!
//! It is brought and checked as any source is, and only read: what changes it is another pin.

use super::import::series;
use super::{Patch, Queue};
use crate::catalog;
use crate::context::Context;
use crate::fault::Fault;
use crate::recipe::{PackedQueue, Recipe};
use crate::sources;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// The folder of a packed queue in the store.
pub fn folder(ctx: &Context, recipe: &Recipe, packed: &PackedQueue) -> Result<PathBuf> {
    let holder = sources::one(ctx, &packed.source, &recipe.source[&packed.source])
        .map_err(|error| sources::suggest(ctx, error, || catalog::others(&ctx.root, recipe)))?;
    Ok(holder.path().join(&packed.path))
}

/// The queue; its patches are called `debian/patches/…`, from the name of the source on.
pub fn queue(ctx: &Context, recipe: &Recipe, packed: &PackedQueue) -> Result<Queue> {
    read(&folder(ctx, recipe, packed)?, &shown(packed))
}

fn shown(packed: &PackedQueue) -> String {
    format!("{}/{}", packed.source, packed.path)
}

/// What messages call the queue of a source: `patches/xen-4.17.4/xen`, or `debian/patches` in the source that holds it.
pub fn place(recipe: &Recipe, source: &str) -> String {
    match recipe.source.get(source).and_then(|source| source.queue.as_ref()) {
        Some(packed) => shown(packed),
        None => format!("patches/{}/{source}", recipe.stem()),
    }
}

/// The queue in a folder that messages call `shown`.
pub fn read(folder: &Path, shown: &str) -> Result<Queue> {
    let file = folder.join("series");
    if !file.is_file() {
        return Err(Fault::usage(format!("{shown}: there is no `series` in it"))
            .cure("`path` of a queue is the folder of its `series`, below the one folder that the tarball holds")
            .into());
    }
    let entries = series::read(&fs::read_to_string(&file)?).with_context(|| format!("reading {shown}/series"))?;
    let mut queue = Queue::default();
    for entry in entries {
        let name = format!("{shown}/{}", entry.file);
        if entry.strip != 1 || entry.reversed || !entry.said.is_empty() {
            return Err(Fault::usage(format!("{name}: its line in `series` asks for -pN, -R or a guard"))
                .cure("such a queue has to be imported: `cargo xtask patch import` turns its patches into plain ones")
                .into());
        }
        // An export, as a queue of ours, has all patches in one folder.
        let base = entry.file.rsplit('/').next().unwrap_or(&entry.file);
        if queue.patches.iter().any(|patch| patch.name() == base) {
            return Err(Fault::usage(format!("{shown}/series: two patches are called {base}")).into());
        }
        let path = series::path(&file, &entry).with_context(|| format!("reading {shown}/series"))?;
        queue.patches.push(Patch::read(&path, name)?);
    }
    Ok(queue)
}

/// Refuses to write the queue of a source where another source holds it.
pub fn check_own(recipe: &Recipe, source: &str) -> Result<()> {
    let Some(packed) = recipe.source.get(source).and_then(|source| source.queue.as_ref()) else { return Ok(()) };
    let (stem, holder) = (recipe.stem(), &packed.source);
    let release = &recipe.source[holder].release;
    Err(Fault::usage(format!(
        "the patches to {source} in {stem} are those of source {holder} ({release}) and are only read"
    ))
    .cure(format!(
        "for a queue of your own: `cargo xtask patch export {stem} {source} --format quilt DIR`, take `queue` out of \
             the recipe, `cargo xtask patch import {stem} {source} DIR`"
    ))
    .into())
}
