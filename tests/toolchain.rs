//! Toolchains from wanted packages to roots: what apt is told, what indices say and who signed them, what fits together, what
//! is unpacked. Every mirror is one on this machine; every key is made here.

mod lock;
mod mirror;
mod root;
mod signature;

use crate::support::{expect, root};
use fs_err as fs;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use xtask::debian::{apt, index, resolve};

/// The folders below `tests/toolchain/<area>`, sorted.
fn folders(area: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/toolchain").join(area)).unwrap();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(!found.is_empty(), "no case in {area}");
    found
}

#[test]
fn mirrors_are_those_that_apt_is_told_to_use() {
    for case in folders("apt") {
        let found: String = apt::mirrors(&case).into_iter().map(|base| base + "\n").collect();
        expect::golden(&case.join("mirrors.txt"), &found);
    }
}

/// The lock's lines, or the message.
fn resolved(case: &Path, reverse: bool) -> String {
    let wanted: BTreeSet<String> =
        fs::read_to_string(case.join("wanted")).unwrap().split_whitespace().map(str::to_owned).collect();
    let mut packages = index::packages(&fs::read(case.join("Packages")).unwrap()[..], "amd64").unwrap();
    if reverse {
        packages.reverse();
    }
    match resolve::resolve(&wanted, &packages, "amd64") {
        Ok(chosen) => chosen.iter().map(|package| format!("{} {}\n", package.name, package.version)).collect(),
        Err(error) => xtask::fault::render(&error) + "\n",
    }
}

#[test]
fn packages_fit_together_or_the_error_says_who_asked() {
    for case in folders("resolve") {
        let found = resolved(&case, false);
        expect::golden(&case.join("resolved.txt"), &found);
        assert_eq!(found, resolved(&case, true), "{}: the order of the index matters", case.display());
    }
}
