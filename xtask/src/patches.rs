//! Patch queues: `patches/<recipe>/<source>/NNNN-*.patch`, applied without fuzz in the order of their names.
//!
//! A queue is read as data and applied in memory; a tree is written once, with all patches or with none. An offset is accepted
//! here: it is for a refresh to take away.

pub mod apply;
pub mod commits;
pub mod content;
pub mod dep3;
pub mod diff;
pub mod export;
pub mod import;
pub mod lint;
pub mod mail;
pub mod name;
pub mod packed;
pub mod rebase;
pub mod refresh;
pub mod render;
pub mod save;
pub mod worktree;

use crate::context::Context;
use crate::digest::KeyBuilder;
use crate::fault::Fault;
use crate::recipe::Recipe;
use crate::sources::Checked;
use anyhow::Result;
use apply::Direction;
use content::{Base, Files, Folder};
use diff::Diff;
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A source with its queue applied: a read-only tree in the store. Only this module makes one.
#[derive(Clone, Debug)]
pub struct Patched {
    path: PathBuf,
}

impl Patched {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// One patch as it stands in the repository.
#[derive(Clone, Debug)]
pub struct Patch {
    /// `patches/xen-4.17.4/xen/0101-….patch`, for messages.
    pub file: String,
    pub text: Vec<u8>,
    pub diff: Diff,
}

impl Patch {
    /// Reads the patch at `path`; `file` is what messages call it.
    pub fn read(path: &Path, file: String) -> Result<Patch> {
        match diff::read_file(path) {
            Ok(text) => Patch::of(text, file),
            Err(error) if error.is::<std::io::Error>() => Err(error),
            Err(error) => Err(Fault::usage(format!("{file}: {error}")).into()),
        }
    }

    /// The patch whose text this is; `file` is what messages call it.
    pub fn of(text: Vec<u8>, file: String) -> Result<Patch> {
        let diff = diff::read(&text).map_err(|error| {
            Fault::usage(format!("{file}: {error}"))
                .cure("a patch is a unified diff, best as `git format-patch` writes it")
        })?;
        Ok(Patch { file, text, diff })
    }

    /// The file's own name, without its folder.
    pub fn name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(&self.file)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Queue {
    pub patches: Vec<Patch>,
}

impl Queue {
    /// The queues of a recipe by source, from `patches/<stem>/` below the checkout; empty for a source whose queue another one holds. A folder that is no source of the recipe is
    /// an error: nobody would notice that its patches are missing.
    pub fn read_all(checkout: &Path, recipe: &Recipe) -> Result<BTreeMap<String, Queue>> {
        let stem = recipe.stem();
        let folder = checkout.join("patches").join(&stem);
        let mut queues: BTreeMap<String, Queue> =
            recipe.source.keys().map(|name| (name.clone(), Queue::default())).collect();
        if !folder.exists() {
            return Ok(queues);
        }
        for name in sorted_names(&folder)? {
            if let Some(packed) = recipe.source.get(&name).and_then(|source| source.queue.as_ref()) {
                let holder = &packed.source;
                return Err(Fault::usage(format!(
                    "patches/{stem}/{name}: recipe {stem} takes these patches from source {holder}"
                ))
                .cure("remove the folder, or take `queue` out of the recipe")
                .into());
            }
            let Some(queue) = queues.get_mut(&name) else {
                return Err(Fault::usage(format!("patches/{stem}/{name}: recipe {stem} has no source `{name}`"))
                    .cure(format!("name the folder after one of: {}", known(recipe)))
                    .into());
            };
            for patch in sorted_names(&folder.join(&name))? {
                let file = format!("patches/{stem}/{name}/{patch}");
                if !patch.ends_with(".patch") {
                    return Err(Fault::usage(format!("{file}: a queue holds only NNNN-*.patch files")).into());
                }
                queue.patches.push(Patch::read(&checkout.join(&file), file)?);
            }
        }
        Ok(queues)
    }

    /// The same together with the queues that sources hold, which are brought when they are not at hand.
    pub fn obtain_all(ctx: &Context, checkout: &Path, recipe: &Recipe) -> Result<BTreeMap<String, Queue>> {
        let mut queues = Queue::read_all(checkout, recipe)?;
        for (name, source) in &recipe.source {
            if let Some(packed) = &source.queue {
                queues.insert(name.clone(), packed::queue(ctx, recipe, packed)?);
            }
        }
        Ok(queues)
    }
}

/// Applies a queue to a checked source. The result is shared by all recipes whose queue says the same.
pub fn apply(ctx: &Context, source: &Checked, queue: &Queue) -> Result<Patched> {
    if queue.patches.is_empty() {
        return Ok(Patched { path: source.path().to_owned() });
    }
    let mut key = KeyBuilder::new("patched/1").field("source", source.identity().as_str());
    for patch in &queue.patches {
        key = key.field("patch", &patch.diff.body);
    }
    let what = format!("patched source {}", source.name());
    let stored = ctx.store.tree_or_make(&key.finish(), &what, |folder| {
        let base = Folder(source.path().to_owned());
        let files = push(&base, queue)?;
        crate::tree::copy(source.path(), folder)?;
        files.write(folder)
    })?;
    Ok(Patched { path: stored.path })
}

/// What a queue makes of a base, in memory; the first patch that does not apply is the error.
pub fn push<'b>(base: &'b dyn Base, queue: &Queue) -> Result<Files<'b>> {
    let mut files = Files::over(base);
    for patch in &queue.patches {
        apply::apply(&mut files, patch, Direction::Forward)?.map_err(|misfit| misfit.fault(&patch.file))?;
    }
    Ok(files)
}

/// The `git` program without the user's or the machine's configuration, and without looking for a repository above `folder`.
#[expect(clippy::disallowed_methods, reason = "libgit2 splits no mails and makes no work trees")]
pub fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    if let Some(parent) = folder.parent() {
        command.env("GIT_CEILING_DIRECTORIES", parent);
    }
    command
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

fn sorted_names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn known(recipe: &Recipe) -> String {
    recipe.source.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The patches of a queue that read or write a file which `keeps` keeps.
pub fn reaching(queue: &Queue, keeps: impl Fn(&str) -> bool) -> Vec<&Patch> {
    queue.patches.iter().filter(|patch| patch.diff.touches().iter().any(|path| keeps(path))).collect()
}
