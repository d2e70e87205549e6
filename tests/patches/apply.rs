//! Queues applied to small trees, a folder each: `apply/<case>/{before,queue}` give `after`, or the message in `error.txt`.
//!
//! What `after` holds is what `git apply` made of the same.

use super::fixture::case;
use crate::support::{expect, scratch};
use std::path::{Path, PathBuf};
use xtask::patches::content::Folder;
use xtask::patches::{Patch, Queue, push};
use xtask::sources::tree::id;
use xtask::tree;

/// Reads and applies the queue of a case; the tree or the message.
fn applied(case: &Path) -> Result<tempfile::TempDir, String> {
    let render = |error| xtask::fault::render(&error);
    let mut paths: Vec<PathBuf> = fs_err::read_dir(case.join("queue")).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let mut queue = Queue::default();
    for path in paths {
        let file = format!("queue/{}", path.file_name().unwrap().to_string_lossy());
        queue.patches.push(Patch::read(&path, file).map_err(render)?);
    }
    let base = Folder(case.join("before"));
    let files = push(&base, &queue).map_err(render)?;
    let work = scratch();
    tree::copy(&case.join("before"), work.path()).unwrap();
    files.write(work.path()).unwrap();
    Ok(work)
}

fn paths(root: &Path) -> Vec<String> {
    tree::walk(root).unwrap().into_iter().map(|found| found.path).collect()
}

#[test]
fn every_case_ends_as_written_down() {
    let mut cases: Vec<PathBuf> = fs_err::read_dir(case("apply")).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    for case in cases {
        let after = case.join("after");
        match applied(&case) {
            Ok(work) if after.exists() => {
                let differences =
                    tree::Manifest::of(&after).unwrap().differences(&tree::Manifest::of(work.path()).unwrap());
                // Whatever the umask that the case was checked out with; an id knows no folders without files.
                let same = id(&after).unwrap() == id(work.path()).unwrap() && paths(&after) == paths(work.path());
                assert!(same, "{}:\n{}", case.display(), differences.join("\n"));
            }
            Ok(_) => panic!("{}: the queue applied", case.display()),
            Err(message) if after.exists() => panic!("{}: {message}", case.display()),
            Err(message) => expect::golden(&case.join("error.txt"), &(message + "\n")),
        }
    }
}

#[test]
fn a_line_that_no_patch_has_is_refused_by_name_and_number() {
    let folder = scratch();
    let path = folder.path().join("p");
    // Two gigabytes that take no room on the disk.
    let file = fs_err::File::create(&path).unwrap();
    file.set_len(2 << 30).unwrap();
    let error = Patch::read(&path, "queue/0101-long.patch".to_owned()).unwrap_err();
    assert_eq!(error.to_string(), "queue/0101-long.patch: line 1: longer than 16 MiB");
}
