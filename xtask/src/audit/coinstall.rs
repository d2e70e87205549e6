//! Whether two relocated trees can be laid over each other. Pure: two recipes and manifests in, findings out.

use super::Finding;
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
