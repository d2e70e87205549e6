//! One patch to the tools: what it rebuilds, and what compiling them again takes beside the first time.

use super::{Bench, Row};
use crate::catalog;
use crate::job::Job;
use crate::patches;
use crate::sources;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// The step that is compiled again, its source, and a file of it that every Xen has.
const STEP: &str = "tools";
const SOURCE: &str = "xen";
const FILE: &str = "tools/xl/xl.c";

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    bench.timed_build(&bench.ctx, &bench.ctx.root, &[])?;
    let cold = cost(bench)?;
    let checkout = checkout(bench)?;
    let job = Job::of(&bench.ctx, &checkout, &bench.job.recipe.stem())?;
    let before = bench.job.plan.steps.iter();
    let changed: Vec<&str> =
        before.zip(&job.plan.steps).filter(|(a, b)| a.key != b.key).map(|(a, _)| a.name.as_str()).collect();
    bench.timed_build(&bench.ctx, &checkout, &[])?;
    let warm = cost(bench)?;
    Ok(vec![
        Row {
            what: "a patch to the tools: steps rebuilt",
            measured: changed.join(" "),
            beside: format!("{} steps", job.plan.steps.len()),
            ratio: None,
            bound: "tools",
        },
        Row {
            what: "the tools compiled again, CPU",
            measured: format!("{warm:.1} s"),
            beside: format!("{cold:.1} s"),
            ratio: Some(warm / cold),
            bound: "≤ 0.35",
        },
    ])
}

/// CPU seconds that the step took last.
fn cost(bench: &Bench) -> Result<f64> {
    let ms =
        bench.ctx.store.last_cost(STEP).with_context(|| format!("the store does not know what step {STEP} took"))?;
    Ok(ms as f64 / 1000.0)
}

/// A checkout with one patch more: a comment on top of a file.
fn checkout(bench: &Bench) -> Result<PathBuf> {
    let checkout = bench.folder.join("checkout");
    catalog::copy(&bench.ctx.root, &bench.job.recipe, &checkout)?;
    let checked = sources::obtain(&bench.ctx, &bench.job.recipe)?;
    let patched = patches::apply(&bench.ctx, &checked[SOURCE], &bench.job.queues[SOURCE])?;
    let text = fs::read_to_string(patched.path().join(FILE))?;
    let queue = checkout.join("patches").join(bench.job.recipe.stem()).join(SOURCE);
    fs::create_dir_all(&queue)?;
    fs::write(queue.join("9901-bench.patch"), comment(FILE, &text))?;
    Ok(checkout)
}

/// A patch that puts a comment before the first line of a file.
fn comment(file: &str, text: &str) -> String {
    let context: String = text.split_inclusive('\n').take(3).map(|line| format!(" {line}")).collect();
    let count = context.lines().count();
    let name = Path::new(file).display();
    format!("--- a/{name}\n+++ b/{name}\n@@ -1,{count} +1,{} @@\n+/* One line more. */\n{context}", count + 1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_patch_can_be_read() {
        let patch = super::comment("a/b.c", "one\ntwo\nthree\nfour\n");
        assert!(patch.ends_with("@@ -1,3 +1,4 @@\n+/* One line more. */\n one\n two\n three\n"), "{patch}");
        assert_eq!(crate::patches::diff::read(patch.as_bytes()).unwrap().touches(), ["a/b.c"]);
    }
}
