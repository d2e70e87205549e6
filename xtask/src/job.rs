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
    /// Of the parts that it includes, by their files below the checkout.
    pub parts: BTreeMap<String, Hash>,
    pub toolchain: Toolchain,
    /// All toolchains that a step or the recipe names, by name.
    pub toolchains: BTreeMap<String, Toolchain>,
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
        Job::with(ctx, checkout, catalog::find(checkout, wanted)?)
    }

    /// The same for a recipe of the checkout that is loaded.
    pub fn with(ctx: &Context, checkout: &Path, recipe: Recipe) -> Result<Job> {
        let file = Hash::of(&fs_err::read(checkout.join("recipes").join(format!("{}.toml", recipe.stem())))?);
        let mut parts = BTreeMap::new();
        for name in &recipe.include {
            let part = format!("{}/{name}.toml", catalog::PARTS);
            let digest = Hash::of(&fs_err::read(checkout.join(&part))?);
            parts.insert(part, digest);
        }
        let mut toolchains = BTreeMap::new();
        for name in recipe.toolchains() {
            toolchains.insert(name.to_owned(), Toolchain::load(checkout, name)?);
        }
        let queues = Queue::obtain_all(ctx, checkout, &recipe)?;
        let plan = Plan::new(&recipe, &queues, &|name| toolchains[name].key())?;
        let toolchain = toolchains[&recipe.toolchain].clone();
        Ok(Job { recipe, file, parts, toolchain, toolchains, queues, plan })
    }
}
