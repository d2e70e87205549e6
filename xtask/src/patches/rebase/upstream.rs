//! Which patches upstream has taken, by their patch-ids (`git-patch-id(1)`), where a repository at hand has the history of both
//! sides.
//!
//! Nothing is fetched for it: a patch that upstream has is mostly found by its content, too.

use super::Carry;
use crate::context::Context;
use crate::git;
use crate::interrupt;
use anyhow::Result;
use git2::{Diff, DiffFindOptions, DiffOptions, Oid, Repository, Tree};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

/// The commits of the new side that the old side has not, as far as they touch just the files of one of the queue's patches.
/// Looked through when first asked: a queue that applies as it is never does.
pub struct History<'a> {
    ctx: &'a Context,
    carry: &'a Carry<'a>,
    commits: OnceCell<BTreeMap<Oid, Oid>>,
}

impl<'a> History<'a> {
    pub fn new(ctx: &'a Context, carry: &'a Carry<'a>) -> History<'a> {
        History { ctx, carry, commits: OnceCell::new() }
    }

    /// The commit that changes what lies between the two trees as they do.
    pub fn find(&self, repository: &Repository, trees: impl FnOnce() -> Result<(Oid, Oid)>) -> Result<Option<Oid>> {
        let commits = match self.commits.get() {
            Some(commits) => commits,
            None => {
                let found = self.look()?;
                self.commits.get_or_init(|| found)
            }
        };
        if commits.is_empty() {
            return Ok(None);
        }
        let (before, after) = trees()?;
        let diff = diff(repository, &repository.find_tree(before)?, &repository.find_tree(after)?)?;
        Ok(commits.get(&patch_id(diff)?).copied())
    }

    fn look(&self) -> Result<BTreeMap<Oid, Oid>> {
        let (Some(old), Some(new)) = (self.carry.old.commit, self.carry.new.commit) else {
            return Ok(BTreeMap::new());
        };
        let Some(repository) = git::holding(&self.ctx.net, [old, new])? else { return Ok(BTreeMap::new()) };
        match between(&repository, git::oid(old), git::oid(new), self.carry) {
            // A history that ends too early tells nothing.
            Err(error) if error.is::<git2::Error>() => Ok(BTreeMap::new()),
            found => found,
        }
    }
}

/// The patch-ids of the commits after `old` up to `new`, of those that touch just the files of one of the patches: reading the
/// files of the others would take a thousand times as long.
fn between(repository: &Repository, old: Oid, new: Oid, carry: &Carry<'_>) -> Result<BTreeMap<Oid, Oid>> {
    let touched: BTreeSet<Vec<String>> = carry.queue.patches.iter().map(|patch| patch.diff.touches()).collect();
    let mut any = DiffOptions::new();
    any.disable_pathspec_match(true);
    for path in touched.iter().flatten() {
        any.pathspec(path);
    }
    let mut walk = repository.revwalk()?;
    walk.push(new)?;
    walk.hide(old)?;
    let mut commits = BTreeMap::new();
    for id in walk {
        interrupt::check()?;
        let commit = repository.find_commit(id?)?;
        if commit.parent_count() != 1 {
            continue;
        }
        let (before, after) = (commit.parent(0)?.tree()?, commit.tree()?);
        if repository.diff_tree_to_tree(Some(&before), Some(&after), Some(&mut any))?.deltas().len() == 0 {
            continue;
        }
        let diff = diff(repository, &before, &after)?;
        if touched.contains(&paths(&diff)) {
            commits.insert(patch_id(diff)?, commit.id());
        }
    }
    Ok(commits)
}

fn paths(diff: &Diff<'_>) -> Vec<String> {
    let files = diff.deltas().flat_map(|delta| [delta.old_file(), delta.new_file()]);
    let paths: BTreeSet<String> = files.filter_map(|file| file.path()?.to_str().map(str::to_owned)).collect();
    paths.into_iter().collect()
}

fn diff<'r>(repository: &'r Repository, before: &Tree<'_>, after: &Tree<'_>) -> Result<Diff<'r>> {
    Ok(repository.diff_tree_to_tree(Some(before), Some(after), None)?)
}

fn patch_id(mut diff: Diff<'_>) -> Result<Oid> {
    diff.find_similar(Some(DiffFindOptions::new().renames(true)))?;
    Ok(diff.patchid(None)?)
}
