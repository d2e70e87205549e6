//! How large files may be: the bounds that a recipe sets to what it ships, held against the sizes in the tree. Pure.

use super::facts::Facts;
use super::{Finding, Findings};
use crate::filter::Filter;
use crate::recipe::{Bound, Recipe};
use crate::tree::Kind;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;

/// A bound beside what it was held against; goes into `audit.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// The most that the files may have together, in bytes.
    pub bound: u64,
    /// What they have.
    pub bytes: u64,
    pub reason: String,
    /// Each file's own size.
    pub files: BTreeMap<String, u64>,
}

pub fn check(recipe: &Recipe, facts: &Facts, findings: &mut Findings) -> Result<Vec<Measured>> {
    let mut all = Vec::new();
    for bound in &recipe.audit.bound {
        all.push(measure(bound, facts, findings)?);
    }
    Ok(all)
}

fn measure(bound: &Bound, facts: &Facts, findings: &mut Findings) -> Result<Measured> {
    let filter = Filter::new(&bound.files)?;
    let sizes = facts.entries.iter().filter_map(|(path, fact)| match fact.kind {
        Kind::File { size, .. } if filter.keeps(path) => Some((path.clone(), size)),
        _ => None,
    });
    let files: BTreeMap<String, u64> = sizes.collect();
    // What is not there is never too large.
    for glob in filter.unused(files.keys().map(String::as_str)) {
        findings.push(Finding::new("bound", &bound.files[glob], "no file is of this name".to_owned()));
    }
    let bytes = files.values().sum();
    if bytes > bound.bytes
        && let Some(largest) = files.iter().max_by_key(|(_, size)| **size).map(|(path, _)| path)
    {
        let each: Vec<String> = files.iter().map(|(path, size)| format!("{path} {size}")).collect();
        let sum =
            if each.len() > 1 { format!("{bytes} bytes ({})", each.join(" + ")) } else { format!("{bytes} bytes") };
        let message = format!("{sum}, {} more than {}: {}", bytes - bound.bytes, bound.bytes, bound.reason);
        findings.push(Finding::new("bound", largest, message));
    }
    Ok(Measured { bound: bound.bytes, bytes, reason: bound.reason.clone(), files })
}
