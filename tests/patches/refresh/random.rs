//! Queues of random changes, through the functions alone: what is written leads to the commits' trees, and stays what it is.

use super::super::render::{Content, any_content, tree};
use crate::support::scratch;
use git2::{Oid, Repository, Signature};
use proptest::prelude::*;
use std::collections::BTreeMap;
use xtask::patches::mail::{Date, Mail};
use xtask::patches::refresh::{self, Refreshed};
use xtask::patches::{Patch, Queue, commits, content};

struct World {
    repository: Repository,
    base: Oid,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(base: &Content) -> World {
        let folder = scratch();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let base = {
            let who = Signature::now("x", "x").unwrap();
            repository.commit(None, &who, &who, "base", &tree(&repository, base), &[]).unwrap()
        };
        World { repository, base, _folder: folder }
    }

    /// A commit for each content that is not the one before.
    fn commit(&self, contents: &[Content], file: impl Fn(usize) -> Option<String>) -> Oid {
        let mut head = self.base;
        for (i, content) in contents.iter().enumerate() {
            let tree = tree(&self.repository, content).id();
            if self.repository.find_commit(head).unwrap().tree_id() == tree {
                continue;
            }
            let mail = Mail {
                author: b"J\xfcrgen <j@example.org>".to_vec(),
                date: Some(Date { seconds: 1_700_000_000 + i as i64, offset_minutes: -90 }),
                subject: format!("Change {i}").into_bytes(),
                body: b"For a reason.\n\nOrigin: here".to_vec(),
                notes: Vec::new(),
            };
            head = commits::commit(&self.repository, head, tree, &mail, file(i).as_deref()).unwrap();
        }
        head
    }

    fn refreshed(&self, head: Oid, queue: &Queue) -> Refreshed {
        let entries = commits::since(&self.repository, self.base, head).unwrap();
        refresh::from_commits(&self.repository, self.base, &entries, queue, &BTreeMap::new()).unwrap()
    }

    fn trees(&self, head: Oid) -> Vec<Oid> {
        let entries = commits::since(&self.repository, self.base, head).unwrap();
        entries.iter().map(|entry| self.repository.find_commit(entry.id).unwrap().tree_id()).collect()
    }

    /// The queue leads to the trees of the commits, also without any, and is kept by a second refresh.
    fn settles(&self, head: Oid, refreshed: &Refreshed) -> Queue {
        let queue = queue(refreshed);
        let pushed = commits::push(&self.repository, self.base, &queue).unwrap();
        assert_eq!(self.trees(pushed), self.trees(head));
        for head in [head, pushed] {
            let again = self.refreshed(head, &queue);
            assert!(again.is_same(), "{again:?}");
            assert_eq!(again.files(), refreshed.files());
        }
        let tree = self.repository.find_commit(self.base).unwrap().tree().unwrap();
        let base = content::Tree { repository: &self.repository, tree };
        let against = refresh::against(&base, &queue).unwrap();
        assert!(against.is_same(), "{against:?}");
        queue
    }
}

fn queue(refreshed: &Refreshed) -> Queue {
    let patch = |(name, text): (String, Vec<u8>)| Patch::of(text, format!("patches/x/y/{name}")).unwrap();
    Queue { patches: refreshed.files().into_iter().map(patch).collect() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_queue_of_random_changes_stays_and_follows_an_edit(
        base in any_content(),
        mut contents in prop::collection::vec(any_content(), 1..6),
        edited in any_content(),
        place in any::<prop::sample::Index>(),
    ) {
        let world = World::new(&base);
        let head = world.commit(&contents, |_| None);
        let first = world.settles(head, &world.refreshed(head, &Queue::default()));
        let names: Vec<String> = first.patches.iter().map(|patch| patch.name().to_owned()).collect();
        let file = |i: usize| names.iter().find(|name| name.ends_with(&format!("-Change-{i}.patch"))).cloned();

        let place = place.index(contents.len());
        contents[place] = edited;
        let head = world.commit(&contents, file);
        let second = world.settles(head, &world.refreshed(head, &first));
        for patch in &second.patches {
            let touched = [place, place + 1].iter().any(|i| patch.name().ends_with(&format!("-Change-{i}.patch")));
            let was = first.patches.iter().find(|old| old.name() == patch.name());
            prop_assert!(touched || was.is_none_or(|was| was.text == patch.text));
        }
    }
}

#[test]
fn two_hundred_patches_are_numbered_and_stay() {
    let file = |n: usize| -> Content {
        let lines: Vec<u8> =
            (0..400).flat_map(|line| format!("{}\n", if line < n { line + 1000 } else { line }).into_bytes()).collect();
        BTreeMap::from([("f".to_owned(), (git2::FileMode::Blob, lines))])
    };
    let world = World::new(&file(0));
    let contents: Vec<Content> = (1..=200).map(file).collect();
    let head = world.commit(&contents, |_| None);
    let queue = world.settles(head, &world.refreshed(head, &Queue::default()));
    assert_eq!(queue.patches.len(), 200);
    assert_eq!(queue.patches[199].name(), "0700-Change-199.patch");
}
