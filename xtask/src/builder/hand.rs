//! A plan's steps without what the builder adds: one after another, each with all jobs, compiled anew. What `bench` compares with.

use super::step::Job;
use super::{Inputs, gather, look_up};
use crate::context::Context;
use crate::fault::Fault;
use crate::interrupt;
use crate::plan::Plan;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs the steps in folders of `work`, again where they have run before, and returns how long the scripts took. Steps that a step
/// needs must be in the store.
pub fn by_hand(ctx: &Context, plan: &Plan, inputs: &Inputs, work: &Path) -> Result<Duration> {
    let all: BTreeSet<String> = plan.steps.iter().map(|planned| planned.name.clone()).collect();
    let (outputs, _) = look_up(ctx, plan)?;
    let materials = gather(ctx, plan, &all, &outputs, inputs)?;
    let mut total = Duration::ZERO;
    for planned in &plan.steps {
        interrupt::check()?;
        let job = Job { ctx, plan, planned, materials: &materials, inputs: outputs.clone() };
        let (folder, out) = (work.join(&planned.name), work.join(&planned.name).join("root"));
        if !out.exists() {
            fs::create_dir_all(&out)?;
            job.prepare(&folder)?;
        }
        let mut sandbox = job.sandbox(&folder, &out)?;
        sandbox.env.insert("MAKEFLAGS".to_owned(), format!("-j{}", ctx.jobs));
        let log = fs::File::create(folder.join("log"))?;
        let mut command = sandbox.command(ctx, &["/bin/sh", "-eu", super::step::SCRIPT])?;
        command.stdout(log.file().try_clone()?).stderr(log.into_parts().0);
        let start = Instant::now();
        let status = command.status().with_context(|| format!("starting step {} by hand", planned.name))?;
        total += start.elapsed();
        if !status.success() {
            let log = folder.join("log");
            return Err(Fault::failed(format!("step {} by hand: {status}, see {}", planned.name, log.display())).into());
        }
    }
    Ok(total)
}
