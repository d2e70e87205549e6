//! `shell`: the sandbox of a step, with its inputs and environment, or one with a cross toolchain, for a person to look around and try.

use super::build;
use super::toolchain;
use crate::builder;
use crate::catalog;
use crate::cli;
use crate::context::Context;
use crate::fault::Fault;
use crate::job::Job;
use crate::report::Report;
use anyhow::Result;

pub fn run(args: &cli::Shell, report: &Report) -> Result<()> {
    let ctx = Context::open(report, &args.common.place, &args.common.net, &args.work)?;
    let recipe = catalog::find(&ctx.root, &args.recipe.wanted)?;
    if let Some(name) = &args.toolchain {
        toolchain::cross(&recipe, name)?;
    }
    let folder = args.dir.as_ref().map(|dir| {
        let found = fs_err::canonicalize(dir).ok().filter(|dir| dir.is_dir());
        found.ok_or_else(|| Fault::usage(format!("--dir {}: no such folder", dir.display())))
    });
    let folder = folder.transpose()?;
    let job = Job::with(&ctx, &ctx.root, recipe)?;
    let Some(name) = &args.toolchain else {
        // How the shell ended says how its last command went, which the user has seen.
        return build::with_inputs(&ctx, &job, |inputs| {
            builder::shell(&ctx, &job.plan, args.step.as_deref(), inputs).map(drop)
        });
    };
    let cross = toolchain::cross(&job.recipe, name)?;
    let tools = build::with_inputs(&ctx, &job, |inputs| builder::tools(&ctx, &job.plan, cross, inputs))?;
    let status = builder::enter(&ctx, name, &tools, folder.as_deref(), &args.command)?;
    if !args.command.is_empty() && !status.success() {
        return Err(Fault::failed(format!("`{}` with toolchain {name}: {status}", args.command.join(" "))).into());
    }
    Ok(())
}
