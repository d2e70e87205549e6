//! An interactive sandbox with a step's inputs and environment: the failed step's folder when there is one, else a fresh copy.

use super::step::Job;
use super::{Inputs, build, gather, look_up};
use crate::context::Context;
use crate::fault::Fault;
use crate::plan::{Plan, Planned};
use crate::sandbox::Sandbox;
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitStatus;

/// Enters the sandbox of a step, by default the first of the plan, and ends when its shell ends. Steps that it needs are
/// built first.
pub fn shell(ctx: &Context, plan: &Plan, step: Option<&str>, inputs: &Inputs) -> Result<ExitStatus> {
    let planned = find(plan, step)?;
    build(ctx, &needed(plan, planned.step.inputs().map(String::as_str)), inputs)?;
    let (outputs, _) = look_up(ctx, plan)?;
    let materials = gather(ctx, plan, &BTreeSet::from([planned.name.clone()]), &outputs, inputs)?;
    let job = Job { ctx, plan, planned, materials: &materials, inputs: outputs };

    // Held meanwhile, so that no build and no `gc` takes the folder away.
    let _lock = ctx.store.hold(&planned.key)?;
    let failed = ctx.store.failed(&planned.key);
    if failed.join("build").is_dir() {
        return enter(&job, &failed, "as the failed step left it; changes stay until the next build");
    }
    let work = ctx.store.work("shell")?;
    job.prepare(work.path())?;
    fs_err::create_dir(work.path().join("root"))?;
    enter(&job, work.path(), "fresh; it goes away with this shell")
}

fn find<'a>(plan: &'a Plan, step: Option<&str>) -> Result<&'a Planned> {
    let Some(step) = step else {
        return plan.steps.first().with_context(|| format!("{} has no steps", plan.recipe));
    };
    plan.steps.iter().find(|planned| planned.name == step).ok_or_else(|| {
        let names: Vec<&str> = plan.steps.iter().map(|planned| planned.name.as_str()).collect();
        Fault::usage(format!("{} has no step `{step}`", plan.recipe))
            .cure(format!("name one of: {}", names.join(", ")))
            .into()
    })
}

/// The part of a plan that some steps are and need.
pub(super) fn needed<'n>(plan: &'n Plan, names: impl Iterator<Item = &'n str>) -> Plan {
    let mut names: BTreeSet<&str> = names.collect();
    // Each step stands after those that it needs.
    for other in plan.steps.iter().rev() {
        if names.contains(other.name.as_str()) {
            names.extend(other.step.inputs().map(String::as_str));
        }
    }
    let steps = plan.steps.iter().filter(|planned| names.contains(planned.name.as_str())).cloned().collect();
    Plan { recipe: plan.recipe.clone(), steps }
}

fn enter(job: &Job, folder: &Path, state: &str) -> Result<ExitStatus> {
    let ctx = job.ctx;
    let name = &job.planned.name;
    let mut sandbox = job.sandbox(folder, &folder.join("root"))?;
    sandbox.env.insert("OUT".to_owned(), "/out".to_owned());
    let words = dress(ctx, &mut sandbox, &format!("{}/{name}", job.plan.recipe));
    let mut command = sandbox.command(ctx, words)?;
    ctx.report.note(&format!(
        "step {name} of {}: /build is {state}, $OUT is /out, what it needs is in /in\nrun its script with: sh -eux /in/.script",
        job.plan.recipe
    ));
    command.status().with_context(|| format!("starting the sandbox of step {name}"))
}

/// Makes a sandbox one for a person, and gives the words that start a shell in it.
pub(super) fn dress(ctx: &Context, sandbox: &mut Sandbox, name: &str) -> &'static [&'static str] {
    sandbox.interactive = true;
    let bash = sandbox.root.join("usr/bin/bash").exists();
    // dash knows no escapes in its prompt.
    let prompt = if bash { format!("{name}:\\w\\$ ") } else { format!("{name}$ ") };
    sandbox.env.insert("PS1".to_owned(), prompt);
    sandbox.env.insert("MAKEFLAGS".to_owned(), format!("-j{}", ctx.jobs));
    if let Ok(terminal) = std::env::var("TERM") {
        sandbox.env.insert("TERM".to_owned(), terminal);
    }
    if bash { &["/bin/bash", "--norc", "--noprofile", "-i"] } else { &["/bin/sh", "-i"] }
}
