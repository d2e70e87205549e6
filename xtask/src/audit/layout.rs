//! The laws about names, modes and links: what stands where, and whether everything has its package.

use super::facts::{Fact, Facts, Led};
use super::{Finding, Findings};
use crate::filter::Filter;
use crate::package::Claims;
use crate::recipe::Recipe;
use crate::relocate::below_root;
use crate::relocate::links::{lead, parent, within};
use crate::tree::Kind;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

pub fn check(recipe: &Recipe, facts: &Facts, findings: &mut Findings) -> Result<()> {
    let common = Filter::new(&recipe.relocate.common)?;
    let claims = Claims::of(recipe)?;
    let filled: BTreeSet<&str> = facts.entries.keys().map(|path| parent(path)).collect();
    let mut claimed = BTreeSet::new();
    for (path, fact) in &facts.entries {
        findings.extend(mode(path, fact));
        findings.extend(link(facts, path, fact));
        findings.extend(content(path, fact));
        if filled.contains(path.as_str()) {
            continue;
        }
        let versioned = within(path, below_root(&recipe.relocate.private)) || names_series(path, &recipe.series);
        if !versioned && !common.keeps(path) {
            let message = format!("is neither private nor common, and does not name the series {}", recipe.series);
            findings.push(Finding::new("unversioned-path", path, message + &staged_by(fact)));
        }
        match claims.package(path) {
            Some(package) => {
                claimed.insert(package);
            }
            None => findings.push(Finding::new("unclaimed", path, format!("no package claims it{}", staged_by(fact)))),
        }
    }
    for package in recipe.package.iter().filter(|package| !claimed.contains(package.name.as_str())) {
        findings.push(Finding::new(
            "package-empty",
            &package.name,
            "claims nothing that an earlier one leaves".to_owned(),
        ));
    }
    case_collisions(facts, findings);
    Ok(())
}

fn staged_by(fact: &Fact) -> String {
    fact.step.as_ref().map_or(String::new(), |step| format!(" (from step `{step}`)"))
}

fn mode(path: &str, fact: &Fact) -> Option<Finding> {
    match fact.kind {
        Kind::File { mode, .. } if mode & 0o6000 != 0 => {
            Some(Finding::new("set-id", path, format!("has mode {mode:o}")))
        }
        Kind::File { mode, .. } | Kind::Directory { mode } if mode & 0o002 != 0 => {
            Some(Finding::new("world-writable", path, format!("has mode {mode:o}")))
        }
        _ => None,
    }
}

fn link(facts: &Facts, path: &str, fact: &Fact) -> Option<Finding> {
    let Kind::Symlink { target } = &fact.kind else { return None };
    // How a unit is masked (systemd.unit(5)); every machine has the device.
    if target == "/dev/null" {
        return None;
    }
    let broken = |rule, message| Some(Finding::new(rule, path, message));
    if lead(parent(path), target).is_none() {
        return broken("dangling-link", format!("leads to {target}, out of the root"));
    }
    match facts.follow(path) {
        Led::To(_) if target.starts_with('/') => broken("absolute-link", format!("leads to {target}")),
        Led::To(_) => None,
        Led::Nowhere(_) => broken("dangling-link", format!("leads to {target}, which is not in the tree")),
        Led::Astray => {
            broken("dangling-link", format!("leads to {target}, and from there in a circle or out of the root"))
        }
    }
}

fn content(path: &str, fact: &Fact) -> Vec<Finding> {
    let malformed = match &fact.elf {
        Some(Err(cause)) => Some(Finding::new("malformed-elf", path, cause.clone())),
        _ => None,
    };
    let leaks =
        fact.leaks.iter().map(|leak| Finding::new("build-path", path, format!("mentions {leak}{}", staged_by(fact))));
    malformed.into_iter().chain(leaks).collect()
}

/// True when some component has the series in it as a number of its own: `xen-4.17.5.gz` has 4.17, `xen-4.170.gz` has not.
fn names_series(path: &str, series: &str) -> bool {
    path.match_indices(series).any(|(at, _)| {
        let before = path[..at].chars().next_back();
        let after = path[at + series.len()..].chars().next();
        !before.is_some_and(|c| c.is_ascii_digit() || c == '.') && !after.is_some_and(|c| c.is_ascii_digit())
    })
}

/// File systems of other operating systems, and some of this one, take such paths for one.
fn case_collisions(facts: &Facts, findings: &mut Findings) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for path in facts.entries.keys() {
        if let Some(other) = seen.insert(path.to_lowercase(), path) {
            findings.push(Finding::new("case-collision", path, format!("differs from {other} in case only")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_is_a_number_of_its_own() {
        for (path, expected) in [
            ("boot/xen-4.17.5+72.gz", true),
            ("usr/share/doc/xen-4.17/README", true),
            ("boot/xen-4.170.gz", false),
            ("usr/lib/x-14.17", false),
            ("usr/lib/x-1.4.17", false),
        ] {
            assert_eq!(names_series(path, "4.17"), expected, "{path}");
        }
    }
}
