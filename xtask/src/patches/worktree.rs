//! The work tree in which a queue is edited: made from a source and a queue, and read back when its user has done.
//!
//! In between it is the user's, with his git and his configuration. A note inside says which queue it was made of: what has
//! changed since then beside it must not be undone by writing back.

use super::commits::{self, BASE, BRANCH};
use super::refresh::{self, Refreshed};
use super::{Patch, Queue};
use crate::digest::KeyBuilder;
use crate::fault::Fault;
use crate::sources::{self, Checked};
use anyhow::{Context as _, Result};
use fs_err as fs;
use git2::{Oid, Repository, RepositoryState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The note's place below the repository's own folder.
const NOTE: &str = "xenwright.json";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    /// What the queue says, by [`digest`].
    queue: String,
    /// Which file each commit is, by its id.
    files: BTreeMap<String, String>,
}

/// Makes the work tree, a folder that does not exist or is empty; the last commit. Nothing is left of one that fails.
pub fn make(work: &Path, source: &Checked, queue: &Queue) -> Result<Oid> {
    commits::vacant(work)?;
    let parent = work.parent().context("a work tree lies in a folder")?;
    fs::create_dir_all(parent)?;
    let aside = tempfile::Builder::new().prefix(".edit-").tempdir_in(parent)?;
    let new = aside.path().join("new");
    let repository = commits::start(&new, source)?;
    let base = tag(&repository)?;
    let head = commits::push(&repository, base, queue)?;
    let entries = commits::since(&repository, base, head)?;
    let names = queue.patches.iter().map(|patch| patch.name().to_owned());
    let files = entries.iter().map(|entry| entry.id.to_string()).zip(names).collect();
    write(&repository, &Note { queue: digest(queue.patches.iter().map(named)), files })?;
    fs::rename(&new, work)?;
    Ok(head)
}

/// What the work tree holds.
pub struct Work {
    repository: Repository,
    pub refreshed: Refreshed,
    /// The commits, as the patches are.
    commits: Vec<Oid>,
    /// Files that are in no commit.
    pub untracked: Vec<String>,
}

/// Reads the commits of the work tree as the queue, which is the one that it was made of.
pub fn read(work: &Path, source: &Checked, queue: &Queue) -> Result<Work> {
    crate::git::trust();
    let shown = work.display();
    let foreign = || {
        Fault::usage(format!("{shown} is no work tree that `patch edit` made"))
            .cure("make one with `cargo xtask patch edit`, or name the right folder with --work DIR")
    };
    let repository = Repository::open(work).map_err(|_| foreign())?;
    let note = fs::read(repository.path().join(NOTE)).map_err(|_| foreign())?;
    let note: Note = serde_json::from_slice(&note).map_err(|_| foreign())?;
    settled(&repository).map_err(|fault| Fault { what: format!("{shown}: {}", fault.what), ..fault })?;
    let base = tag(&repository)?;
    let (found, expected) = (repository.find_commit(base)?.tree_id(), sources::tree::id(source.path())?);
    if found.to_string() != expected.as_str() {
        let what = format!("{shown}: its `{BASE}` has the tree {found}, the source {} is {expected}", source.name());
        return Err(Fault::failed(what)
            .cure("it was made of another version: remove it when nothing in it is needed any more, or name another with --work DIR")
            .into());
    }
    if note.queue != digest(queue.patches.iter().map(named)) {
        return Err(Fault::failed(format!("{shown}: the queue has changed since the work tree was made of it"))
            .cure("writing back would undo that: remove it when nothing in it is needed any more, or `patch edit` anew with --work DIR \
                   and `git cherry-pick` into that")
            .into());
    }
    let untracked = status(work)?;
    let entries = commits::since(&repository, base, repository.head()?.peel_to_commit()?.id())?;
    let refreshed = refresh::from_commits(&repository, base, &entries, queue, &note.files)?;
    let commits = entries.iter().map(|entry| entry.id).collect();
    Ok(Work { repository, refreshed, commits, untracked })
}

impl Work {
    /// Notes that the queue is what was read.
    pub fn written(&self) -> Result<()> {
        let patches = || self.refreshed.patches.iter();
        let files = self.commits.iter().map(Oid::to_string).zip(patches().map(|fresh| fresh.name.clone())).collect();
        let queue = digest(patches().map(|fresh| (fresh.name.as_str(), fresh.text.as_slice())));
        write(&self.repository, &Note { queue, files })
    }
}

/// The files that are in no commit. Changes of those that are in one are refused.
fn status(work: &Path) -> Result<Vec<String>> {
    let said = commits::git(work, &["--no-optional-locks", "status", "--porcelain", "--no-renames"])?;
    let (untracked, changed): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| line.starts_with("?? "));
    let names = |lines: Vec<&str>| lines.iter().map(|line| line[3..].to_owned()).collect::<Vec<_>>();
    if changed.is_empty() {
        return Ok(names(untracked));
    }
    Err(Fault::failed(format!("{}: changes that are in no commit: {}", work.display(), names(changed).join(", ")))
        .cure("commit them (`git commit --all --amend` for the last patch), or take them back with `git restore`")
        .into())
}

/// Refuses what shows only some of the commits.
fn settled(repository: &Repository) -> Result<(), Fault> {
    let command = match repository.state() {
        RepositoryState::Clean if repository.head_detached().unwrap_or(false) => {
            let cure =
                format!("`git switch {BRANCH}`, or `git switch --force-create {BRANCH}` where HEAD is what you want");
            return Err(Fault::failed("HEAD is on no branch").cure(cure));
        }
        RepositoryState::Clean => return Ok(()),
        RepositoryState::Bisect => {
            return Err(Fault::failed("a bisect is under way").cure("end it with `git bisect reset`"));
        }
        RepositoryState::Merge => "merge",
        RepositoryState::Revert | RepositoryState::RevertSequence => "revert",
        RepositoryState::CherryPick | RepositoryState::CherryPickSequence => "cherry-pick",
        RepositoryState::ApplyMailbox | RepositoryState::ApplyMailboxOrRebase => "am",
        _ => "rebase",
    };
    let cure = format!("end it with `git {command} --continue`, or give it up with `git {command} --abort`");
    Err(Fault::failed(format!("a {command} is under way")).cure(cure))
}

/// The commit that is the source.
fn tag(repository: &Repository) -> Result<Oid> {
    let reference = repository.find_reference(&format!("refs/tags/{BASE}")).map_err(|_| {
        Fault::failed(format!("{} has no tag `{BASE}`", repository.path().display()))
            .cure(format!("set it to the first commit: `git tag {BASE} $(git rev-list --max-parents=0 HEAD)`"))
    })?;
    Ok(reference.peel_to_commit()?.id())
}

fn named(patch: &Patch) -> (&str, &[u8]) {
    (patch.name(), &patch.text)
}

fn digest<'q>(files: impl Iterator<Item = (&'q str, &'q [u8])>) -> String {
    files.fold(KeyBuilder::new("queue/1"), |key, (name, text)| key.field(name, text)).finish().as_str().to_owned()
}

fn write(repository: &Repository, note: &Note) -> Result<()> {
    Ok(fs::write(repository.path().join(NOTE), serde_json::to_vec_pretty(note)?)?)
}
