//! `plan`: a recipe's steps with their keys, and whether the store has their results.

use crate::cli;
use crate::context::Context;
use crate::job::Job;
use crate::report::Report;
use crate::table::table;
use anyhow::Result;
use serde_json::json;

pub fn run(args: &cli::Plan, report: &Report) -> Result<()> {
    let ctx = Context::of(report, &args.common)?;
    let job = Job::new(&ctx, &args.recipe.wanted)?;
    let mut rows = vec![["STEP", "KEY", "STATE", "NEEDS"].map(str::to_owned)];
    let mut steps = Vec::new();
    for planned in &job.plan.steps {
        let cached = ctx.store.tree(&planned.key)?.is_some();
        let state = if cached { "cached" } else { "to build" };
        rows.push([
            planned.name.clone(),
            planned.key.short().to_owned(),
            state.to_owned(),
            planned.step.needs.join(" "),
        ]);
        steps.push(json!({
            "step": planned.name,
            "key": planned.key,
            "cached": cached,
            "needs": planned.step.needs,
            "source": planned.step.source,
        }));
    }
    let text = format!("{}, toolchain {}\n{}", job.recipe.stem(), job.toolchain.key().short(), table(&rows));
    report.result(&text, json!({ "recipe": job.recipe.stem(), "toolchain": job.toolchain.key(), "steps": steps }));
    Ok(())
}
