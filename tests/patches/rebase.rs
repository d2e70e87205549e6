//! Queues carried from one source to another: `rebase/*.toml` hold what upstream and the queue did to a tiny source; the table and
//! the new queue stand beside. The real `git rebase` must find the same, and end with the same tree.

mod history;
mod session;

use crate::support::{cases, context, expect, scratch};
use history::{Change, History};
use serde::Deserialize;
use std::path::Path;
use xtask::context::Context;
use xtask::patches::rebase::{AtConflict, Carry, Outcome, Side, Step, files, rebase, table};
use xtask::patches::{self, Patch, Queue};
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
    new: Checked,
    queue: Queue,
}

fn lay(ctx: &mut Context, folder: &Path, case: &Case) -> Laid {
    let history = History::make(&folder.join("tiny"), &case.old, &case.upstream, &case.queue);
    ctx.net.mirrors = vec![folder.to_owned()];
    let old = sources::one(ctx, "tiny", &history.source("old")).unwrap();
    let new = sources::one(ctx, "tiny", &history.source("new")).unwrap();
    let patch = |(file, text): (String, Vec<u8>)| Patch::of(text, format!("queue/{file}")).unwrap();
    let queue = Queue { patches: history.patches().into_iter().map(patch).collect() };
    Laid { history, old, new, queue }
}

fn carried(ctx: &Context, laid: &Laid, history: bool) -> Vec<Step> {
    let (old, new) = (laid.history.id("old"), laid.history.id("new"));
    let carry = Carry {
        old: Side { source: &laid.old, commit: history.then_some(&old), name: "tiny-1" },
        queue: &laid.queue,
        new: Side { source: &laid.new, commit: history.then_some(&new), name: "tiny-2" },
    };
    rebase(ctx, &carry, Vec::new(), AtConflict::LeaveOut).unwrap_or_else(|e| panic!("{}", xtask::fault::render(&e)))
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
        let steps = carried(&ctx, &laid, case.history);

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
    }
}
