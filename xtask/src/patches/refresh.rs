//! A queue written anew, from the commits of a work tree or only against its source: what needs not change keeps its bytes.
//!
//! Plain values in and out; nothing is saved here. What is written applies without offsets, and makes of each commit's parent the
//! commit's tree.

mod files;
mod hunks;
mod message;

use super::commits::{self, Entry};
use super::content::{Base, Files};
use super::mail::Mail;
use super::{Patch, Queue, name, render};
use crate::cli::patch::Class;
use crate::fault::Fault;
use anyhow::Result;
use git2::{Oid, Repository};
use std::collections::{BTreeMap, BTreeSet};

/// A queue as it should be.
#[derive(Clone, Debug, Default)]
pub struct Refreshed {
    pub patches: Vec<Fresh>,
    /// Files whose commits are gone.
    pub removed: Vec<String>,
}

/// One patch of it.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub name: String,
    pub text: Vec<u8>,
    /// The file that it was; none for a commit that is new.
    pub was: Option<String>,
    pub change: Change,
}

/// What is not as it was in a patch's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Author, date, subject or reason.
    pub head: bool,
    /// Hunks whose numbers are others.
    pub moved: usize,
    /// Files whose part is written anew, by their new names.
    pub rewritten: Vec<String>,
}

impl Fresh {
    /// What happened to it, in words; none where nothing did.
    pub fn outcome(&self) -> Option<String> {
        let Some(was) = &self.was else { return Some("new".to_owned()) };
        let renamed = (*was != self.name).then(|| format!("was {was}"));
        let head = self.change.head.then(|| "message".to_owned());
        let moved = match self.change.moved {
            0 => None,
            1 => Some("1 hunk moved".to_owned()),
            moved => Some(format!("{moved} hunks moved")),
        };
        let rewritten =
            (!self.change.rewritten.is_empty()).then(|| format!("diff of {}", self.change.rewritten.join(", ")));
        let words: Vec<String> = [renamed, head, moved, rewritten].into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}

impl Refreshed {
    /// The queue's folder, by name.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.patches.iter().map(|fresh| (fresh.name.clone(), fresh.text.clone())).collect()
    }

    /// Whether the queue is what it was.
    pub fn is_same(&self) -> bool {
        self.removed.is_empty() && self.patches.iter().all(|fresh| fresh.outcome().is_none())
    }
}

/// The queue without offsets against its source: only the numbers of hunks change.
pub fn against(base: &dyn Base, queue: &Queue) -> Result<Refreshed> {
    let mut files = Files::over(base);
    let mut refreshed = Refreshed::default();
    for patch in &queue.patches {
        let moved = hunks::moved(&mut files, patch)?.map_err(|misfit| misfit.fault(&patch.file))?;
        let text = hunks::edited(&patch.text, 0..patch.text.len(), &moved);
        let change = Change { moved: moved.len(), ..Change::default() };
        let name = patch.name().to_owned();
        refreshed.patches.push(Fresh { was: Some(name.clone()), name, text, change });
    }
    Ok(refreshed)
}

/// The queue that the commits after `base` are. `known` says of commits which files they are, where that has been written down;
/// otherwise the commit's trailer tells, or its subject, or that it does what the file does.
pub fn from_commits(
    repository: &Repository,
    base: Oid,
    entries: &[Entry],
    queue: &Queue,
    known: &BTreeMap<String, String>,
) -> Result<Refreshed> {
    let matched = matched(repository, base, entries, queue, known)?;
    let mut patches = Vec::new();
    let mut parent = base;
    for (entry, patch) in entries.iter().zip(&matched) {
        let (old, new) = (repository.find_commit(parent)?.tree()?, repository.find_commit(entry.id)?.tree()?);
        finished(entry, old.id() != new.id())?;
        let (text, change) = match patch {
            Some(patch) => rewritten(repository, patch, &entry.mail, &old, &new)?,
            None => ([entry.mail.write(), render::diff(repository, &old, &new)?].concat(), Change::default()),
        };
        let was = patch.map(|patch| patch.name().to_owned());
        patches.push(Fresh { name: String::new(), text, was, change });
        parent = entry.id;
    }
    for (fresh, name) in patches.iter_mut().zip(names(entries, &matched)?) {
        fresh.name = name;
    }
    let kept: BTreeSet<&str> = matched.iter().flatten().map(|patch| patch.name()).collect();
    let removed = queue.patches.iter().map(|patch| patch.name().to_owned());
    let removed = removed.filter(|name| !kept.contains(name.as_str())).collect();
    Ok(Refreshed { patches, removed })
}

