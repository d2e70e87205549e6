//! What the parts of one recipe say about each other: names that must exist, steps that must not need themselves, pins that
//! their origins can satisfy.

use super::diagnose::{Problems, nearest, quoted};
use super::{Format, Origin, Provide, Recipe, Source, Step};
use std::collections::BTreeSet;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Reports every reference that leads nowhere. `document` is the table that `recipe` was read from; it knows the places.
pub fn references(recipe: &Recipe, document: &DeTable, problems: &Problems) {
    for (name, source) in &recipe.source {
        origins(name, source, document, problems);
        queue(recipe, name, source, document, problems);
        debian(recipe, name, source, document, problems);
    }
    published(recipe, document, problems);
    for (name, step) in &recipe.step {
        known("source", &step.source, recipe.source.keys(), place(document, &["step", name, "source"]), problems);
        for (i, need) in step.needs.iter().enumerate() {
            let at = place(document, &["step", name, "needs", &i.to_string()]);
            known("step", need, recipe.step.keys(), at, problems);
        }
        for (i, part) in step.sysroot.iter().enumerate() {
            let at = place(document, &["step", name, "sysroot", &i.to_string()]);
            known("step", part, recipe.step.keys(), at, problems);
        }
    }
    for (name, cross) in &recipe.cross {
        for (i, part) in cross.sysroot.iter().enumerate() {
            let at = place(document, &["cross", name, "sysroot", &i.to_string()]);
            known("step", part, recipe.step.keys(), at, problems);
        }
    }
    for (component, provide) in &recipe.provide {
        if let Provide::Pinned { step, .. } = provide {
            let at = place(document, &["provide", component.name(), "step"]);
            known("step", step, recipe.step.keys(), at.clone(), problems);
            if recipe.step.get(step).is_some_and(|step| step.intermediate) {
                problems.add(at, format!("step `{step}` is intermediate: what it makes is not shipped"));
            }
        }
    }
    if let Some(cycle) = cycle(recipe) {
        let step = &recipe.step[cycle[0]];
        let index = |list: &[String]| list.iter().position(|need| need == cycle[1]).map(|index| index.to_string());
        let at = match (index(&step.needs), index(&step.sysroot)) {
            (None, Some(index)) => place(document, &["step", cycle[0], "sysroot", &index]),
            (index, _) => place(document, &["step", cycle[0], "needs", &index.unwrap_or_default()]),
        };
        problems.add(at, format!("a step cannot need itself: {}", cycle.join(" needs ")));
    }
    let mut names = BTreeSet::new();
    for (i, package) in recipe.package.iter().enumerate() {
        if !names.insert(&package.name) {
            let at = place(document, &["package", &i.to_string(), "name"]);
            problems.add(at, format!("a package `{}` is already there: names are unique", package.name));
        }
        for (j, need) in package.needs.iter().enumerate() {
            let at = place(document, &["package", &i.to_string(), "needs", &j.to_string()]);
            known("package", need, recipe.package.iter().map(|package| &package.name), at, problems);
        }
    }
    formats(recipe, document, problems);
}

/// The source that holds a queue is a tarball as it was packed.
fn queue(recipe: &Recipe, name: &str, source: &Source, document: &DeTable, problems: &Problems) {
    let Some(packed) = &source.queue else { return };
    let at = || place(document, &["source", name, "queue", "source"]);
    let others = recipe.source.keys().filter(|other| *other != name);
    known("other source", &packed.source, others, at(), problems);
    if recipe.source.get(&packed.source).is_some_and(|holder| holder.queue.is_some()) && packed.source != name {
        problems.add(
            at(),
            format!("`source.{}` holds a queue and has one itself: such a source is not patched", packed.source),
        );
    }
}

/// The version is that of the files' names, but for the epoch, which no file's name has (Debian Policy 5.6.12).
fn debian(recipe: &Recipe, name: &str, source: &Source, document: &DeTable, problems: &Problems) {
    let Some(version) = &source.debian else { return };
    let plain = version.split_once(':').map_or(version.as_str(), |(_, plain)| plain);
    let upstream = plain.rsplit_once('-').map_or(plain, |(upstream, _)| upstream);
    // A queue of our own is none of Debian's.
    let holder = source.queue.as_ref().and_then(|packed| recipe.source.get(&packed.source));
    let holder = holder.filter(|holder| holder.folder.is_none());
    let wanted = [(Some(source), format!("_{upstream}.orig.tar.")), (holder, format!("_{plain}.debian.tar."))];
    for (files, word) in wanted.iter().filter_map(|(source, word)| Some(((*source)?.pool().collect::<Vec<_>>(), word)))
    {
        if !files.iter().any(|file| file.contains(word)) {
            let at = place(document, &["source", name, "debian"]);
            problems.add(
                at,
                format!("no file of Debian's `{version}` is among its origins: expected a name with `{word}`"),
            );
        }
    }
}

