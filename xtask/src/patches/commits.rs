//! A source and its queue as a git repository with a work tree: one commit for the source, one for each patch.
//!
//! The same source and queue give the same commit ids on any machine.

use super::Queue;
use super::mail::Mail;
use crate::sources::Checked;
use anyhow::Result;
use git2::{Oid, Repository};
use std::path::Path;

/// The trailer that says which file of the queue a commit is; it survives `commit --amend` and `rebase -i`, and `refresh` takes it
/// out again.
pub const TRAILER: &str = "Queue-File";

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
pub fn start(_work: &Path, _source: &Checked) -> Result<Repository> {
    todo!()
}

/// Adds the patch as a commit upon `parent`: `tree` is what it makes of the parent's tree. The author and date are the mail's, the
/// committer is fixed.
pub fn commit(_repository: &Repository, _parent: Oid, _tree: Oid, _mail: &Mail, _file: Option<&str>) -> Result<Oid> {
    todo!()
}

/// Applies the whole queue upon `base`, a commit; every patch must apply, offsets are accepted. The last commit.
pub fn push(_repository: &Repository, _base: Oid, _queue: &Queue) -> Result<Oid> {
    todo!()
}

/// The commits after `base` up to `head`, the oldest first. A merge is an error.
pub fn since(_repository: &Repository, _base: Oid, _head: Oid) -> Result<Vec<Entry>> {
    todo!()
}
