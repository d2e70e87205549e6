//! A cross toolchain by itself: its base and the parts of its sysroot, made where they are missing, and a sandbox with both for a
//! person to work in.

use super::{Inputs, build, look_up, shell, sysroot};
use crate::context::Context;
use crate::plan::Plan;
use crate::recipe::Cross;
use crate::sandbox::{self, Sandbox};
use crate::store::Stored;
use crate::toolkit;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitStatus;

/// What a cross toolchain is made of, in the store.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The locked root.
    pub base: Stored,
    /// Outputs of the steps of the sysroot, by step.
    pub parts: BTreeMap<String, Stored>,
}

impl Tools {
    /// Puts the sysroot together in `into`, on the store's file system: its files are the store's own, and not to be written to.
    pub fn sysroot(&self, into: &Path) -> Result<()> {
        sysroot::merge(&self.parts, into)
    }
}

/// Builds what is missing of a cross toolchain.
pub fn tools(ctx: &Context, plan: &Plan, cross: &Cross, inputs: &Inputs) -> Result<Tools> {
    let plan = shell::needed(plan, cross.sysroot.iter().map(String::as_str));
    build(ctx, &plan, inputs)?;
    let (mut outputs, _) = look_up(ctx, &plan)?;
    outputs.retain(|name, _| cross.sysroot.contains(name));
    let base = (inputs.root)(&cross.base)?;
    for stored in outputs.values().chain([&base]) {
        ctx.store.check(stored)?;
    }
    Ok(Tools { base, parts: outputs })
}

/// Enters a sandbox with a cross toolchain, called `name`: the sysroot is at `/sysroot`, its tools are first in PATH and named by the
/// usual variables, `/build` is `folder` or an empty one that goes away. Runs `command`, or a shell where it is empty.
pub fn enter(
    ctx: &Context,
    name: &str,
    tools: &Tools,
    folder: Option<&Path>,
    command: &[String],
) -> Result<ExitStatus> {
    let work = ctx.store.work("shell")?;
    let at = |name: &str| work.path().join(name);
    tools.sysroot(&at("sysroot"))?;
    fs_err::create_dir(at("build"))?;
    let mut env: BTreeMap<String, String> = toolkit::variables(&at("sysroot"), sandbox::SYSROOT)?.into_iter().collect();
    env.insert("PATH".to_owned(), format!("{}/bin:{}", sandbox::SYSROOT, sandbox::PATH));
    let mut sandbox = Sandbox {
        writable: vec![(folder.map_or_else(|| at("build"), Path::to_owned), sandbox::BUILD.to_owned())],
        readonly: vec![(at("sysroot"), sandbox::SYSROOT.to_owned())],
        env,
        interactive: true,
        ..Sandbox::new(&tools.base.path, sandbox::BUILD)
    };
    let words = shell::dress(ctx, &mut sandbox, name);
    let asked: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut command = sandbox.command(ctx, if asked.is_empty() { words } else { &asked })?;
    if asked.is_empty() {
        let state = if folder.is_some() { "the folder that you named" } else { "empty; it goes away with this shell" };
        ctx.report.note(&format!("toolchain {name}: /sysroot is its sysroot, /build is {state}"));
    }
    command.status().with_context(|| format!("starting the sandbox of toolchain {name}"))
}
