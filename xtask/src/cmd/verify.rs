//! `verify --published`: what a recipe builds beside what a distribution published of it, file by file, byte by byte.

use super::build;
use crate::catalog;
use crate::cli;
use crate::context::Context;
use crate::fault::Fault;
use crate::job::Job;
use crate::published::{self, Verdict};
use crate::recipe::Recipe;
use crate::relocate;
use crate::report::Report;
use anyhow::Result;
use fs_err as fs;
use serde_json::json;
use std::path::Path;

pub fn run(args: &cli::Verify, report: &Report) -> Result<()> {
    let ctx = Context::open(report, &args.common.place, &args.common.net, &args.work)?;
    let mut verdicts = Vec::new();
    for stem in chosen(&ctx.root, args.recipe.as_deref())? {
        verdicts.push(verify(&ctx, &stem)?);
    }
    let texts: Vec<String> = verdicts.iter().map(Verdict::text).collect();
    report.result(&texts.join("\n\n"), json!({ "recipes": verdicts }));
    let different: Vec<&str> =
        verdicts.iter().filter(|verdict| !verdict.identical).map(|verdict| verdict.recipe.as_str()).collect();
    if different.is_empty() {
        return Ok(());
    }
    Err(Fault::failed(format!("not what was published: {}", different.join(", "))).into())
}

/// The wanted recipe, or all that name something published.
fn chosen(checkout: &Path, wanted: Option<&str>) -> Result<Vec<String>> {
    let named = |recipe: &Recipe| !recipe.published.is_empty();
    let mut all = Vec::new();
    for entry in catalog::all(checkout)? {
        let recipe = catalog::load(checkout, &entry)?;
        all.extend(named(&recipe).then(|| recipe.stem()));
    }
    let known = if all.is_empty() { "no recipe does".to_owned() } else { format!("these do: {}", all.join(", ")) };
    let Some(wanted) = wanted else {
        if all.is_empty() {
            return Err(Fault::usage("no recipe names a published package").into());
        }
        return Ok(all);
    };
    let recipe = catalog::find(checkout, wanted)?;
    if !named(&recipe) {
        return Err(Fault::usage(format!("recipe {} names no published package", recipe.stem())).cure(known).into());
    }
    Ok(vec![recipe.stem()])
}

fn verify(ctx: &Context, stem: &str) -> Result<Verdict> {
    let job = Job::new(ctx, stem)?;
    // Before the build: whoever cannot have the packages should not learn it afterwards.
    let brought = published::bring(ctx, &job.recipe)?;
    let staged = build::stage(ctx, &job)?;
    let work = ctx.store.work("verify")?;
    let [tree, beside] = ["tree", "beside"].map(|name| work.path().join(name));
    fs::create_dir(&tree)?;
    fs::create_dir(&beside)?;
    let tree = relocate::relocate(ctx, &job.recipe, &staged, &tree)?;
    let task = ctx.report.begin("compare", stem, None);
    let verdict = published::compare(&job.recipe, &brought, &tree, &beside)?;
    task.done(&format!("{} files", verdict.files.len()));
    Ok(verdict)
}
