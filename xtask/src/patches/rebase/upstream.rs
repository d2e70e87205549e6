//! Which patches upstream has taken, by their patch-ids (`git-patch-id(1)`), where a repository at hand has the history of both
//! sides.
//!
//! Nothing is fetched for it: a patch that upstream has is mostly found by its content, too.

use super::Carry;
use crate::context::Context;
use crate::git;
use crate::interrupt;
use anyhow::Result;
use git2::{Commit, Diff, DiffFindOptions, Oid, Repository, Tree};
use std::collections::{BTreeMap, BTreeSet};

/// The commits of the new side that the old side has not, as far as they touch just the files of one of the queue's patches.
#[derive(Default)]
pub struct History {
    commits: BTreeMap<Oid, Oid>,
    /// False where no repository has both sides.
    pub known: bool,
}

impl History {
    pub fn of(ctx: &Context, carry: &Carry<'_>) -> Result<History> {
        let (Some(old), Some(new)) = (carry.old.commit, carry.new.commit) else { return Ok(History::default()) };
        let Some(repository) = git::holding(&ctx.net, [old, new])? else { return Ok(History::default()) };
        match between(&repository, git::oid(old), git::oid(new), carry) {
            Ok(commits) => Ok(History { commits, known: true }),
            // A history that ends too early tells nothing.
            Err(error) if error.is::<git2::Error>() => Ok(History::default()),
            Err(error) => Err(error),
        }
    }

    /// The commit that changes what lies between these trees as they do.
    pub fn find(&self, repository: &Repository, before: Oid, after: Oid) -> Result<Option<Oid>> {
        if self.commits.is_empty() {
            return Ok(None);
        }
        let diff = diff(repository, &repository.find_tree(before)?, &repository.find_tree(after)?)?;
        Ok(self.commits.get(&patch_id(diff)?).copied())
    }
}

/// The patch-ids of the commits after `old` up to `new`.
fn between(repository: &Repository, old: Oid, new: Oid, carry: &Carry<'_>) -> Result<BTreeMap<Oid, Oid>> {
    let touched: BTreeSet<Vec<String>> = carry.queue.patches.iter().map(|patch| patch.diff.touches()).collect();
    let mut walk = repository.revwalk()?;
    walk.push(new)?;
    walk.hide(old)?;
    let mut commits = BTreeMap::new();
    for id in walk {
        interrupt::check()?;
        let commit = repository.find_commit(id?)?;
        if commit.parent_count() == 1
            && let Some(patch) = id_of(repository, &commit, &touched)?
        {
            commits.insert(patch, commit.id());
        }
    }
    Ok(commits)
}

/// The patch-id of a commit that touches just the files of one patch. Others are not worth the reading of their files.
fn id_of(repository: &Repository, commit: &Commit<'_>, touched: &BTreeSet<Vec<String>>) -> Result<Option<Oid>> {
    let diff = diff(repository, &commit.parent(0)?.tree()?, &commit.tree()?)?;
    let mut paths = BTreeSet::new();
    for delta in diff.deltas() {
        for file in [delta.old_file(), delta.new_file()] {
            paths.extend(file.path().and_then(|path| path.to_str()).map(str::to_owned));
        }
    }
    if !touched.contains(&paths.into_iter().collect::<Vec<String>>()) {
        return Ok(None);
    }
    patch_id(diff).map(Some)
}

fn diff<'r>(repository: &'r Repository, before: &Tree<'_>, after: &Tree<'_>) -> Result<Diff<'r>> {
    Ok(repository.diff_tree_to_tree(Some(before), Some(after), None)?)
}

fn patch_id(mut diff: Diff<'_>) -> Result<Oid> {
    diff.find_similar(Some(DiffFindOptions::new().renames(true)))?;
    Ok(diff.patchid(None)?)
}
