//! Tags by their names, near or far: what there is before there is a commit to pin.
//!
//! A name proves nothing. Who signed a tag, and what it says of itself, is for the caller to look at.

use super::{oid, options, prepare, repositories, smart};
use crate::context::{Context, Net};
use crate::digest::GitId;
use crate::download::OFFLINE;
use crate::interrupt;
use crate::origin::Failures;
use anyhow::{Context as _, Result};
use git2::{Direction, ErrorClass, Oid, Remote, Repository};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tempfile::TempDir;

/// A repository that has a tag of the wanted name.
pub struct Found {
    pub repository: Repository,
    /// A folder or an address, for messages.
    pub place: String,
    /// What was fetched goes away with the value.
    _scratch: Option<TempDir>,
}

impl Found {
    /// The object that the tag's name stands for: a tag where it is annotated, otherwise mostly a commit.
    pub fn named(&self, tag: &str) -> Result<Oid> {
        Ok(self.repository.refname_to_id(&format!("refs/tags/{tag}"))?)
    }
}

/// Who was asked for a tag, and which tags they have.
pub struct Asked {
    pub failures: Failures,
    pub tags: BTreeSet<String>,
}

/// The first repository in a mirror folder that has the tag, of those that `fits` takes.
pub fn local(
    net: &Net,
    tag: &str,
    fits: impl Fn(&Path, &Repository) -> bool,
    asked: &mut Asked,
) -> Result<Option<Found>> {
    prepare(net.line.patience());
    for folder in &net.mirrors {
        for path in repositories(folder)? {
            interrupt::check()?;
            let place = path.display().to_string();
            let repository = match Repository::open(&path) {
                Ok(repository) => repository,
                Err(error) => {
                    asked.failures.absent(&place, error.message());
                    continue;
                }
            };
            if !fits(&path, &repository) {
                continue;
            }
            if repository.refname_to_id(&format!("refs/tags/{tag}")).is_ok() {
                return Ok(Some(Found { repository, place, _scratch: None }));
            }
            let names = repository.tag_names(None).with_context(|| format!("listing the tags of {place}"))?;
            asked.tags.extend(names.iter().filter_map(|name| name.ok().flatten().map(str::to_owned)));
            asked.failures.absent(&place, format!("has no tag {tag}"));
        }
    }
    Ok(None)
}

/// The tags of the repository at `url`, each with what it leads to in the end. None where nobody answers.
pub fn list(ctx: &Context, url: &str, asked: &mut Asked) -> Option<BTreeMap<String, Oid>> {
    if ctx.net.offline {
        asked.failures.absent(url, OFFLINE);
        return None;
    }
    prepare(ctx.net.line.patience());
    let heads = smart::with_line(&ctx.net.line, None, || {
        let mut remote = Remote::create_detached(url)?;
        let connection = remote.connect_auth(Direction::Fetch, None, None)?;
        let heads = connection.list()?.iter().map(|head| (head.name().to_owned(), head.oid()));
        Ok(heads.collect::<BTreeMap<String, Oid>>())
    });
    let heads = heads.map_err(|error: git2::Error| asked.failures.absent(url, error.message())).ok()?;
    let mut tags = BTreeMap::new();
    // An annotated tag is listed twice, the second time as `<tag>^{}` with what it leads to; that one sorts later and wins.
    for (name, id) in &heads {
        if let Some(tag) = name.strip_prefix("refs/tags/") {
            tags.insert(tag.trim_end_matches("^{}").to_owned(), *id);
        }
    }
    asked.tags.extend(tags.keys().cloned());
    Some(tags)
}

/// Fetches the tag, and where it can be had `beside` it, a tag or a commit that the caller wants to compare with.
pub fn fetch(ctx: &Context, url: &str, tag: &str, beside: &str, asked: &mut Asked) -> Result<Option<Found>> {
    let Some(tags) = list(ctx, url, asked) else { return Ok(None) };
    if !tags.contains_key(tag) {
        asked.failures.absent(url, format!("has no tag {tag}"));
        return Ok(None);
    }
    let scratch = tempfile::tempdir().context("making a scratch folder for a tag")?;
    let repository = Repository::init_bare(scratch.path()).context("making a scratch repository")?;
    let task = ctx.report.begin("fetch", url, None);
    let get = |what: String, depth: i32| {
        let mut remote = repository.remote_anonymous(url)?;
        remote.fetch(&[what], Some(&mut options(&task, depth)), None)
    };
    let name = format!("+refs/tags/{tag}:refs/tags/{tag}");
    let fetched = smart::with_line(&ctx.net.line, None, || match get(name.clone(), 1) {
        Err(error) if smart::silent() || interrupt::requested() => Err(error),
        // A server may know nothing of shallow clones.
        Err(_) => get(name, 0),
        Ok(()) => Ok(()),
    });
    interrupt::check()?;
    match fetched {
        Ok(()) => {}
        Err(error) if error.class() == ErrorClass::Os => {
            return Err(error).with_context(|| format!("fetching {url} into {}", scratch.path().display()));
        }
        Err(error) => {
            asked.failures.absent(url, error.message());
            return Ok(None);
        }
    }
    let beside = match tags.contains_key(beside) {
        true => format!("+refs/tags/{beside}:refs/tags/{beside}"),
        false => format!("{beside}:refs/xenwright/{beside}"),
    };
    // Without it there is less to compare, and nothing to believe.
    let _ = smart::with_line(&ctx.net.line, None, || get(beside, 1));
    interrupt::check()?;
    task.done(tag);
    Ok(Some(Found { repository, place: url.to_owned(), _scratch: Some(scratch) }))
}

/// The tree of a commit that a repository in a mirror folder has, of those that `fits` takes.
pub fn seen_commit(net: &Net, commit: &GitId, fits: impl Fn(&Path, &Repository) -> bool) -> Result<Option<GitId>> {
    prepare(net.line.patience());
    for folder in &net.mirrors {
        for path in repositories(folder)? {
            interrupt::check()?;
            let Ok(repository) = Repository::open(&path) else { continue };
            if fits(&path, &repository)
                && let Ok(commit) = repository.find_commit(oid(commit))
            {
                return Ok(GitId::try_from(commit.tree_id().to_string()).ok());
            }
        }
    }
    Ok(None)
}
