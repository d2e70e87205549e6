//! Walks the plan: reuses what the store has, runs the rest side by side under one jobserver, and yields the staged outputs.
//!
//! A step sees its filtered, patched source at `/build` (writable, every time at the epoch), an empty `/out` that becomes
//! its output, what it needs at `/in/<step>`, its sysroot at `/sysroot`, its script at `/in/.script` and, if it configures a kernel, the wanted
//! options at `/in/.kconfig`. What the script itself does is no concern of this module.

mod ccache;
mod cross;
mod failure;
mod hand;
mod kconfig;
mod pool;
mod schedule;
mod shell;
mod step;
mod sysroot;

pub use cross::{Tools, enter, tools};
pub use hand::by_hand;
pub use shell::shell;

use crate::context::Context;
use crate::patches::Patched;
use crate::plan::Plan;
use crate::store::Stored;
use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The output of every step of one recipe. Only this module makes one.
#[derive(Clone, Debug)]
pub struct Staged {
    outputs: BTreeMap<String, Stored>,
}

impl Staged {
    /// Step name to its output tree in the store.
    pub fn outputs(&self) -> &BTreeMap<String, Stored> {
        &self.outputs
    }
}

/// Where the builder gets what a step needs that is not in the store. Nothing is asked for when no step has to run.
pub struct Inputs<'a> {
    /// The source of this name with its queue applied.
    pub source: &'a dyn Fn(&str) -> Result<Patched>,
    /// The root of the toolchain of this name.
    pub root: &'a dyn Fn(&str) -> Result<Stored>,
}

/// What the steps that have to run are made of.
struct Materials {
    /// Roots of toolchains by name.
    roots: BTreeMap<String, Stored>,
    /// Patched sources by name.
    sources: BTreeMap<String, PathBuf>,
}

/// Builds every step of the plan.
pub fn build(ctx: &Context, plan: &Plan, inputs: &Inputs) -> Result<Staged> {
    let (mut outputs, missing) = look_up(ctx, plan)?;
    if !missing.is_empty() {
        let materials = gather(ctx, plan, &missing, &outputs, inputs)?;
        pool::run(ctx, plan, &missing, &mut outputs, &materials)?;
    }
    Ok(Staged { outputs })
}

/// The outputs that the store has, and the names of the steps that have to run.
fn look_up(ctx: &Context, plan: &Plan) -> Result<(BTreeMap<String, Stored>, BTreeSet<String>)> {
    let (mut outputs, mut missing) = (BTreeMap::new(), BTreeSet::new());
    for planned in &plan.steps {
        match ctx.store.tree(&planned.key)? {
            Some(stored) => drop(outputs.insert(planned.name.clone(), stored)),
            None => drop(missing.insert(planned.name.clone())),
        }
    }
    Ok((outputs, missing))
}

/// Fetches what the missing steps are made of, and checks what flows into them from the store.
fn gather(
    ctx: &Context,
    plan: &Plan,
    missing: &BTreeSet<String>,
    outputs: &BTreeMap<String, Stored>,
    inputs: &Inputs,
) -> Result<Materials> {
    let mut sources = BTreeMap::new();
    let mut needs = BTreeSet::new();
    for planned in plan.steps.iter().filter(|planned| missing.contains(&planned.name)) {
        let name = &planned.step.source;
        if !sources.contains_key(name) {
            let patched = (inputs.source)(name).with_context(|| format!("preparing source {name}"))?;
            sources.insert(name.clone(), patched.path().to_owned());
        }
        needs.extend(planned.step.inputs());
    }
    for (_, stored) in outputs.iter().filter(|(name, _)| needs.contains(name)) {
        ctx.store.check(stored)?;
    }
    let mut roots = BTreeMap::new();
    for planned in plan.steps.iter().filter(|planned| missing.contains(&planned.name)) {
        if !roots.contains_key(&planned.toolchain) {
            let root = (inputs.root)(&planned.toolchain)?;
            ctx.store.check(&root)?;
            roots.insert(planned.toolchain.clone(), root);
        }
    }
    Ok(Materials { roots, sources })
}
