//! The commits of a range of a git repository, each as the patch file that it would be.

use crate::fault::Fault;
use crate::patches::{commits, render};
use anyhow::Result;
use git2::{Oid, Repository};
use std::path::Path;

/// `DIR:A..B`.
#[derive(Debug, PartialEq, Eq)]
pub struct Range<'f> {
    pub folder: &'f Path,
    pub after: &'f str,
    pub to: &'f str,
}

impl<'f> Range<'f> {
    pub fn parse(from: &'f str) -> Option<Range<'f>> {
        let (rest, to) = from.rsplit_once("..")?;
        let (folder, after) = rest.rsplit_once(':')?;
        let all = [folder, after, to].iter().all(|part| !part.is_empty());
        all.then(|| Range { folder: Path::new(folder), after, to })
    }
}

/// A commit as a patch file.
pub struct Commit {
    /// Its id in short.
    pub name: String,
    pub file: Option<String>,
    /// Without a diff where the commit changes nothing.
    pub text: Vec<u8>,
}

/// The commits of the range, the oldest first. A merge is an error.
pub fn read(range: &Range<'_>) -> Result<Vec<Commit>> {
    let folder = range.folder.display();
    crate::git::trust();
    let repository = Repository::open(range.folder).map_err(|error| {
        Fault::usage(format!("{folder} is no git repository: {}", error.message()))
            .cure("a range is written DIR:A..B, with the folder of a repository before the colon")
    })?;
    let commit = |name: &str| -> Result<Oid> {
        let found = repository.revparse_single(name).and_then(|object| object.peel_to_commit());
        let found = found.map_err(|_| Fault::usage(format!("{folder} has no commit that is called `{name}`")))?;
        Ok(found.id())
    };
    let (after, to) = (commit(range.after)?, commit(range.to)?);
    let mut walk = repository.revwalk()?;
    walk.push(to)?;
    walk.hide(after)?;
    for id in walk {
        let id = id?;
        if repository.find_commit(id)?.parent_count() > 1 {
            return Err(Fault::usage(format!("commit {id} of {folder} is a merge, which no patch can be"))
                .cure("import the commits of each side, or rebase them to one line first")
                .into());
        }
    }
    // Where the branches have parted, what is only in the first one is not asked for.
    let base = repository
        .merge_base(after, to)
        .map_err(|_| Fault::usage(format!("{} and {} of {folder} have no commit in common", range.after, range.to)))?;
    let entries = commits::since(&repository, base, to)?;
    let patch = |entry: commits::Entry| {
        let commit = repository.find_commit(entry.id)?;
        let parent = commit.parent(0).and_then(|parent| parent.tree());
        let old = match parent {
            Ok(tree) => tree,
            Err(_) => repository.find_tree(repository.treebuilder(None)?.write()?)?,
        };
        let text = [entry.mail.write(), render::diff(&repository, &old, &commit.tree()?)?].concat();
        Ok(Commit { name: entry.id.to_string()[..12].to_owned(), file: entry.file, text })
    };
    entries.into_iter().map(patch).collect()
}
