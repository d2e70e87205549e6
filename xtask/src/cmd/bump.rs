//! `bump`: a new upstream version as a new recipe with its queues, and what a reviewer must look at.

use crate::bump::{self, Bump, review};
use crate::cli;
use crate::context::Context;
use crate::fault::Fault;
use crate::report::Report;
use anyhow::Result;

pub fn run(args: &cli::patch::Bump, report: &Report) -> Result<()> {
    let ctx = Context::of(report, &args.common)?;
    let bump = bump::prepare(&ctx, &args.recipe.wanted, &args.version)?;
    let written = if args.dry_run { Vec::new() } else { bump.write(&ctx.root)? };
    let text = review::text(&bump) + &ending(&bump, &written);
    report.result(&text, review::value(&bump, &written));
    match bump.conflict() {
        None => Ok(()),
        Some((source, step)) => Err(Fault::failed(format!(
            "patches/{}/{source}/{}: does not fit {}, so no queue was written",
            bump.old.stem(),
            step.file,
            bump.new.stem()
        ))
        .cure(way_on(&bump, !ctx.net.mirrors.is_empty(), args.dry_run))
        .into()),
    }
}

/// What was written, and the commands that come next.
fn ending(bump: &Bump, written: &[String]) -> String {
    if written.is_empty() {
        return "\n\nnothing was written, as you said".to_owned();
    }
    let mut text = format!("\n\nwritten:\n  {}", written.join("\n  "));
    if bump.conflict().is_none() {
        let stem = bump.new.stem();
        text += &format!(
            "\n\nnext:\n  cargo xtask build {stem}\n  UPDATE_EXPECT=1 cargo test    writes tests/golden/{stem}/plan.txt: read it"
        );
    }
    text
}

fn way_on(bump: &Bump, mirrored: bool, dry_run: bool) -> String {
    let mirrors = if mirrored { " with the same --mirror" } else { "" };
    let rebase = format!("`cargo xtask patch rebase {} --onto {}`{mirrors}", bump.old.stem(), bump.new.stem());
    match dry_run {
        true => format!("bump without --dry-run, which writes the recipe alone; then {rebase} carries the queues"),
        false => format!("the recipe is there without its queues; {rebase} carries them and stops at the conflict"),
    }
}
