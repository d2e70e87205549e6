//! Generated queues, which quilt has to make the same tree of.

use super::{HOME, asked};
use crate::patches::render::{Content, tree};
use fs_err as fs;
use git2::{FileMode, Repository};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::path::Path;
use xtask::cli;
use xtask::context::Context;
use xtask::patches::content::Folder;
use xtask::patches::mail::{Date, Mail};
use xtask::patches::{Patch, Queue, name, push, render};
use xtask::report::{Report, Style};
use xtask::yardstick::Quilt;

/// Text files only, none of them empty: patch(1) knows neither git's binary data nor links, and takes empty files away.
fn contents() -> impl Strategy<Value = Vec<Content>> {
    let line = prop_oneof![
        6 => (0..5u8).prop_map(|n| vec![b'a' + n, b'\n']),
        1 => Just(b"x\r\n".to_vec()),
        1 => Just(b"\xff\n".to_vec()),
    ];
    let end = prop_oneof![3 => Just(&b"z\n"[..]), 1 => Just(&b"no end"[..])];
    let text = (prop::collection::vec(line, 0..40), end).prop_map(|(lines, end)| [&lines.concat(), end].concat());
    let content = prop::collection::btree_map("[fgh]|d/[fg]", text.prop_map(|text| (FileMode::Blob, text)), 1..5);
    prop::collection::vec(content, 2..8)
}

/// A patch for each step from one content to the next.
fn queue(contents: &[Content]) -> Queue {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::init_bare(folder.path()).unwrap();
    let mut queue = Queue::default();
    for (number, pair) in (1000..).zip(contents.windows(2)) {
        let diff = render::diff(&repository, &tree(&repository, &pair[0]), &tree(&repository, &pair[1])).unwrap();
        if diff.is_empty() {
            continue;
        }
        let mail = Mail {
            author: b"J\xfcrgen <j@example.org>".to_vec(),
            date: Some(Date { seconds: 1_700_000_000, offset_minutes: 60 }),
            subject: format!("Change {number}").into_bytes(),
            body: b"For a reason.".to_vec(),
            notes: Vec::new(),
        };
        let text = [mail.write(), diff].concat();
        queue.patches.push(Patch::of(text, name::file_name(number, &mail.subject)).unwrap());
    }
    queue
}

fn write(content: &Content, folder: &Path) {
    for (path, (_, text)) in content {
        fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        fs::write(folder.join(path), text).unwrap();
    }
}

fn read(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let found = xtask::tree::walk(folder).unwrap();
    let files = found.into_iter().filter(|found| found.metadata.is_file() && !found.path.starts_with(".pc/"));
    files.map(|found| (found.path.clone(), fs::read(folder.join(found.path)).unwrap())).collect()
}

#[test]
fn quilt_makes_the_same_tree_of_any_queue() {
    if !asked() {
        return;
    }
    let report = Report::new(Style::Plain);
    let place = cli::Place { store: Some(HOME.join("store")) };
    let ctx = Context::open(&report, &place, &cli::Net::default(), &cli::Work::default()).unwrap();
    let quilt = Quilt::locked(&ctx).unwrap();
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    let case = |contents: Vec<Content>| {
        let work = tempfile::tempdir_in(&*HOME).unwrap();
        let [base, theirs, ours, patches] = ["base", "theirs", "ours", "patches"].map(|name| work.path().join(name));
        for folder in [&base, &theirs, &ours, &patches] {
            fs::create_dir(folder).unwrap();
        }
        let queue = queue(&contents);
        [&base, &theirs, &ours].into_iter().for_each(|folder| write(&contents[0], folder));
        let mut series = String::new();
        for patch in &queue.patches {
            fs::write(patches.join(&patch.file), &patch.text).unwrap();
            series += &format!("{}\n", patch.file);
        }
        fs::write(patches.join("series"), series).unwrap();

        push(&Folder(base), &queue).unwrap().write(&ours).unwrap();
        if !queue.patches.is_empty() {
            quilt.run(&ctx, &theirs, &patches, "quilt push -q -a").unwrap();
        }
        prop_assert_eq!(read(&ours), read(&theirs));
        Ok(())
    };
    TestRunner::new_with_rng(config, proptest::test_runner::TestRng::deterministic_rng(Default::default()))
        .run(&contents(), case)
        .unwrap();
}
