//! Queues applied to small trees: `tests/patches/<case>/{before,queue}` give `after`, or the message in `error.txt`.

mod engine;
mod fixture;
mod lint;
mod mail;
mod name;
mod rebase;
mod refresh;
mod render;

use crate::support::{expect, root};
use std::path::PathBuf;
use xtask::patches::content::Folder;
use xtask::patches::{Patch, Queue, push};
use xtask::tree;

fn case(name: &str) -> PathBuf {
    root().join("tests/patches").join(name)
}

/// Reads and applies the queue of a case; the tree or the message.
fn applied(name: &str) -> Result<tempfile::TempDir, String> {
    let case = case(name);
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
    let work = tempfile::tempdir().unwrap();
    tree::copy(&case.join("before"), work.path()).unwrap();
    files.write(work.path()).unwrap();
    Ok(work)
}

fn same(name: &str) {
    let work = applied(name).unwrap();
    let found = tree::Manifest::of(work.path()).unwrap();
    let wanted = tree::Manifest::of(&case(name).join("after")).unwrap();
    assert_eq!(found, wanted, "{name}: the patched tree differs from after/");
}

fn refused(name: &str) {
    let message = applied(name).map(|_| ()).expect_err("the queue applied");
    expect::golden(&case(name).join("error.txt"), &(message + "\n"));
}

#[test]
fn a_queue_applies_in_the_order_of_its_names() {
    same("order");
}

#[test]
fn an_offset_is_accepted() {
    same("offset");
}

#[test]
fn renames_modes_new_and_deleted_files_are_kept() {
    same("shapes");
}

#[test]
fn a_context_that_differs_is_refused_with_its_hunk() {
    refused("conflict");
}

#[test]
fn a_name_outside_the_source_is_refused_before_anything_is_written() {
    refused("outside");
}

#[test]
fn a_path_through_a_link_is_refused() {
    refused("through-link");
}
