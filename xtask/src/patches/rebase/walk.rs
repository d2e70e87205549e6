//! Both sides on their way through a queue, one patch after the other, in memory; and what becomes of each patch.

use super::merge::{self, Names, Scratch, as_they_are, there};
use super::upstream::History;
use super::{Carry, Outcome, Proof, Step};
use crate::fault::Fault;
use crate::patches::apply::{self, Direction, Offset};
use crate::patches::content::{Files, Folder};
use crate::patches::diff::Moved;
use crate::patches::{Patch, commits, refresh};
use crate::tree;
use anyhow::Result;
use git2::{Oid, Repository};
use std::collections::BTreeSet;

/// What both sides are before the first patch.
pub struct Bases {
    old: Folder,
    new: Folder,
}

impl Bases {
    pub fn of(carry: &Carry<'_>) -> Bases {
        Bases { old: Folder(carry.old.source.path().to_owned()), new: Folder(carry.new.source.path().to_owned()) }
    }
}

/// Where both sides are.
pub struct Walk<'a> {
    bases: &'a Bases,
    /// The old side with the patches so far.
    old: Files<'a>,
    /// The new side with what has been carried of them.
    new: Files<'a>,
}

/// What a patch is merged from.
pub struct Trees {
    /// The old side before the patch.
    pub base: Oid,
    /// The new side.
    pub ours: Oid,
    /// The old side after the patch.
    pub theirs: Oid,
    /// The files of the new side that are in `ours`, as far as they are there.
    pub names: Names,
}

