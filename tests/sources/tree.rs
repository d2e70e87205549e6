//! Tree ids against git's own, and what folders of one tree id have in common.

use super::*;
use fs_err::os::unix::fs::symlink;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use xtask::sources::tree;

/// All that git's idea of a tree is about.
pub fn nasty(at: &Path) {
    let write = |name: &str, text: &str, mode: u32| {
        let path = at.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    };
    // `a/` sorts after `a.b` and before `a0`, since `.` < `/` < `0`.
    write("a.b", "1", 0o644);
    write("a/file", "2", 0o600);
    write("a0", "3", 0o664);
    write("run", "#!/bin/sh\n", 0o755);
    write("run-by-group", "", 0o654);
    write("run-by-owner", "", 0o700);
    write(".gitignore", "ignored\n", 0o644);
    write(".gitattributes", "*.sh export-subst\n", 0o644);
    write("ignored", "all the same", 0o644);
    write("sub.sh", "$Format:%H$\r\n", 0o644);
    write("deep/er/still/file with spaces and ü", "x", 0o644);
    write("empty", "", 0o644);
    fs::create_dir_all(at.join("hollow/hollower")).unwrap();
    symlink("a/file", at.join("link")).unwrap();
    symlink("../../run", at.join("deep/er/up")).unwrap();
    symlink("nowhere", at.join("dangling")).unwrap();
}

fn by_git(at: &Path) -> String {
    run_git(at, &["init", "-q"]);
    run_git(at, &["add", "-Af", "."]);
    let tree = run_git(at, &["write-tree"]);
    fs::remove_dir_all(at.join(".git")).unwrap();
    tree
}

#[test]
fn the_tree_id_is_git_s() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(tree::id(folder.path()).unwrap().as_str(), by_git(folder.path()), "the empty tree");
    nasty(folder.path());
    assert_eq!(tree::id(folder.path()).unwrap().as_str(), by_git(folder.path()));
}

#[test]
fn a_repository_within_has_no_tree_id() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("sub/.git")).unwrap();
    assert_says(&story(tree::id(folder.path())), &["sub/.git"]);
}

#[test]
fn what_the_tree_id_does_not_tell_is_made_alike() {
    let folder = tempfile::tempdir().unwrap();
    nasty(folder.path());
    let id = tree::id(folder.path()).unwrap();
    tree::normalize(folder.path()).unwrap();
    assert_eq!(tree::id(folder.path()).unwrap(), id);
    let meta = |name: &str| fs::symlink_metadata(folder.path().join(name)).unwrap();
    for (name, mode) in
        [("a", 0o755), ("a/file", 0o644), ("a0", 0o644), ("run-by-owner", 0o755), ("run-by-group", 0o644)]
    {
        assert_eq!(meta(name).mode() & 0o7777, mode, "{name}");
    }
    assert!(!folder.path().join("hollow").exists());
    let times: Vec<i64> = ["", "a", "a/file", "link", "deep/er"].map(|name| meta(name).mtime()).to_vec();
    assert!(times.iter().all(|time| *time == times[0]), "{times:?}");
}
