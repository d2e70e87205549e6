//! `toolchain`: locks the packages of a toolchain, checks a lock, and makes a recipe's cross toolchain usable on this machine.

use super::build;
use crate::builder;
use crate::catalog;
use crate::cli::toolchain::{Toolchain, ToolchainArgs, ToolchainEnv, ToolchainVerb};
use crate::context::Context;
use crate::debian::lock;
use crate::fault::Fault;
use crate::job::Job;
use crate::recipe::{Cross, Recipe, nearest, quoted};
use crate::report::Report;
use crate::toolchain::Deb;
use crate::toolkit::{self, Toolkit};
use anyhow::Result;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub fn run(args: &Toolchain, report: &Report) -> Result<()> {
    let (verb, args, debs) = match &args.verb {
        ToolchainVerb::Lock(args) => ("locked", args, lock::make(&open(args, report)?, &args.name)?.debs),
        ToolchainVerb::Verify(args) => ("verified", args, lock::verify(&open(args, report)?, &args.name)?.debs),
        ToolchainVerb::Env(args) => return env(args, report),
    };
    let size: u64 = debs.iter().map(|Deb { size, .. }| size).sum();
    let text = format!("toolchain {} {verb}: {} packages, {} MiB", args.name, debs.len(), size >> 20);
    report.result(&text, json!({ "toolchain": args.name, "packages": debs.len(), "bytes": size }));
    Ok(())
}

fn open(args: &ToolchainArgs, report: &Report) -> Result<Context> {
    Context::of(report, &args.common)
}

/// Makes the wrappers of a cross toolchain below `target`, and prints what a shell exports.
fn env(args: &ToolchainEnv, report: &Report) -> Result<()> {
    let ctx = Context::open(report, &args.common.place, &args.common.net, &args.work)?;
    let recipe = match &args.recipe {
        Some(wanted) => catalog::find(&ctx.root, wanted)?,
        None => newest(&ctx.root, &args.name)?,
    };
    let (name, stem) = (&args.name, recipe.stem());
    cross(&recipe, name)?;
    let job = Job::with(&ctx, &ctx.root, recipe)?;
    let cross = cross(&job.recipe, name)?;
    let tools = build::with_inputs(&ctx, &job, |inputs| builder::tools(&ctx, &job.plan, cross, inputs))?;
    let folder = ctx.root.join("target/cross").join(&stem).join(name);
    let again = format!("cargo xtask toolchain env {name} {stem}");
    let Toolkit { bin, triplet, variables } = toolkit::install(&ctx, name, &tools, &folder, &again)?;
    let mut text = format!("# {name} of {stem}, for {triplet}; tools and sysroot are in {}\n", folder.display());
    text += &format!("# {triplet}-run COMMAND runs any program of the toolchain: make, meson, cmake, ninja…\n");
    text += &format!("export PATH={}:\"$PATH\"", toolkit::quoted(&bin));
    for (variable, value) in &variables {
        text += &format!("\nexport {variable}={}", toolkit::quoted(value));
    }
    let environment: BTreeMap<_, _> = variables.into_iter().collect();
    report.result(
        &text,
        json!({
            "toolchain": name,
            "recipe": stem,
            "triplet": triplet,
            "folder": folder,
            "path": bin,
            "environment": environment,
        }),
    );
    Ok(())
}

/// A recipe's cross toolchain of a name.
pub fn cross<'r>(recipe: &'r Recipe, name: &str) -> Result<&'r Cross> {
    recipe.cross.get(name).ok_or_else(|| {
        let what = format!("{} has no cross toolchain `{name}`", recipe.stem());
        Fault::usage(what).cure(known(name, recipe.cross.keys().map(String::as_str))).into()
    })
}

/// The recipe of the highest version that has a cross toolchain of a name. A recipe with mistakes has none.
fn newest(root: &Path, name: &str) -> Result<Recipe> {
    let recipes = catalog::all(root)?.into_iter().filter_map(|entry| catalog::load(root, &entry).ok());
    let with: Vec<Recipe> = recipes.filter(|recipe| !recipe.cross.is_empty()).collect();
    let names: BTreeSet<String> = with.iter().flat_map(|recipe| recipe.cross.keys().cloned()).collect();
    let having = with.into_iter().filter(|recipe| recipe.cross.contains_key(name));
    having.max_by(|one, other| one.version.cmp(&other.version)).ok_or_else(|| {
        let what = format!("no recipe has a cross toolchain `{name}`");
        Fault::usage(what).cure(known(name, names.iter().map(String::as_str))).into()
    })
}

/// What to say about a name that is none of these.
fn known<'n>(name: &str, names: impl Iterator<Item = &'n str> + Clone) -> String {
    let near = nearest(name, names.clone()).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    match names.clone().count() {
        0 => "a cross toolchain is `[cross.<name>]` in a recipe".to_owned(),
        _ => format!("{near}the cross toolchains are {}", quoted(names)),
    }
}
