//! The work tree in which a user resolves a conflict: the new side with the patches so far as commits, and one patch half merged.

use super::merge;
use super::walk::{Bases, Walk};
use super::{Carry, Step};
use crate::fault::Fault;
use crate::patches::commits::{self, BASE};
use crate::patches::mail::Mail;
use crate::patches::{self, Patch, Queue, refresh};
use anyhow::{Context as _, Result};
use fs_err as fs;
use git2::build::CheckoutBuilder;
use git2::{IndexEntry, Oid, Repository};
use std::path::Path;

/// How the three sides of a conflict are called in its markers.
pub struct Labels {
    pub ours: String,
    pub base: String,
    pub theirs: String,
}

impl Labels {
    /// Of the conflict that the last of the steps is.
    pub fn of(carry: &Carry<'_>, steps: &[Step]) -> Labels {
        let before = steps.len().saturating_sub(1);
        let carried = steps.iter().filter(|step| step.text.is_some()).count();
        Labels {
            ours: format!("{}{}", carry.new.name, and_patches(carried)),
            base: format!("{}{}", carry.old.name, and_patches(before)),
            theirs: steps.last().map(|step| step.file.clone()).unwrap_or_default(),
        }
    }

    fn mark(&self, line: &[u8]) -> bool {
        let marks = [("<<<<<<< ", &self.ours), ("||||||| ", &self.base), (">>>>>>> ", &self.theirs)];
        marks.iter().any(|(mark, label)| line.trim_ascii_end() == [mark.as_bytes(), label.as_bytes()].concat())
    }
}

fn and_patches(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => " + 1 patch".to_owned(),
        _ => format!(" + {count} patches"),
    }
}

/// Makes the work tree for the conflict that the last of the steps is, or brings one that is there to it. Whatever was changed in
/// it is lost. The commit that the conflict stands upon.
pub fn lay_out(work: &Path, carry: &Carry<'_>, steps: &[Step]) -> Result<Oid> {
    let (_, before) = steps.split_last().context("a conflict is a step")?;
    let repository = open_or_start(work, carry)?;
    let base = repository.refname_to_id(&format!("refs/tags/{BASE}"))?;
    // Neither paths in conflict nor what a killed run has left may be in the way.
    let _ = fs::remove_file(repository.path().join("index.lock"));
    commits::git(work, &["reset", "-q", "--hard", BASE])?;
    repository.cleanup_state()?;
    let head = commits::push(&repository, base, &carried(before)?)?;

    let bases = Bases::of(carry);
    let mut walk = Walk::new(&bases);
    for (patch, step) in carry.queue.patches.iter().zip(before) {
        walk.pass(patch, step)?;
    }
    let patch = &carry.queue.patches[before.len()];
    let trees = walk.next_trees(&repository, patch)?;
    let merged = merge::merge(&repository, &trees)?;
    let mut index = repository.index()?;
    let mut paths: Vec<Vec<u8>> = Vec::new();
    for path in trees.names.keys() {
        index.remove_path(Path::new(path))?;
        paths.push(path.as_bytes().to_vec());
    }
    for entry in merged.iter() {
        paths.push(entry.path.clone());
        index.add(&IndexEntry { flags_extended: 0, ..entry })?;
    }
    index.write()?;

    let labels = Labels::of(carry, steps);
    let mut checkout = CheckoutBuilder::new();
    checkout.force().allow_conflicts(true).conflict_style_diff3(true).disable_filters(true);
    checkout.our_label(&labels.ours).ancestor_label(&labels.base).their_label(&labels.theirs);
    checkout.disable_pathspec_match(true).remove_untracked(true);
    for path in paths {
        checkout.path(path);
    }
    repository.checkout_index(Some(&mut index), Some(&mut checkout))?;
    fs::write(repository.path().join("MERGE_MSG"), commits::mail(patch)?.message())?;
    Ok(head)
}

/// A work tree of which a part is missing is made anew: nobody has worked in it.
fn open_or_start(work: &Path, carry: &Carry<'_>) -> Result<Repository> {
    crate::git::trust();
    if let Ok(repository) = Repository::open(work)
        && repository.refname_to_id(&format!("refs/tags/{BASE}")).is_ok()
    {
        return Ok(repository);
    }
    if work.symlink_metadata().is_ok() {
        fs::remove_dir_all(work)?;
    }
    commits::start(work, carry.new.source)
}

/// The patches of the new side.
fn carried(steps: &[Step]) -> Result<Queue> {
    let patch = |step: &Step| step.text.clone().map(|text| Patch::of(text, step.file.clone()));
    Ok(Queue { patches: steps.iter().filter_map(patch).collect::<Result<_>>()? })
}

/// The patch as the user has resolved it in the work tree upon `head`, staged or as a commit; the file's text.
pub fn resolution(work: &Path, head: &str, patch: &Patch, files: &[String], labels: &Labels) -> Result<Vec<u8>> {
    crate::git::trust();
    let lost = || format!("the work tree {} is not usable", work.display());
    let repository = Repository::open(work).with_context(lost)?;
    let head = Oid::from_str(head)?;
    let mut index = repository.index()?;
    let unmerged = merge::conflicts(&index)?;
    if !unmerged.is_empty() {
        return Err(unfinished(work, "unmerged", unmerged.into_iter().collect()).into());
    }
    let unstaged = unstaged(work)?;
    if !unstaged.is_empty() {
        return Err(unfinished(work, "changes that are not added", unstaged).into());
    }
    let tree = repository.find_tree(index.write_tree()?)?;
    let marked = |path: &&String| {
        let blob = tree.get_path(Path::new(path)).ok().and_then(|entry| repository.find_blob(entry.id()).ok());
        blob.is_some_and(|blob| blob.content().split(|&b| b == b'\n').any(|line| labels.mark(line)))
    };
    let marked: Vec<String> = files.iter().filter(marked).cloned().collect();
    if !marked.is_empty() {
        return Err(unfinished(work, "conflict markers left", marked).into());
    }
    let before = repository.find_commit(head)?.tree()?;
    if before.id() == tree.id() {
        return Err(Fault::failed(format!("nothing is left of {} in {}", patch.name(), work.display()))
            .cure("when it is not needed any more, leave it out: `cargo xtask patch skip`")
            .into());
    }
    let mail = message(&repository, head, patch)?;
    Ok(refresh::rewritten(&repository, patch, &mail, &before, &tree)?.0)
}

/// The patch's own header, with the message of the user's commit if there is one.
fn message(repository: &Repository, head: Oid, patch: &Patch) -> Result<Mail> {
    let mut mail = commits::as_committed(&commits::mail(patch)?);
    let tip = repository.head()?.peel_to_commit()?.id();
    match commits::since(repository, head, tip)?.as_slice() {
        [] => {}
        [one] => mail.set_message(&one.mail.message()),
        more => {
            return Err(Fault::failed(format!("{} commits stand where one patch was in conflict", more.len()))
                .cure(format!("make one of them, as with `git reset --soft {head}`"))
                .into());
        }
    }
    Ok(mail)
}

fn unstaged(work: &Path) -> Result<Vec<String>> {
    let output = patches::git(work)
        .args(["diff", "--name-only", "-z"])
        .output()
        .map_err(|error| Fault::failed(format!("running git: {error}")).cure("install git"))?;
    let names = output.stdout.split(|&b| b == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

fn unfinished(work: &Path, what: &str, files: Vec<String>) -> Fault {
    Fault::failed(format!("{}: {what} in {}", work.display(), files.join(", ")))
        .cure("mend each file and `git add` it, then continue")
}
