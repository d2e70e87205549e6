//! `shell`: the sandbox of a step, with its inputs and environment, for a person to look around and try.

use super::build;
use crate::builder;
use crate::cli;
use crate::context::Context;
use crate::job::Job;
use crate::report::Report;
use anyhow::Result;

pub fn run(args: &cli::Shell, report: &Report) -> Result<()> {
    let ctx = Context::open(report, &args.common.place, &args.common.net, &args.work)?;
    let job = Job::new(&ctx, &args.recipe.wanted)?;
    // How the shell ended says how its last command went, which the user has seen.
    build::with_inputs(&ctx, &job, |inputs| builder::shell(&ctx, &job.plan, args.step.as_deref(), inputs)).map(drop)
}
