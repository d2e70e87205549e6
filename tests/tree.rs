//! Manifests and copies of trees.

use crate::support::{expect, root, scratch};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use xtask::filter::Filter;
use xtask::tree::{self, Manifest, Times};

/// Something of every kind, with names whose byte order differs from the order of folders.
fn sample(root: &Path) {
    for folder in ["a", "a/deep", "empty"] {
        fs_err::create_dir(root.join(folder)).unwrap();
        fs_err::set_permissions(root.join(folder), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (path, text, mode) in [
        ("a/deep/tool", "#!/bin/sh\n", 0o755),
        ("a/plain", "text\n", 0o644),
        ("a-b", "", 0o600),
        ("z", "set-id\n", 0o4755),
    ] {
        fs_err::write(root.join(path), text).unwrap();
        fs_err::set_permissions(root.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("../plain", root.join("a/deep/link")).unwrap();
    symlink("/nowhere", root.join("dangling")).unwrap();
    fs_err::set_permissions(root.join("empty"), std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_manifest_names_everything_in_byte_order() {
    let dir = scratch();
    sample(dir.path());
    let manifest = Manifest::of(dir.path()).unwrap();
    let text: String = manifest.entries.iter().map(|entry| serde_json::to_string(entry).unwrap() + "\n").collect();
    expect::golden(&root().join("tests/tree/manifest.jsonl"), &text);
    assert_eq!(serde_json::from_str::<Manifest>(&manifest.to_json()).unwrap(), manifest);
}

#[test]
fn a_manifest_does_not_depend_on_times_or_owner_of_the_root() {
    let (one, two) = (scratch(), scratch());
    sample(one.path());
    sample(two.path());
    tree::stamp(two.path(), 1_000_000_000).unwrap();
    fs_err::set_permissions(two.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    assert_eq!(Manifest::of(one.path()).unwrap().digest(), Manifest::of(two.path()).unwrap().digest());
}

#[test]
fn a_copy_is_the_tree_with_its_times_or_the_epoch() {
    let dir = scratch();
    let (from, to, at) = (dir.path().join("from"), dir.path().join("to"), dir.path().join("at"));
    fs_err::create_dir(&from).unwrap();
    sample(&from);
    fs_err::set_permissions(from.join("a/plain"), std::fs::Permissions::from_mode(0o444)).unwrap();
    fs_err::set_permissions(from.join("a"), std::fs::Permissions::from_mode(0o555)).unwrap();
    tree::stamp(&from, 1_000_000_000).unwrap();
    tree::copy(&from, &to).unwrap();
    let mode = |path: &str| fs_err::symlink_metadata(to.join(path)).unwrap().mode() & 0o7777;
    // What the original's owner may not write, the copy's owner may.
    assert_eq!((mode("a/plain"), mode("a")), (0o644, 0o755));
    assert_eq!((mode("z"), mode("a/deep/tool"), mode("empty")), (0o4755, 0o755, 0o700));
    assert_eq!(fs_err::read_link(to.join("a/deep/link")).unwrap(), Path::new("../plain"));
    for found in tree::walk(&to).unwrap() {
        assert_eq!(found.metadata.mtime(), 1_000_000_000, "{}", found.path);
    }
    tree::copy_filtered(&from, &at, |_| true, Times::At(7)).unwrap();
    for found in tree::walk(&at).unwrap() {
        assert_eq!(found.metadata.mtime(), 7, "{}", found.path);
    }
}

#[test]
fn a_filtered_copy_has_only_what_is_asked_for_and_the_folders_to_it() {
    let dir = scratch();
    let from = dir.path().join("from");
    fs_err::create_dir(&from).unwrap();
    sample(&from);
    for (globs, expected) in [
        (vec!["a/**", "!a/deep/**", "a/deep/t*"], vec!["a", "a/deep", "a/deep/tool", "a/plain"]),
        (vec!["**", "!a/**"], vec!["a-b", "dangling", "empty", "z"]),
        (vec!["a/deep/link"], vec!["a", "a/deep", "a/deep/link"]),
        (vec!["nothing"], vec![]),
    ] {
        let to = dir.path().join("to");
        let globs: Vec<String> = globs.into_iter().map(str::to_owned).collect();
        let filter = Filter::new(&globs).unwrap();
        tree::copy_filtered(&from, &to, |path| filter.keeps(path), Times::Kept).unwrap();
        let found: Vec<String> = tree::walk(&to).unwrap().into_iter().map(|found| found.path).collect();
        assert_eq!(found, expected, "{globs:?}");
        fs_err::remove_dir_all(&to).unwrap();
    }
}

#[test]
fn a_copy_never_mixes_with_what_is_there() {
    let dir = scratch();
    fs_err::write(dir.path().join("mine"), "").unwrap();
    let other = scratch();
    let error = tree::copy(other.path(), dir.path()).unwrap_err();
    assert!(format!("{error:#}").contains("is not empty"), "{error:#}");
}
