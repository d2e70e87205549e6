//! A recipe chosen and planned: everything that decides what building it means, read from the checkout. Nothing is fetched but a
//! source that holds a patch queue, since patches are part of what a step is.

use crate::catalog;
use crate::context::Context;
use crate::digest::Hash;
use crate::patches::Queue;
use crate::plan::Plan;
use crate::recipe::Recipe;
use crate::toolchain::Toolchain;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;

pub struct Job {
    pub recipe: Recipe,
    /// Of the recipe's file.
    pub file: Hash,
    pub toolchain: Toolchain,
    /// Patch queues by source.
    pub queues: BTreeMap<String, Queue>,
    pub plan: Plan,
}

impl Job {
    /// `wanted` is a recipe or the beginning of its name.
    pub fn new(ctx: &Context, wanted: &str) -> Result<Job> {
        Job::of(ctx, &ctx.root, wanted)
    }

    /// The same in another checkout.
    pub fn of(ctx: &Context, checkout: &Path, wanted: &str) -> Result<Job> {
        let recipe = catalog::find(checkout, wanted)?;
        let file = Hash::of(&fs_err::read(checkout.join("recipes").join(format!("{}.toml", recipe.stem())))?);
        let toolchain = Toolchain::load(checkout, &recipe.toolchain)?;
        let queues = Queue::obtain_all(ctx, checkout, &recipe)?;
        let plan = Plan::new(&recipe, &queues, &toolchain.key())?;
        Ok(Job { recipe, file, toolchain, queues, plan })
    }
}
