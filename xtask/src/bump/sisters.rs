//! The other projects that a Xen release names by tag or commit: what the new release names, and which commit that is.
//!
//! Versions are never derived from each other, so each revision is read from the new tree. A revision becomes a pin only where a
//! repository says which commit it is; a sister that stays unknown is left out of the recipe, unless a step builds it.

use super::config::{Makefile, Said};
use super::tag::git_id;
use crate::context::Context;
use crate::digest::GitId;
use crate::fault::Fault;
use crate::git::tag::{self, Asked};
use crate::origin::Failures;
use crate::recipe::{Origin, Recipe, Source};
use anyhow::Result;
use git2::{ObjectType, Oid, Repository, Tree};
use std::collections::BTreeSet;
use std::path::Path;

const CONFIG: &str = "Config.mk";

/// Name in recipes, makefile and variable.
const SISTERS: [(&str, &str, &str); 6] = [
    ("qemu-xen", CONFIG, "QEMU_UPSTREAM_REVISION"),
    ("qemu-xen-traditional", CONFIG, "QEMU_TRADITIONAL_REVISION"),
    ("mini-os", CONFIG, "MINIOS_UPSTREAM_REVISION"),
    ("seabios", CONFIG, "SEABIOS_UPSTREAM_REVISION"),
    ("ovmf", CONFIG, "OVMF_UPSTREAM_REVISION"),
    ("ipxe", "tools/firmware/etherboot/Makefile", "IPXE_GIT_TAG"),
];

/// A sister of which the new release or the recipe says something.
#[derive(Clone, Debug)]
pub struct Sister {
    pub name: &'static str,
    /// `Config.mk`, for messages.
    pub file: &'static str,
    pub said: Said,
    /// What the recipe called it.
    pub was: Option<String>,
    pub fate: Fate,
}

/// What becomes of a sister's pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The recipe does not have it.
    Absent,
    /// The recipe has what the release names.
    Same,
    /// The recipe has something else, and goes on having it: why.
    Kept(&'static str),
    Moved(Pin),
    /// Which commit it is is not known: why, and what each repository said that was asked.
    LeftOut {
        why: String,
        asked: Vec<String>,
    },
}

/// Where a sister goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub commit: GitId,
    /// Known where the repository is at hand.
    pub tree: Option<GitId>,
    pub release: String,
    /// Who said which commit it is; none where the release names the commit itself.
    pub said_by: Option<String>,
}

/// Every sister, in a fixed order. `old` is the tree that the recipe pinned, where it is at hand.
pub fn all(
    ctx: &Context,
    recipe: &Recipe,
    repository: &Repository,
    new: &Tree<'_>,
    old: Option<&Tree<'_>>,
) -> Result<Vec<Sister>> {
    let mut sisters = Vec::new();
    for (name, file, variable) in SISTERS {
        let said = said(repository, new, file, variable);
        let source = recipe.source.get(name);
        if source.is_none() && said == Said::Nothing {
            continue;
        }
        let unchanged = old.is_some_and(|old| self::said(repository, old, file, variable) == said);
        let fate = match source {
            None => Fate::Absent,
            Some(source) => fate(ctx, name, source, (file, variable), &said, unchanged)?,
        };
        sisters.push(Sister { name, file, said, was: source.map(|source| source.release.clone()), fate });
    }
    built(recipe, &sisters)?;
    Ok(sisters)
}

fn said(repository: &Repository, tree: &Tree<'_>, file: &str, variable: &str) -> Said {
    match text(repository, tree, file) {
        Some(text) => revision(Makefile::read(&text).get(variable)),
        None => Said::Nothing,
    }
}

/// A file of a tree, if there is one.
pub fn text(repository: &Repository, tree: &Tree<'_>, path: &str) -> Option<String> {
    let blob = repository.find_blob(tree.get_path(Path::new(path)).ok()?.id()).ok()?;
    Some(String::from_utf8_lossy(blob.content()).into_owned())
}

/// Only what can be the name of a tag or commit.
fn revision(said: Said) -> Said {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '+');
    match said {
        Said::Value(value) if !value.chars().all(plain) => Said::Unclear(format!("`{value}` is not a revision")),
        said => said,
    }
}

