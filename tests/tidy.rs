//! The laws of this repository that no compiler keeps, held against the checkout, and each against a sample that breaks it. The
//! laws themselves stand in `tidy/laws.rs`.

mod laws;

use crate::support::{root, shown};
use laws::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use xtask::catalog;

/// Everything that is not built: all but `.git` and `target`, at any depth. What is not UTF-8 is left out.
fn texts() -> Vec<Text> {
    let mut texts = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            if matches!(entry.file_name().to_str(), Some(".git" | "target")) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs_err::read_to_string(&path) {
                texts.push(Text { path: shown(&path), text });
            }
        }
    }
    texts.sort_by(|a, b| a.path.cmp(&b.path));
    texts
}

#[track_caller]
fn clean(findings: &[String]) {
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// The hosts that this machine's apt and cargo ask, and its folders. They are looked up, so that this file names none.
fn words_of_this_machine() -> BTreeSet<String> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let cargo = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let mut files = vec![PathBuf::from("/etc/apt/sources.list"), cargo.join("config.toml"), cargo.join("config")];
    files.extend(list("/etc/apt/sources.list.d"));
    let mut words: BTreeSet<String> =
        files.iter().filter_map(|file| fs_err::read_to_string(file).ok()).flat_map(|text| hosts(&text)).collect();
    // A folder for each registry, named after its host and a hash.
    for folder in list(cargo.join("registry/index")) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        words.extend(name.rsplit_once('-').map(|(host, _)| host.to_owned()));
    }
    words.insert(root().display().to_string());
    words.insert(format!("{}/", home.display()));
    // The one archive that a lock always falls back to, whatever this machine asks.
    words.retain(|word| word.len() > 1 && !xtask::debian::SNAPSHOT.contains(word));
    words
}

fn list(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    fs_err::read_dir(folder.as_ref()).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[test]
fn every_file_opens_with_its_purpose() {
    clean(&opens_with_its_purpose(&texts()));
}

#[test]
fn no_file_is_long() {
    clean(&stays_small(&texts()));
}

#[test]
fn pure_modules_touch_nothing_outside() {
    clean(&stays_pure(&texts()));
}

#[test]
fn stems_fit() {
    let root = root();
    let recipe = |entry: &catalog::Entry| {
        let recipe = catalog::load(&root, entry).unwrap_or_else(|e| panic!("{}", xtask::fault::render(&e)));
        (recipe.stem(), recipe.source.into_keys().collect())
    };
    let recipes: Vec<(String, BTreeSet<String>)> = catalog::all(&root).unwrap().iter().map(recipe).collect();
    clean(&has_no_orphans(&recipes, &texts()));
    for entry in catalog::all(&root).unwrap() {
        for toolchain in catalog::load(&root, &entry).unwrap().toolchains() {
            if let Err(error) = xtask::toolchain::Toolchain::load(&root, toolchain) {
                panic!("{}: {}", entry.file.display(), xtask::fault::render(&error));
            }
        }
    }
}

#[test]
fn no_machine_is_named() {
    clean(&names_no_machine(&words_of_this_machine(), &texts()));
}

#[test]
fn clippy_keeps_the_bans() {
    clean(&bans(&fs_err::read_to_string(root().join("clippy.toml")).unwrap()));
}

#[test]
fn every_command_in_the_papers_is_one() {
    clean(&commands(&texts()));
}

#[test]
fn readme_names_the_oldest_rust() {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(root()).no_deps().exec().unwrap();
    let readme = fs_err::read_to_string(root().join("README.md")).unwrap();
    for package in &metadata.packages {
        assert_eq!(package.license.as_deref(), Some("MIT OR Apache-2.0"), "{}", package.name);
        let version = package.rust_version.as_ref().expect("rust-version is set");
        let wanted = format!("Rust ≥ {}.{}", version.major, version.minor);
        assert!(readme.contains(&wanted), "README.md does not say `{wanted}`");
    }
}

#[test]
fn a_broken_law_is_found() {
    let recipes = [("xen-4.17.4".to_owned(), BTreeSet::from(["xen".to_owned()]))];
    let words = BTreeSet::from(["mirror.example".to_owned(), "/home/u/".to_owned()]);
    let long = "//! Long.\n".repeat(501);
    let broken: &[(&str, Vec<String>)] = &[
        ("opens without", opens_with_its_purpose(&[Text::new("a.rs", "use std::fmt;\n")])),
        ("over 500", stays_small(&[Text::new("a.rs", &long)])),
        ("mentions `fs_err`", stays_pure(&[Text::new("xtask/src/recipe/read.rs", "use fs_err as fs;")])),
        (
            "no recipe is called xen-4.17.5",
            has_no_orphans(&recipes, &[Text::new("patches/xen-4.17.5/xen/0001-a.patch", "")]),
        ),
        (
            "no recipe is called xen-4.18.0",
            has_no_orphans(&recipes, &[Text::new("tests/golden/xen-4.18.0/plan.txt", "")]),
        ),
        ("no such source", has_no_orphans(&recipes, &[Text::new("patches/xen-4.17.4/qemu/0001-a.patch", "")])),
        ("a patch lies in", has_no_orphans(&recipes, &[Text::new("patches/0001-a.patch", "")])),
        ("a.md:2: names", names_no_machine(&words, &[Text::new("a.md", "\nhttps://mirror.example/debian")])),
        ("a.md:1: names", names_no_machine(&words, &[Text::new("a.md", "cd /home/u/src")])),
        ("no ban with a reason on HashMap", bans("")),
        ("is not a command", commands(&[Text::new("README.md", "    cargo xtask biuld xen # quick")])),
    ];
    for (expected, findings) in broken {
        assert!(findings.iter().any(|finding| finding.contains(expected)), "{expected}: {findings:?}");
    }
}

#[test]
fn a_kept_law_is_quiet() {
    let words = BTreeSet::from(["/home/u/".to_owned()]);
    clean(&names_no_machine(&words, &[Text::new("a.md", "target/home/u/ is another folder")]));
    assert_eq!(
        hosts(
            "deb [arch=amd64] http://a.example:80/debian x main\n# http://b.example/\nURIs: https://c.example http://127.0.0.1/\n"
        ),
        BTreeSet::from(["a.example".to_owned(), "c.example".to_owned()])
    );
}
