//! A source and its queue as a git repository with a work tree: one commit for the source, one for each patch.
//!
//! The same source and queue give the same commit ids on any machine.

mod object;

pub use object::as_committed;

use super::apply::{self, Direction};
use super::content::{self, Files};
use super::mail::Mail;
use super::{Patch, Queue};
use crate::fault::Fault;
use crate::interrupt;
use crate::sources::{self, Checked};
use crate::tree;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use git2::build::{CheckoutBuilder, TreeUpdateBuilder};
use git2::{ObjectType, Oid, Repository, RepositoryInitOptions};
use object::{DATE, UNKNOWN};
use std::path::Path;

/// The trailer that says which file of the queue a commit is; it survives `commit --amend` and `rebase -i`, and `refresh` takes it
/// out again.
pub const TRAILER: &str = "Queue-File";

/// The tag of the commit that is the source, and the branch with the patches.
pub const BASE: &str = "base";
pub const BRANCH: &str = "queue";

/// Files reach commits and the work tree byte for byte, whatever the source's own attributes say.
const ATTRIBUTES: &str = "* -text -ident -filter -working-tree-encoding\n";

/// A commit that is a patch.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: Oid,
    /// Without [`TRAILER`].
    pub mail: Mail,
    /// The file of the queue that it was.
    pub file: Option<String>,
}

/// Makes a repository in `work`, a folder that does not exist or is empty, with the source as its first commit, named by the tag
/// `base`; checks that its tree is what the source's files are.
pub fn start(work: &Path, source: &Checked) -> Result<Repository> {
    vacant(work)?;
    tree::copy(source.path(), work)?;
    let repository = init(work)?;
    let tree = add(work)?;
    let expected = sources::tree::id(source.path())?;
    if tree.to_string() != expected.as_str() {
        bail!("{}: git made the tree {tree} of source {}, expected {expected}", work.display(), source.name());
    }
    let message = format!("{}: the source as it is pinned\n\nThe commits above it are its patches.\n", source.name());
    let base = object::object(tree, None, UNKNOWN, DATE, message.as_bytes());
    let base = repository.odb()?.write(ObjectType::Commit, &base)?;
    repository.reference(&format!("refs/tags/{BASE}"), base, true, "source")?;
    repository.reference(&format!("refs/heads/{BRANCH}"), base, true, "source")?;
    Ok(repository)
}

/// Refuses a folder that holds something.
pub fn vacant(work: &Path) -> Result<()> {
    if work.symlink_metadata().is_ok() && fs::read_dir(work)?.next().is_some() {
        return Err(Fault::usage(format!("{} is not empty", work.display()))
            .cure("remove it when nothing in it is needed any more, or name another folder with --work DIR")
            .into());
    }
    Ok(())
}

/// An empty repository without templates and hooks.
fn init(work: &Path) -> Result<Repository> {
    crate::git::trust();
    let mut options = RepositoryInitOptions::new();
    options.external_template(false).initial_head(BRANCH).no_reinit(true);
    let repository = Repository::init_opts(work, &options)?;
    let mut config = repository.config()?;
    for (key, value) in [("core.autocrlf", "false"), ("core.filemode", "true"), ("core.symlinks", "true")] {
        config.set_str(key, value)?;
    }
    let info = repository.path().join("info");
    fs::create_dir_all(&info)?;
    fs::write(info.join("attributes"), ATTRIBUTES)?;
    Ok(repository)
}

/// All files of the work tree in the index and in one pack: thousands of loose objects would have git collect them at the
/// user's first command.
fn add(work: &Path) -> Result<Oid> {
    let pack = ["-c", "core.bigFileThreshold=1", "-c", "core.compression=1"];
    git(work, &[&pack[..], &["add", "--all", "--force", "."]].concat())?;
    let tree = git(work, &["write-tree"])?;
    Ok(Oid::from_str(tree.trim())?)
}

/// Runs git in a work tree, whoever owns it, and gives what it printed.
pub fn git(work: &Path, arguments: &[&str]) -> Result<String> {
    let output = super::git(work)
        .args(["-c", "safe.directory=*"])
        .args(arguments)
        .output()
        .map_err(|error| Fault::failed(format!("running git: {error}")).cure("install git"))?;
    if !output.status.success() {
        bail!("{}: git failed: {}", work.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Adds the patch as a commit upon `parent`: `tree` is what it makes of the parent's tree. The author and date are the mail's, the
/// committer is fixed.
pub fn commit(repository: &Repository, parent: Oid, tree: Oid, mail: &Mail, file: Option<&str>) -> Result<Oid> {
    Ok(repository.odb()?.write(ObjectType::Commit, &object::raw(tree, Some(parent), mail, file))?)
}

/// Applies the whole queue upon `base`, a commit; every patch must apply, offsets are accepted. The last commit, which the branch
/// and the work tree then are.
pub fn push(repository: &Repository, base: Oid, queue: &Queue) -> Result<Oid> {
    let mut head = base;
    for patch in &queue.patches {
        interrupt::check()?;
        let tree = patched(repository, head, patch)?;
        head = commit(repository, head, tree, &mail(patch)?, Some(patch.name()))?;
    }
    let branch = format!("refs/heads/{BRANCH}");
    repository.reference(&branch, head, true, "patches")?;
    if !repository.is_bare() {
        repository.set_head(&branch)?;
        repository.checkout_head(Some(CheckoutBuilder::new().force().disable_filters(true)))?;
    }
    Ok(head)
}

/// What stands above a patch's diff.
pub fn mail(patch: &Patch) -> Result<Mail> {
    Mail::read(&patch.text[..patch.diff.start()]).with_context(|| patch.file.clone())
}

/// The tree that the patch makes of a commit's.
fn patched(repository: &Repository, parent: Oid, patch: &Patch) -> Result<Oid> {
    let tree = repository.find_commit(parent)?.tree()?;
    let base = content::Tree { repository, tree: tree.clone() };
    let mut files = Files::over(&base);
    if let Err(misfit) = apply::apply(&mut files, patch, Direction::Forward)? {
        return Err(misfit.fault(&patch.file).into());
    }
    written(repository, &tree, &files)
}

/// A tree with the changes of `files`.
pub fn written(repository: &Repository, tree: &git2::Tree<'_>, files: &Files<'_>) -> Result<Oid> {
    let mut update = TreeUpdateBuilder::new();
    for (path, file) in files.changed() {
        match file {
            Some(file) => {
                update.upsert(path.as_str(), repository.blob(&file.bytes)?, file.mode.into());
            }
            None if tree.get_path(Path::new(path)).is_ok() => {
                update.remove(path.as_str());
            }
            None => {}
        }
    }
    Ok(update.create_updated(repository, tree)?)
}

/// The commits after `base` up to `head`, the oldest first. A merge is an error.
pub fn since(repository: &Repository, base: Oid, head: Oid) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut at = head;
    while at != base {
        let commit = repository.find_commit(at)?;
        if commit.parent_count() > 1 {
            return Err(Fault::failed(format!("commit {at} is a merge, which no patch can be"))
                .cure(format!("make one line of it with `git rebase {BASE}`"))
                .into());
        }
        let Some(parent) = commit.parent_ids().next() else {
            return Err(Fault::failed(format!("{head} does not come after {base}, the source"))
                .cure(format!("bring your commits upon it with `git rebase --onto {BASE} <the first one's parent>`"))
                .into());
        };
        let (mail, file) = object::parse(repository.odb()?.read(at)?.data());
        entries.push(Entry { id: at, mail, file });
        at = parent;
    }
    entries.reverse();
    Ok(entries)
}