fn fate(
    ctx: &Context,
    name: &str,
    source: &Source,
    (file, variable): (&str, &str),
    said: &Said,
    unchanged: bool,
) -> Result<Fate> {
    let left_out = |why: String| Ok(Fate::LeftOut { why, asked: Vec::new() });
    let commit = source.commit.as_ref().map(GitId::as_str);
    let revision = match said {
        Said::Value(revision) if *revision == source.release || Some(revision.as_str()) == commit => {
            return Ok(Fate::Same);
        }
        _ if commit.is_none() => return Ok(Fate::Kept("its tarball is the recipe's own choice")),
        Said::Value(revision) => revision,
        Said::Nothing => return left_out(format!("{file} has no {variable}")),
        Said::Unclear(why) => return left_out(format!("{variable} of {file} is not understood: {why}")),
    };
    if unchanged {
        return Ok(Fate::Kept("the recipe chose otherwise, and upstream names what it named before"));
    }
    if !source.origins.iter().any(|origin| matches!(origin, Origin::Git(_))) {
        return left_out(format!("{file} names {revision}, and the recipe has no git origin to take it from"));
    }
    Ok(match resolve(ctx, name, source, revision)? {
        Ok(pin) => Fate::Moved(pin),
        Err(asked) => {
            Fate::LeftOut { why: format!("{file} names {revision}, whose commit was not to be found"), asked }
        }
    })
}

/// The commit that a revision is, from the sister's repository in a mirror folder or from one of its git origins; otherwise what
/// each of those said.
fn resolve(ctx: &Context, name: &str, source: &Source, revision: &str) -> Result<Result<Pin, Vec<String>>> {
    let mut asked = Asked { failures: Failures::new(name), tags: BTreeSet::new() };
    let id = GitId::try_from(revision.to_owned()).ok();
    let fits = |path: &Path, repository: &Repository| is_of(path, repository, name, source);
    if let Some(commit) = id {
        let tree = tag::seen_commit(&ctx.net, &commit, fits)?;
        let release = commit.as_str()[..12].to_owned();
        return Ok(Ok(Pin { commit, tree, release, said_by: None }));
    }
    if let Some(found) = tag::local(&ctx.net, revision, fits, &mut asked)? {
        let (commit, tree) = {
            let commit = found.repository.find_object(found.named(revision)?, None)?.peel_to_commit()?;
            (git_id(commit.id()), Some(git_id(commit.tree_id())))
        };
        return Ok(Ok(Pin { commit, tree, release: revision.to_owned(), said_by: Some(found.place) }));
    }
    if asked.failures.lines().is_empty() {
        for folder in &ctx.net.mirrors {
            let place = folder.display().to_string();
            asked.failures.absent(&place, format!("no git repository there is called {name} or has the pinned commit"));
        }
    }
    for origin in &source.origins {
        let Origin::Git(origin) = origin else { continue };
        let Some(tags) = tag::list(ctx, &origin.git, &mut asked) else { continue };
        match tags.get(revision) {
            Some(id) => {
                let (commit, release) = (git_id(*id), revision.to_owned());
                return Ok(Ok(Pin { commit, tree: None, release, said_by: Some(origin.git.clone()) }));
            }
            None => asked.failures.absent(&origin.git, format!("has no tag {revision}")),
        }
    }
    Ok(Err(asked.failures.lines()))
}

/// Whether a repository at hand is the sister's: it is called as the sister is, or as the sister's origin, or it has the commit that
/// is pinned now. Another project's tag of the same name is a different thing.
fn is_of(path: &Path, repository: &Repository, name: &str, source: &Source) -> bool {
    let stem =
        |text: &str| text.trim_end_matches('/').rsplit('/').next().map(|s| s.trim_end_matches(".git").to_owned());
    let called = stem(&path.to_string_lossy());
    let origins = source.origins.iter().filter_map(|origin| match origin {
        Origin::Git(origin) => stem(&origin.git),
        _ => None,
    });
    let pinned = source.commit.as_ref().and_then(|commit| Oid::from_str(commit.as_str()).ok());
    origins.chain([name.to_owned()]).any(|origin| called.as_ref() == Some(&origin))
        || pinned.is_some_and(|id| repository.find_object(id, Some(ObjectType::Commit)).is_ok())
}

/// A sister that a step builds cannot be left out.
fn built(recipe: &Recipe, sisters: &[Sister]) -> Result<()> {
    let missing: Vec<String> = sisters
        .iter()
        .filter_map(|sister| {
            let Fate::LeftOut { why, asked } = &sister.fate else { return None };
            let (step, _) = recipe.step.iter().find(|(_, step)| step.source == sister.name)?;
            let asked: String = asked.iter().map(|place| format!("\n    {place}")).collect();
            Some(format!("source {}, which step {step} builds: {why}{asked}", sister.name))
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Fault::source(missing.join("\n  "))
        .cure("name a folder that holds a clone of it with --mirror DIR, or take the step out of a copy of the recipe")
        .into())
}
