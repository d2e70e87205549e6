//! Whether two relocated trees can be laid over each other. Pure: two recipes and what is known of their trees in, findings out.

use super::{Facts, Finding, Findings, Offer, linkage};
use crate::filter::Filter;
use crate::recipe::Recipe;
use crate::tree::{Kind, Manifest};
use anyhow::Result;
use std::collections::BTreeMap;

/// No path of one is something else in the other, but for files and links that both declare common. Folders merge.
pub fn check(a: (&Recipe, &Manifest), b: (&Recipe, &Manifest)) -> Result<Vec<Finding>> {
    let common = [Filter::new(&a.0.relocate.common)?, Filter::new(&b.0.relocate.common)?];
    let of_b: BTreeMap<&str, &Kind> = b.1.entries.iter().map(|entry| (entry.path.as_str(), &entry.kind)).collect();
    let mut findings = Vec::new();
    for entry in &a.1.entries {
        let Some(&other) = of_b.get(entry.path.as_str()) else { continue };
        let is_folder = |kind: &Kind| matches!(kind, Kind::Directory { .. });
        if entry.kind == *other || (is_folder(&entry.kind) && is_folder(other)) {
            continue;
        }
        // The higher version wins, which it can only where a file replaces a file.
        let mixed = is_folder(&entry.kind) || is_folder(other);
        if !mixed && common.iter().all(|globs| globs.keeps(&entry.path)) {
            continue;
        }
        let (from_a, from_b) = describe(&entry.kind, other);
        let message = format!("{} has {from_a}, {} {from_b}", a.0.stem(), b.0.stem());
        findings.push(Finding::new("co-installation", &entry.path, message));
    }
    findings.sort();
    Ok(findings)
}

/// A tree with what the audit saw in it, and what its toolchain's distribution offers.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    pub recipe: &'a Recipe,
    pub facts: &'a Facts,
    pub offer: &'a Offer,
}

/// In the root that holds both, the higher version's common libraries serve the other's programs as well: everyone must still find
/// every library that it needs, with every version that it asks for.
pub fn libraries(a: Side, b: Side) -> Vec<Finding> {
    let (low, high) = if a.recipe.version <= b.recipe.version { (a, b) } else { (b, a) };
    let mut both = low.facts.clone();
    both.entries.extend(high.facts.entries.clone());
    let mut findings = Findings::new();
    for (side, other) in [(low, high), (high, low)] {
        let found = linkage::needs(side.recipe, side.facts, &both, side.offer).into_iter().map(|finding| {
            let message = format!("{}, beside {}: {}", side.recipe.stem(), other.recipe.stem(), finding.message);
            Finding::new("co-installation", &finding.path, message)
        });
        findings.extend(found);
    }
    findings.sort();
    findings
}

/// What tells the two apart, without what they share.
fn describe(a: &Kind, b: &Kind) -> (String, String) {
    match (a, b) {
        (Kind::File { mode: a_mode, sha256: a_hash, .. }, Kind::File { mode: b_mode, sha256: b_hash, .. }) => {
            if a_hash == b_hash {
                (format!("it with mode {a_mode:o}"), format!("with mode {b_mode:o}"))
            } else {
                (format!("a file (sha256 {}…)", a_hash.short()), format!("another ({}…)", b_hash.short()))
            }
        }
        _ => (kind(a), kind(b)),
    }
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Directory { .. } => "a folder".to_owned(),
        Kind::File { .. } => "a file".to_owned(),
        Kind::Symlink { target } => format!("a link to {target}"),
    }
}