/// Refuses what no patch can be, or should not.
fn finished(entry: &Entry, changes: bool) -> Result<()> {
    let subject = String::from_utf8_lossy(&entry.mail.subject);
    let (id, base) = (entry.id, commits::BASE);
    if !changes {
        return Err(Fault::failed(format!("commit {id} changes nothing: {subject}"))
            .cure(format!("leave it out with `git rebase -i {base}`"))
            .into());
    }
    if ["fixup!", "squash!", "amend!"].iter().any(|start| subject.starts_with(start)) {
        return Err(Fault::failed(format!("commit {id} is to become part of another one: {subject}"))
            .cure(format!("let git do that with `git rebase -i --autosquash {base}`"))
            .into());
    }
    Ok(())
}

/// The patch's text for what it does now: it makes `new` of `old`, and its head says what `mail`, read from a commit, says.
pub fn rewritten(
    repository: &Repository,
    patch: &Patch,
    mail: &Mail,
    old: &git2::Tree<'_>,
    new: &git2::Tree<'_>,
) -> Result<(Vec<u8>, Change)> {
    let body = files::body(repository, patch, old, new)?;
    let stale = !body.rewritten.is_empty();
    let (head, changed) = message::head(patch, mail, stale)?;
    let change = Change { head: changed, moved: body.moved, rewritten: body.rewritten };
    Ok(([head, body.text].concat(), change))
}

/// Which patch of the queue each commit is.
fn matched<'q>(
    repository: &Repository,
    base: Oid,
    entries: &[Entry],
    queue: &'q Queue,
    known: &BTreeMap<String, String>,
) -> Result<Vec<Option<&'q Patch>>> {
    let mut left: Vec<&Patch> = queue.patches.iter().collect();
    let mut matched: Vec<Option<&Patch>> = vec![None; entries.len()];
    let mut settle = |at: usize, found: Option<usize>, left: &mut Vec<&'q Patch>| {
        matched[at] = found.map(|place| left.remove(place));
        found.is_some()
    };
    let mut open: Vec<usize> = (0..entries.len()).collect();
    let named = |file: Option<&String>, left: &[&Patch]| {
        left.iter().position(|patch| Some(patch.name()) == file.map(String::as_str))
    };
    open.retain(|&at| !settle(at, named(known.get(&entries[at].id.to_string()), &left), &mut left));
    open.retain(|&at| !settle(at, named(entries[at].file.as_ref(), &left), &mut left));
    let mut subjects = BTreeMap::new();
    for patch in &left {
        subjects.insert(patch.name(), commits::as_committed(&commits::mail(patch)?).subject);
    }
    open.retain(|&at| {
        let same = |patch: &&Patch| subjects.get(patch.name()) == Some(&entries[at].mail.subject);
        !settle(at, left.iter().position(same), &mut left)
    });
    for at in open {
        let parent = if at == 0 { base } else { entries[at - 1].id };
        let (old, new) = (repository.find_commit(parent)?.tree()?, repository.find_commit(entries[at].id)?.tree()?);
        let wanted = files::wanted(repository, &old, &new)?;
        let mut found = None;
        for (place, patch) in left.iter().enumerate() {
            if files::fits(repository, patch, &old, &wanted)?.is_some() {
                found = Some(place);
                break;
            }
        }
        settle(at, found, &mut left);
    }
    Ok(matched)
}

/// Names in the order of the commits. A file keeps its name as long as its subject is the same and its number can stay.
fn names(entries: &[Entry], matched: &[Option<&Patch>]) -> Result<Vec<String>> {
    let known: Vec<Option<u16>> = matched.iter().map(|patch| name::number((*patch)?.name())).collect();
    let kept = names_with(entries, matched, &known)?;
    if matched.iter().all(Option::is_some) && kept.is_sorted_by(|a, b| a < b) {
        return Ok(kept);
    }
    let last = known.iter().flatten().next_back().and_then(|&number| Class::of(number));
    let class = last.unwrap_or(Class::Feature);
    let numbers = name::number_all(&known, class).ok_or_else(|| {
        Fault::failed(format!("no number is left between {} and {}", class.band().start(), class.band().end()))
            .cure("rename the last files of the queue to numbers of another class")
    })?;
    names_with(entries, matched, &numbers.into_iter().map(Some).collect::<Vec<_>>())
}

fn names_with(entries: &[Entry], matched: &[Option<&Patch>], numbers: &[Option<u16>]) -> Result<Vec<String>> {
    let one = |((entry, patch), number): ((&Entry, &Option<&Patch>), &Option<u16>)| {
        let Some(patch) = patch else { return Ok(name::file_name(number.unwrap_or(0), &entry.mail.subject)) };
        let subject = commits::as_committed(&commits::mail(patch)?).subject;
        let Some(number) = *number else { return Ok(patch.name().to_owned()) };
        match patch.name().split_once('-') {
            Some((_, rest)) if message::same(&subject, &entry.mail.subject) && name::number(patch.name()).is_some() => {
                Ok(format!("{number:04}-{rest}"))
            }
            _ => Ok(name::file_name(number, &entry.mail.subject)),
        }
    };
    entries.iter().zip(matched).zip(numbers).map(one).collect()
}
