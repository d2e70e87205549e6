//! The last stages as one action of the store: staged outputs are relocated, audited, packed and given their papers, under a key
//! that is known before anything was built.
//!
//! A tree that the audit refuses is an error and never reaches `--out`; it is kept in the store's `failed` folder for a look.

use crate::audit::{self, Facts, Offer, RULES, Verdict};
use crate::builder::Staged;
use crate::context::Context;
use crate::digest::{Key, KeyBuilder};
use crate::fault::Fault;
use crate::inspection;
use crate::job::Job;
use crate::package::{self, Goods, install};
use crate::papers::{self, attribution::Attribution};
use crate::recipe::Recipe;
use crate::relocate::{self, Relocated};
use crate::rootfs;
use crate::store::{Begin, Making, Stored};
use anyhow::{Result, anyhow};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The root of each toolchain that something shipped was made in, by the toolchain's name.
pub type Roots = BTreeMap<String, PathBuf>;

/// The roots of a job: the recipe's own toolchain, and those of steps that are shipped.
pub fn roots(ctx: &Context, job: &Job) -> Result<Roots> {
    let steps = job.recipe.step.values().filter(|step| !step.intermediate);
    let names = steps.map(|step| job.recipe.toolchain_of(step)).chain([job.recipe.toolchain.as_str()]);
    let names: BTreeSet<&str> = names.collect();
    let obtain = |name: &str| Ok((name.to_owned(), rootfs::obtain(ctx, &job.toolchains[name])?.path));
    names.into_iter().map(obtain).collect()
}

/// Raised whenever relocation, audit or packing give another result for the same input.
const VERSION: &str = "shipment/9";

/// Audited artifacts in the store. Only this module makes one.
#[derive(Clone, Debug)]
pub struct Shipped {
    stored: Stored,
}

impl Shipped {
    /// The folder of the artifacts, read-only.
    pub fn path(&self) -> &Path {
        &self.stored.path
    }

    /// True when `out` holds exactly these artifacts.
    pub fn is_at(&self, out: &Path) -> Result<bool> {
        install::holds(out, self.path())
    }

    /// Makes `out` hold exactly these artifacts.
    pub fn install(&self, out: &Path) -> Result<()> {
        install::install(self.path(), out)
    }
}

/// The name of the result: everything that reaches it, from the plan's keys, the recipe's own tables and what the papers name.
pub fn key(job: &Job) -> Key {
    let recipe = &job.recipe;
    let mut key = KeyBuilder::new(VERSION)
        .field("plan", job.plan.key().as_str())
        .field("program", papers::VERSION)
        .field("recipe-file", job.file.as_str())
        .field("parts", format!("{:?}", job.parts))
        .field("toolchain", &recipe.toolchain)
        .field("toolchains", format!("{:?}", job.toolchains))
        .field("recipe", recipe.stem())
        .field("series", &recipe.series)
        .field("license", &recipe.license)
        .field("epoch", recipe.epoch.to_string())
        .field("formats", format!("{:?}", recipe.formats))
        .field("revision", recipe.revision.to_string())
        .field("maintainer", format!("{:?}", recipe.maintainer))
        .field("homepage", format!("{:?}", recipe.homepage))
        .field("architecture", recipe.architecture.gnu())
        // The derived form names every field, so that a new one makes a new key by itself.
        .field("provide", format!("{:?}", recipe.provide))
        .field("relocate", format!("{:?}", recipe.relocate))
        .field("audit", format!("{:?}", recipe.audit))
        .field("package", format!("{:?}", recipe.package))
        .field("own", relocate::own::digest().as_str())
        .field("bundle", package::bundle::digest().as_str());
    for rule in RULES {
        key = key.field("rule", rule.name);
    }
    for patch in job.queues.values().flat_map(|queue| &queue.patches) {
        key = key.field("patch", &patch.file).field("text", &patch.text);
    }
    key.finish()
}

/// The artifacts under this key, when they are there.
pub fn find(ctx: &Context, key: &Key) -> Result<Option<Shipped>> {
    Ok(ctx.store.tree(key)?.map(|stored| Shipped { stored }))
}

