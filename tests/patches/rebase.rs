//! Queues carried from one source to another: `rebase/*.toml` hold what upstream and the queue did to a tiny source; the table and
//! the new queue stand beside. The real `git rebase` must find the same, and end with the same tree.

mod history;
mod session;

use crate::support::{cases, context, expect, scratch};
use history::{Change, History};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use xtask::context::Context;
use xtask::digest::GitId;
use xtask::patches::rebase::{AtConflict, Carry, Outcome, Side, Step, conflict, desk, files, rebase, table};
use xtask::patches::{self, Patch, Queue};
use xtask::recipe::Source;
use xtask::sources::{self, Checked};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The old source.
    old: Change,
    /// What makes the new one of it, a commit each.
    #[serde(default)]
    upstream: Vec<Change>,
    queue: Vec<Change>,
    /// Whether a repository has the way from the old side to the new one.
    #[serde(default)]
    history: bool,
}

/// A case as a repository, both of its sources, and its queue.
struct Laid {
    history: History,
    old: Checked,
    old_id: Option<GitId>,
    new: Checked,
    new_id: Option<GitId>,
    queue: Queue,
}

fn lay(ctx: &mut Context, folder: &Path, case: &Case) -> Laid {
    let history = History::make(&folder.join("tiny"), &case.old, &case.upstream, &case.queue);
    ctx.net.mirrors = vec![folder.to_owned()];
    let (old, new) = (history.source("old"), history.source("new"));
    let checked = |source: &Source| sources::one(ctx, "tiny", source).unwrap();
    let patch = |(file, text): (String, Vec<u8>)| Patch::of(text, format!("queue/{file}")).unwrap();
    let queue = Queue { patches: history.patches().into_iter().map(patch).collect() };
    Laid { history, old: checked(&old), old_id: old.commit, new: checked(&new), new_id: new.commit, queue }
}

impl Laid {
    fn carry(&self, history: bool) -> Carry<'_> {
        Carry {
            old: Side { source: &self.old, commit: self.old_id.as_ref().filter(|_| history), name: "tiny-1" },
            queue: &self.queue,
            new: Side { source: &self.new, commit: self.new_id.as_ref().filter(|_| history), name: "tiny-2" },
        }
    }
}

fn carried(ctx: &Context, carry: &Carry<'_>, at: AtConflict) -> Vec<Step> {
    rebase(ctx, carry, Vec::new(), at).unwrap_or_else(|e| panic!("{}", xtask::fault::render(&e)))
}

/// The tree that the carried queue makes of the new source.
fn tree(ctx: &Context, laid: &Laid, steps: &[Step]) -> String {
    let patch = |(file, text)| Patch::of(text, file).unwrap();
    let queue = Queue { patches: files(steps).into_iter().map(patch).collect() };
    let patched = patches::apply(ctx, &laid.new, &queue).unwrap();
    sources::tree::id(patched.path()).unwrap().to_string()
}

#[test]
fn every_patch_has_its_outcome_as_git_rebase_has() {
    for path in cases("patches/rebase", "toml") {
        let case: Case = toml::from_str(&fs_err::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{e}"));
        let folder = scratch();
        let mut ctx = context(&folder.path().join("store"));
        let laid = lay(&mut ctx, folder.path(), &case);
        let carry = laid.carry(case.history);
        let steps = carried(&ctx, &carry, AtConflict::LeaveOut);

        let mut text = table::text(&steps) + "\n";
        for (file, patch) in files(&steps) {
            let diff = &patch[Patch::of(patch.clone(), file.clone()).unwrap().diff.start()..];
            text += &format!("\n{file}:\n{}", String::from_utf8_lossy(diff));
        }
        expect::golden(&path.with_extension("txt"), &text);

        let real = laid.history.rebased();
        let left = |wanted: fn(&Outcome) -> bool| -> Vec<&str> {
            let of = |step: &&Step| wanted(&step.outcome);
            steps.iter().filter(of).map(|step| step.file.strip_suffix(".patch").unwrap()).collect()
        };
        let shown = path.display();
        assert_eq!(left(|outcome| matches!(outcome, Outcome::Conflict { .. })), real.conflicts, "{shown}: conflicts");
        assert_eq!(left(|outcome| matches!(outcome, Outcome::Upstream { .. })), real.dropped, "{shown}: dropped");
        assert_eq!(tree(&ctx, &laid, &steps), real.tree, "{shown}: the tree at the end");

        let steps = carried(&ctx, &carry, AtConflict::Stop);
        let unmerged = conflict(&steps).map(|_| {
            let work = folder.path().join("work");
            desk::lay_out(&work, &carry, &steps).unwrap_or_else(|e| panic!("{shown}: {e:#}"));
            History::at(&work).unmerged()
        });
        assert_eq!(unmerged, real.unmerged, "{shown}: what is unmerged at the first conflict");
    }
}

/// A file of which no line comes twice: where texts repeat themselves, git's merges and libgit2's align them differently.
const LINES: &str = "abcdefghijklmnopqrstuvwxyz0123";

/// What some edits make of a text: each is a place, and what happens there.
fn edited(text: &str, edits: &[(usize, u8)]) -> String {
    let mut lines: Vec<char> = text.chars().collect();
    for (at, what) in edits {
        let at = at % lines.len();
        match what {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, 'N'),
            new => lines[at] = char::from(b'A' + new),
        }
    }
    lines.into_iter().collect()
}

/// Commits that lead from one text to the next.
fn changes(name: &str, texts: &[String]) -> Vec<Change> {
    let pairs = texts.windows(2).enumerate().filter(|(_, pair)| pair[0] != pair[1]);
    let change = |(i, pair): (usize, &[String])| Change {
        subject: format!("{name}{i}"),
        files: BTreeMap::from([("f".to_owned(), pair[1].clone())]),
        ..Change::default()
    };
    pairs.map(change).collect()
}

fn texts(edits: &[Vec<(usize, u8)>]) -> Vec<String> {
    let mut texts = vec![LINES.to_owned()];
    for edits in edits {
        texts.push(edited(&texts[texts.len() - 1], edits));
    }
    texts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_queue_ends_in_the_tree_that_git_rebase_makes(
        queue in vec(vec((0..30usize, 0..5u8), 1..3), 1..5),
        upstream in vec(vec((0..30usize, 0..5u8), 1..3), 1..4),
        history in any::<bool>(),
    ) {
        let old = Change { files: BTreeMap::from([("f".to_owned(), LINES.to_owned())]), ..Change::default() };
        let case = Case { old, upstream: changes("upstream", &texts(&upstream)), queue: changes("010", &texts(&queue)), history };
        prop_assume!(!case.queue.is_empty() && !case.upstream.is_empty());
        let folder = scratch();
        let mut ctx = context(&folder.path().join("store"));
        let laid = lay(&mut ctx, folder.path(), &case);
        let steps = carried(&ctx, &laid.carry(history), AtConflict::LeaveOut);
        prop_assert_eq!(tree(&ctx, &laid, &steps), laid.history.rebased().tree, "{}", table::text(&steps));
    }
}
