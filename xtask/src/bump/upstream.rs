//! What a new Xen tree says of itself, and how it differs from the old one in what a recipe rests on.
//!
//! Trees of a git repository in, findings out. Nothing is run: configure scripts and makefiles are read as text.

use super::config::{Makefile, Said};
use super::sisters::text;
use crate::fault::Fault;
use crate::filter::Filter;
use crate::recipe::Recipe;
use anyhow::Result;
use git2::{ObjectType, Repository, Tree, TreeWalkMode, TreeWalkResult};
use semver::Version;
use std::collections::{BTreeMap, BTreeSet};

const VERSION: &str = "xen/Makefile";

/// What the tree calls itself, such as `4.17` and `.6`.
pub struct Named {
    pub series: String,
    pub rest: Option<String>,
}

/// Reads the tree's own version.
pub fn named(repository: &Repository, tree: &Tree<'_>, tag: &str) -> Result<Named> {
    let makefile = Makefile::read(&text(repository, tree, VERSION).unwrap_or_default());
    let value = |name: &str| match makefile.get(name) {
        Said::Value(value) => Ok(value),
        Said::Nothing => Err(format!("it does not set {name}")),
        Said::Unclear(why) => Err(format!("{name}: {why}")),
    };
    let number = |name: &str| value(name).and_then(|v| v.parse::<u32>().map_err(|_| format!("{name} is `{v}`")));
    let fault = |why| Fault::failed(format!("{VERSION} of {tag} does not say which series it is: {why}"));
    let (major, minor) = (number("XEN_VERSION").map_err(fault)?, number("XEN_SUBVERSION").map_err(fault)?);
    Ok(Named { series: format!("{major}.{minor}"), rest: value("XEN_EXTRAVERSION").ok() })
}

/// The last day of security support, where SUPPORT.md says one for this series.
pub fn support(repository: &Repository, tree: &Tree<'_>, series: &str) -> Option<String> {
    let text = text(repository, tree, "SUPPORT.md")?;
    let field = |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key)).map(str::trim);
    let day = field("Security-Support-Until:")?;
    let is_day = day.parse::<toml::value::Datetime>().is_ok_and(|day| day.date.is_some() && day.time.is_none());
    (field("Xen-Version:") == Some(series) && is_day).then(|| day.to_owned())
}

/// What in the new tree may not fit a recipe. `old` is the tree that the recipe was written for, where it is at hand.
pub fn compare(
    recipe: &Recipe,
    version: &Version,
    named: &Named,
    repository: &Repository,
    new: &Tree<'_>,
    old: Option<&Tree<'_>>,
) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let itself = named.rest.as_ref().map(|rest| format!("{}{rest}", named.series));
    if let Some(itself) = itself.filter(|itself| *itself != version.to_string()) {
        findings.push(format!("{VERSION} calls the tree {itself}, not {version}"));
    }
    let new_options = options(repository, new);
    findings.extend(unknown_options(recipe, &new_options));
    findings.extend(unmatched(recipe, &paths(new)?, old.map(paths).transpose()?.as_ref())?);
    let Some(old) = old else { return Ok(findings) };
    let old_options = options(repository, old);
    for (what, options) in [
        ("new configure options", &new_options - &old_options),
        ("configure options that are gone", &old_options - &new_options),
    ] {
        if !options.is_empty() {
            findings.push(format!("{what}: {}", options.into_iter().collect::<Vec<_>>().join(", ")));
        }
    }
    findings.extend(libraries(repository, old, new));
    Ok(findings)
}

/// The options of the configure scripts: `--enable-x` for each that can be enabled or disabled, `--with-x` likewise.
fn options(repository: &Repository, tree: &Tree<'_>) -> BTreeSet<String> {
    let scripts = ["configure", "tools/configure", "docs/configure", "stubdom/configure"];
    let texts = scripts.into_iter().filter_map(|path| text(repository, tree, path));
    texts.flat_map(|text| options_in(&text)).collect()
}