/// The artifacts under this key, made when they are not there. `roots` are those of [`roots`]: their libraries are what the
/// distribution offers.
pub fn ship(ctx: &Context, job: &Job, key: &Key, staged: &Staged, roots: &Roots) -> Result<Shipped> {
    let recipe = &job.recipe;
    let making = match ctx.store.begin(key, &format!("the artifacts of {}", recipe.stem()))? {
        Begin::Found(stored) => return Ok(Shipped { stored }),
        Begin::Make(making) => making,
    };
    let verdict = make(ctx, job, key, &making, staged, roots).map_err(|error| ctx.store.explain(error))?;
    if verdict.good() {
        return Ok(Shipped { stored: making.finish(None)? });
    }
    Err(refused(recipe, &verdict, making))
}

fn make(ctx: &Context, job: &Job, key: &Key, making: &Making, staged: &Staged, roots: &Roots) -> Result<Verdict> {
    let recipe = &job.recipe;
    let work = making.folder().join("tree");
    fs::create_dir(&work)?;
    let Inspected { tree, facts, verdict, .. } = inspect(ctx, recipe, staged, roots, &work)?;
    let bundles = papers::bundles::read(ctx, job)?;
    let linked = papers::linked::Linked::read(ctx, staged)?;
    let attribution = Attribution::new(job, &tree, &facts, &bundles, &linked)?;
    let goods = Goods {
        job,
        tree: &tree,
        facts: &facts,
        attribution: &attribution,
        roots,
        parcels: package::parcels(job, &tree)?,
        report: &ctx.report,
        jobs: ctx.jobs,
    };
    let mut packed = package::pack(&goods, &verdict.json(recipe, &facts), making.root())?;
    let subject = papers::Subject { job, key, attribution: &attribution, bundles: &bundles };
    papers::write(&subject, &mut packed, making.root())?;
    package::seal(&packed.artifacts, making.root())?;
    Ok(verdict)
}

/// A relocated tree, what was seen in it, what the distribution offers to it, and what the audit says of that.
pub struct Inspected {
    pub tree: Relocated,
    pub facts: Facts,
    pub offer: Offer,
    pub verdict: Verdict,
}

/// Makes the relocated tree in `work`, an empty folder, and audits it.
pub fn inspect(ctx: &Context, recipe: &Recipe, staged: &Staged, roots: &Roots, work: &Path) -> Result<Inspected> {
    let task = ctx.report.begin("relocate", &recipe.stem(), None);
    let tree = relocate::relocate(ctx, recipe, staged, work)?;
    task.done(&format!("{} paths", tree.manifest().entries.len()));

    let task = ctx.report.begin("audit", &recipe.stem(), None);
    let facts = inspection::facts(&tree, &places(ctx))?;
    let triplet = format!("{}-linux-gnu", recipe.architecture.gnu());
    let others = roots.iter().filter(|(name, _)| **name != recipe.toolchain);
    let roots = roots.get_key_value(&recipe.toolchain).into_iter().chain(others);
    let roots: Vec<&Path> = roots.map(|(_, root)| root.as_path()).collect();
    let offer = inspection::offer(&roots, &triplet, &recipe.relocate.outside)?;
    let verdict = audit::audit(recipe, &facts, &offer)?;
    task.done(&format!("{} findings, {} allowed", verdict.findings.len(), verdict.allowed.len()));
    Ok(Inspected { tree, facts, offer, verdict })
}

/// The folders that no file may mention: what a step sees, and where this machine has the store and the checkout. Those two cannot
/// be seen from a sandbox; a single component (`/src`) is left out, since texts mention such paths for reasons of their own.
fn places(ctx: &Context) -> Vec<String> {
    let sandbox = audit::SANDBOX.iter().map(|place| place.to_string());
    let here = [ctx.store.root(), &ctx.root].into_iter().filter_map(Path::to_str);
    sandbox.chain(here.filter(|place| place.matches('/').count() > 1).map(str::to_owned)).collect()
}

fn refused(recipe: &Recipe, verdict: &Verdict, making: Making) -> anyhow::Error {
    let count = verdict.findings.len();
    let found = if count == 1 { "1 finding".to_owned() } else { format!("{count} findings") };
    let what = format!("the audit of {} has {found}\n{}", recipe.stem(), verdict.text().trim_end());
    match making.keep_failed() {
        Ok(kept) => {
            let kept = kept.display();
            let cure = format!("look at {kept}/tree (the relocated tree) and {kept}/root/{}", package::AUDIT);
            Fault::failed(what).cure(cure).into()
        }
        Err(error) => anyhow!(what).context(error),
    }
}
