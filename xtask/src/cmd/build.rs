//! `build`: from a recipe to artifacts in `--out`, through every stage. What the store has is not made again.

use crate::builder::{self, Inputs, Staged};
use crate::catalog;
use crate::cli;
use crate::context::Context;
use crate::job::Job;
use crate::report::Report;
use crate::shipment::{self, Shipped};
use crate::usage::Usage;
use crate::{patches, rootfs, sources};
use anyhow::Result;
use serde_json::json;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

pub fn run(args: &cli::Build, report: &Report) -> Result<()> {
    let ctx = Context::open(report, &args.common.place, &args.common.net, &args.work)?;
    let mut job = Job::new(&ctx, &args.recipe.wanted)?;
    args.packing.overrule(&mut job.recipe)?;
    let stem = job.recipe.stem();
    if let Some(warning) = catalog::warning(&job.recipe, &catalog::today()?) {
        report.warn(&warning);
    }
    let out = out(&ctx.root, args.out.out.as_deref(), &stem)?;
    let fresh = build(&ctx, &job, &out)?;
    let state = if fresh { "built" } else { "up to date" };
    let usage = Usage::now()?;
    report.result(
        &format!("{stem} is {state}: {}", shown(&out).display()),
        json!({
            "recipe": stem,
            "out": out,
            "state": state,
            "cpu-seconds": { "builder": usage.own, "steps": usage.children },
            "peak-memory-bytes": usage.peak_memory,
        }),
    );
    Ok(())
}

/// Where the artifacts of a recipe are, absolute.
pub fn out(checkout: &Path, wanted: Option<&Path>, stem: &str) -> Result<PathBuf> {
    Ok(match wanted {
        Some(out) => std::path::absolute(out)?,
        None => checkout.join("target").join("dist").join(stem),
    })
}

/// Makes `out` hold the artifacts of a job; false when it held them before.
pub fn build(ctx: &Context, job: &Job, out: &Path) -> Result<bool> {
    if let Some(shipped) = shipment::find(ctx, &shipment::key(job))?
        && shipped.is_at(out)?
    {
        return Ok(false);
    }
    shipped(ctx, job)?.install(out)?;
    Ok(true)
}

/// The artifacts of a job in the store, made when they are not there.
pub fn shipped(ctx: &Context, job: &Job) -> Result<Shipped> {
    let key = shipment::key(job);
    if let Some(shipped) = shipment::find(ctx, &key)? {
        return Ok(shipped);
    }
    let staged = stage(ctx, job)?;
    shipment::ship(ctx, job, &key, &staged, &shipment::roots(ctx, job)?)
}

/// The outputs of a job's steps.
pub fn stage(ctx: &Context, job: &Job) -> Result<Staged> {
    with_inputs(ctx, job, |inputs| builder::build(ctx, &job.plan, inputs))
}

/// Calls `with` with the inputs of a job: sources and toolchain, brought once they are asked for.
pub fn with_inputs<T>(ctx: &Context, job: &Job, with: impl FnOnce(&Inputs) -> Result<T>) -> Result<T> {
    let checked = OnceCell::new();
    let source = |name: &str| {
        if checked.get().is_none() {
            let obtained = sources::obtain(ctx, &job.recipe);
            let _ = checked.set(obtained.map_err(|error| suggest(ctx, job, error))?);
        }
        patches::apply(ctx, &checked.get().expect("just set")[name], &job.queues[name])
    };
    let root = |name: &str| rootfs::obtain(ctx, &job.toolchains[name]);
    with(&Inputs { source: &source, root: &root })
}

fn suggest(ctx: &Context, job: &Job, error: anyhow::Error) -> anyhow::Error {
    sources::suggest(ctx, error, || catalog::others(&ctx.root, &job.recipe))
}

/// Relative to the current folder where that is shorter to read.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).to_owned()
}