fn published(recipe: &Recipe, document: &DeTable, problems: &Problems) {
    let mut paths = BTreeSet::new();
    for (i, published) in recipe.published.iter().enumerate() {
        for (j, path) in published.files.iter().enumerate() {
            if !paths.insert(path) {
                let at = place(document, &["published", &i.to_string(), "files", &j.to_string()]);
                problems.add(at, format!("`{path}` is compared already"));
            }
        }
    }
}

fn formats(recipe: &Recipe, document: &DeTable, problems: &Problems) {
    for (path, what) in missing(recipe) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        problems.add(place(document, &path), what);
    }
}

/// What package managers ask of every package and a recipe does not say: where, and what.
pub fn missing(recipe: &Recipe) -> Vec<(Vec<String>, String)> {
    let Some(format) = recipe.formats.iter().find(|format| **format != Format::Tar) else { return Vec::new() };
    let format = format.name();
    let mut missing = Vec::new();
    if recipe.maintainer.is_none() {
        let what = format!("packages for `{format}` name whom to write to: expected `maintainer = \"Name <address>\"`");
        missing.push((vec!["formats".to_owned()], what));
    }
    for (i, package) in recipe.package.iter().enumerate().filter(|(_, package)| package.summary.is_none()) {
        let what = format!("package `{}` has no `summary`, which `{format}` asks of every package", package.name);
        missing.push((["package", &i.to_string(), "name"].map(str::to_owned).to_vec(), what));
    }
    missing
}

fn origins(name: &str, source: &Source, document: &DeTable, problems: &Problems) {
    let at = |key: &str| place(document, &["source", name, key]);
    if source.folder.is_some() {
        return;
    }
    if source.origins.is_empty() {
        problems.add(at("origins"), format!("`source.{name}` has no origin: expected at least one place to look"));
    } else if source.commit.is_some()
        && source.tree.is_none()
        && !source.origins.iter().any(|o| matches!(o, Origin::Git(_)))
    {
        problems.add(
            at("commit"),
            format!("`source.{name}` has only tarballs as origins, and a commit alone cannot identify a tarball: expected `tree`, or a git origin"),
        );
    }
    for (i, origin) in source.origins.iter().enumerate() {
        let at = |key: &str| place(document, &["source", name, "origins", &i.to_string(), key]);
        let offered = match origin {
            Origin::Git(_) if source.sha256.is_some() => {
                problems
                    .add(at("git"), "a git origin cannot supply a source whose identity is the sha256 of a tarball");
                continue;
            }
            Origin::Git(_) => continue,
            Origin::Debian(origin) => &origin.sha256,
            Origin::Url(origin) => &origin.sha256,
        };
        if source.sha256.as_ref().is_some_and(|wanted| wanted != offered) {
            problems
                .add(at("sha256"), format!("differs from the `sha256` of `source.{name}`, which is the tarball's own"));
        }
    }
}

fn known<'n>(
    kind: &str,
    name: &str,
    names: impl Iterator<Item = &'n String> + Clone,
    at: Range<usize>,
    problems: &Problems,
) {
    let mut names = names.map(String::as_str);
    if names.clone().any(|known| known == name) {
        return;
    }
    let hint = nearest(name, names.clone()).map(|near| format!("did you mean `{near}`?"));
    let hint = hint.unwrap_or_else(|| format!("expected one of {}", quoted(names.by_ref())));
    problems.add(at, format!("no {kind} is called `{name}`, {hint}"));
}

/// The names around the first cycle, the first name again at the end.
fn cycle(recipe: &Recipe) -> Option<Vec<&str>> {
    let mut finished = BTreeSet::new();
    recipe.step.keys().find_map(|name| walk(recipe, name, &mut Vec::new(), &mut finished))
}

fn walk<'r>(
    recipe: &'r Recipe,
    name: &'r str,
    path: &mut Vec<&'r str>,
    finished: &mut BTreeSet<&'r str>,
) -> Option<Vec<&'r str>> {
    if let Some(start) = path.iter().position(|seen| *seen == name) {
        return Some(path[start..].iter().copied().chain([name]).collect());
    }
    if finished.contains(name) {
        return None;
    }
    path.push(name);
    let mut needs = recipe.step.get(name).into_iter().flat_map(Step::inputs);
    let found = needs.find_map(|need| walk(recipe, need, path, finished));
    path.pop();
    finished.insert(name);
    found
}

/// The bytes of the value that `path` leads to, as far as it leads; a number is an index.
fn place(document: &DeTable, path: &[&str]) -> Range<usize> {
    let Some((first, rest)) = path.split_first() else { return 0..0 };
    let Some(mut found) = document.get(*first) else { return 0..0 };
    for part in rest {
        let next = match found.get_ref() {
            DeValue::Array(items) => part.parse::<usize>().ok().and_then(|i| items.get(i)),
            DeValue::Table(table) => table.get(*part),
            _ => None,
        };
        let Some(next) = next else { break };
        found = next;
    }
    found.span()
}