fn options_in(text: &str) -> BTreeSet<String> {
    let kinds =
        [("--enable-", "--enable-"), ("--disable-", "--enable-"), ("--with-", "--with-"), ("--without-", "--with-")];
    let end = |c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-' && c != '_';
    let mut found = BTreeSet::new();
    for (spelt, kind) in kinds {
        for (at, _) in text.match_indices(spelt) {
            let rest = &text[at + spelt.len()..];
            let name = rest.split(end).next().unwrap_or_default();
            if !name.is_empty() {
                found.insert(format!("{kind}{name}"));
            }
        }
    }
    found
}

fn unknown_options(recipe: &Recipe, known: &BTreeSet<String>) -> Vec<String> {
    let mut findings = Vec::new();
    let steps = recipe.step.iter().filter(|(_, step)| step.source == recipe.name && step.run.contains("./configure"));
    for (name, step) in steps.filter(|_| !known.is_empty()) {
        // Comments say what they like.
        let lines = step.run.lines().filter(|line| !line.trim_start().starts_with('#'));
        let given: BTreeSet<String> = lines.flat_map(options_in).collect();
        for option in &given - known {
            findings.push(format!("step {name} gives configure {option}, or its contrary, and no configure knows it"));
        }
    }
    findings
}

fn paths(tree: &Tree<'_>) -> Result<BTreeSet<String>> {
    let mut paths = BTreeSet::new();
    tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        if entry.kind() == Some(ObjectType::Blob)
            && let (Ok(folder), Ok(name)) =
                (std::str::from_utf8(folder.as_bytes()), std::str::from_utf8(entry.name_bytes()))
        {
            paths.insert(format!("{folder}{name}"));
        }
        TreeWalkResult::Ok
    })?;
    Ok(paths)
}

/// Globs of steps that no file of the new tree meets, and that some file of the old one met.
fn unmatched(recipe: &Recipe, new: &BTreeSet<String>, old: Option<&BTreeSet<String>>) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for (name, step) in recipe.step.iter().filter(|(_, step)| step.source == recipe.name) {
        let filter = Filter::new(&step.paths)?;
        let before = old.map(|old| filter.unused(old.iter().map(String::as_str))).unwrap_or_default();
        let unused = filter.unused(new.iter().map(String::as_str));
        for at in unused.into_iter().filter(|at| !before.contains(at)) {
            findings.push(format!("step {name}: no file of the new tree is `{}`", step.paths[at]));
        }
    }
    Ok(findings)
}

/// Libraries that came, went, or have another SONAME or minor version.
fn libraries(repository: &Repository, old: &Tree<'_>, new: &Tree<'_>) -> Vec<String> {
    let (old, new) = (sonames(repository, old), sonames(repository, new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let shown = |version: &Option<String>| version.clone().unwrap_or_else(|| "Xen's own version".to_owned());
    let line = |name: &String| match (old.get(name), new.get(name)) {
        (Some(old), Some(new)) if old != new => Some(format!("{name} is {} instead of {}", shown(new), shown(old))),
        (None, Some(new)) => Some(format!("{name} is new, and is {}: see `relocate` and `outside`", shown(new))),
        (Some(_), None) => Some(format!("{name} is gone")),
        _ => None,
    };
    names.into_iter().filter_map(line).collect()
}

/// Each library's version, none where it has Xen's.
fn sonames(repository: &Repository, tree: &Tree<'_>) -> BTreeMap<String, Option<String>> {
    let mut sonames = BTreeMap::new();
    let folder = tree.get_path("tools/libs".as_ref()).ok().and_then(|entry| repository.find_tree(entry.id()).ok());
    for entry in folder.iter().flat_map(|folder| folder.iter()) {
        let path = format!("tools/libs/{}", String::from_utf8_lossy(entry.name_bytes()));
        let Some(makefile) = text(repository, tree, &format!("{path}/Makefile")) else { continue };
        let makefile = Makefile::read(&makefile);
        let value = |name: &str| match makefile.get(name) {
            Said::Value(value) => Some(value),
            Said::Unclear(_) => Some("?".to_owned()),
            Said::Nothing => None,
        };
        let version = value("MAJOR").map(|major| format!("{major}.{}", value("MINOR").unwrap_or("0".to_owned())));
        sonames.insert(path, version);
    }
    sonames
}