impl<'a> Walk<'a> {
    pub fn new(bases: &'a Bases) -> Walk<'a> {
        Walk { bases, old: Files::over(&bases.old), new: Files::over(&bases.new) }
    }

    /// Goes on over a patch whose outcome is known.
    pub fn pass(&mut self, patch: &Patch, step: &Step) -> Result<()> {
        self.advance(patch)?;
        let Some(text) = &step.text else { return Ok(()) };
        let carried = Patch::of(text.clone(), step.file.clone())?;
        match apply::apply(&mut self.new, &carried, Direction::Forward)? {
            Ok(_) => Ok(()),
            Err(misfit) => Err(Fault::failed(format!("{} as it was carried: {misfit}", step.file)).into()),
        }
    }

    /// Carries the next patch.
    pub fn step(&mut self, scratch: &Scratch, history: &History<'_>, patch: &Patch) -> Result<Step> {
        let repository = &scratch.repository;
        let step = |outcome, text| Step { file: patch.name().to_owned(), outcome, text };
        let before = self.advance(patch)?;

        let mut applied = self.new.clone();
        let forward = apply::apply(&mut applied, patch, Direction::Forward)?;
        if forward.as_ref().is_ok_and(Vec::is_empty) {
            // A mode can be set once more, and a file be deleted that is gone.
            if self.is_same(&applied, patch)? {
                return Ok(step(Outcome::Upstream { proof: Proof::Merge }, None));
            }
            self.new = applied;
            return Ok(step(Outcome::Exact, Some(patch.text.clone())));
        }

        let plain = || -> Result<(Oid, Oid)> {
            let touched = as_they_are(&patch.diff.touches());
            Ok((merge::tree(repository, &before, &touched)?, merge::tree(repository, &self.old, &touched)?))
        };
        if let Some(commit) = history.find(repository, plain)? {
            return Ok(step(Outcome::Upstream { proof: Proof::Commit(commit.to_string()) }, None));
        }
        let reverse = apply::apply(&mut self.new.clone(), patch, Direction::Reverse)?;
        // A patch that could as well be applied once more is not known to be there: merging decides.
        if let (Err(_), Ok(offsets)) = (&forward, &reverse) {
            return Ok(step(Outcome::Upstream { proof: Proof::Reverse(offsets.clone()) }, None));
        }

        let (outcome, text) = self.merge(repository, patch, &before, forward.ok().map(|offsets| (applied, offsets)))?;
        Ok(step(outcome, text))
    }

    /// Merges the patch. `applied` is what applying has made of the new side, and where it found the hunks: a few lines of context
    /// can stand elsewhere too, and merging knows the whole file. Where the two differ, merging is right.
    fn merge(
        &mut self,
        repository: &Repository,
        patch: &Patch,
        before: &Files<'_>,
        applied: Option<(Files<'_>, Vec<Offset>)>,
    ) -> Result<(Outcome, Option<Vec<u8>>)> {
        let trees = self.trees(repository, before, patch)?;
        let index = merge::merge(repository, &trees)?;
        let conflicts = merge::conflicts(&index)?;
        if !conflicts.is_empty() {
            return Ok((Outcome::Conflict { files: conflicts.into_iter().collect() }, None));
        }
        let mut merged = self.new.clone();
        let changed = merge::take(repository, &index, &trees.names, &mut merged)?;
        if changed.is_empty() {
            return Ok((Outcome::Upstream { proof: Proof::Merge }, None));
        }
        let paths = as_they_are(trees.names.keys().chain(&changed));
        let tree = |files: &Files<'_>| merge::tree(repository, files, &paths);
        let (ours, after) = (tree(&self.new)?, tree(&merged)?);
        let outcome = match applied {
            Some((applied, offsets)) if tree(&applied)? == after => Outcome::Offset { offsets },
            _ => Outcome::Merged { files: changed.iter().cloned().collect() },
        };
        self.new = merged;
        let mail = commits::as_committed(&commits::mail(patch)?);
        let (ours, after) = (repository.find_tree(ours)?, repository.find_tree(after)?);
        let (text, _) = refresh::rewritten(repository, patch, &mail, &ours, &after)?;
        Ok((outcome, Some(text)))
    }

    /// What the next patch is merged from, as objects of `repository`.
    pub fn next_trees(&mut self, repository: &Repository, patch: &Patch) -> Result<Trees> {
        let before = self.advance(patch)?;
        self.trees(repository, &before, patch)
    }

    /// Applies the patch to the old side, and gives that as it was before.
    fn advance(&mut self, patch: &Patch) -> Result<Files<'a>> {
        let before = self.old.clone();
        match apply::apply(&mut self.old, patch, Direction::Forward)? {
            Ok(_) => Ok(before),
            Err(misfit) => Err(Fault::failed(format!("{} does not apply to its own source: {misfit}", patch.file))
                .cure("mend the queue first: `cargo xtask patch status` shows all that is wrong with it")
                .into()),
        }
    }

    fn trees(&self, repository: &Repository, before: &Files<'_>, patch: &Patch) -> Result<Trees> {
        let touched: BTreeSet<String> = patch.diff.touches().into_iter().collect();
        let mut gone = BTreeSet::new();
        for path in &touched {
            if there(before, path)?.is_some() && there(&self.new, path)?.is_none() {
                gone.insert(path.clone());
            }
        }
        let mut upstreams = Names::new();
        if !gone.is_empty() {
            let there = listing(&self.bases.old, before)?;
            let candidates = listing(&self.bases.new, &self.new)?.difference(&there).cloned().collect();
            upstreams = merge::moved(repository, (before, &gone), (&self.new, &candidates))?;
            upstreams.retain(|_, to| !touched.contains(to));
        }
        let owns = self.renames(patch)?;
        let named = |paths: &mut dyn Iterator<Item = &String>, renames: &[&Names]| -> Names {
            let name = |path: &String| renames.iter().find_map(|names| names.get(path)).unwrap_or(path).clone();
            paths.map(|path| (path.clone(), name(path))).collect()
        };
        let names = named(&mut touched.iter().chain(upstreams.values()), &[&owns]);
        Ok(Trees {
            base: merge::tree(repository, before, &named(&mut touched.iter(), &[&upstreams, &owns]))?,
            ours: merge::tree(repository, &self.new, &names)?,
            theirs: merge::tree(repository, &self.old, &named(&mut touched.iter(), &[&upstreams]))?,
            names,
        })
    }

    /// Whether the patch has changed nothing.
    fn is_same(&self, applied: &Files<'_>, patch: &Patch) -> Result<bool> {
        for path in patch.diff.touches() {
            if there(applied, &path)? != there(&self.new, &path)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What the patch renames, as far as the new side has the file under its old name.
    fn renames(&self, patch: &Patch) -> Result<Names> {
        let mut names = Names::new();
        for file in &patch.diff.files {
            if let (Some(from), Some(to)) = (&file.old, &file.new)
                && file.moved == Some(Moved::Rename)
                && there(&self.new, from)?.is_some()
                && there(&self.new, to)?.is_none()
            {
                names.insert(from.clone(), to.clone());
            }
        }
        Ok(names)
    }
}

/// Every file that is there.
fn listing(base: &Folder, files: &Files<'_>) -> Result<BTreeSet<String>> {
    let found = tree::walk(&base.0)?.into_iter().filter(|found| !found.metadata.is_dir());
    let mut paths: BTreeSet<String> = found.map(|found| found.path).collect();
    for (path, file) in files.changed() {
        match file {
            Some(_) => paths.insert(path.clone()),
            None => paths.remove(path),
        };
    }
    Ok(paths)
}
