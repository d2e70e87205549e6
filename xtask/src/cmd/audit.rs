//! `audit`: all findings on a recipe's relocated tree, and on laying it over another recipe's. Steps that the store lacks are built.

use super::build;
use crate::audit::Finding;
use crate::audit::coinstall::{self, Side};
use crate::cli;
use crate::context::Context;
use crate::fault::Fault;
use crate::job::Job;
use crate::report::Report;
use crate::shipment::{self, Inspected};
use crate::store::Work;
use anyhow::Result;
use serde_json::{Value, json};

pub fn run(args: &cli::Audit, report: &Report) -> Result<()> {
    let ctx = Context::open(report, &args.common.place, &args.common.net, &args.work)?;
    let job = Job::new(&ctx, &args.recipe.wanted)?;
    let other = args.with.as_ref().map(|wanted| Job::new(&ctx, wanted)).transpose()?;
    let (inspected, _work) = inspect(&ctx, &job)?;
    let mut count = inspected.verdict.findings.len();
    let (mut text, mut value) = shown(&job, &inspected);
    if let Some(other) = other {
        let (beside, _work) = inspect(&ctx, &other)?;
        let mut findings =
            coinstall::check((&job.recipe, inspected.tree.manifest()), (&other.recipe, beside.tree.manifest()))?;
        findings.extend(coinstall::libraries(side(&job, &inspected), side(&other, &beside)));
        count += beside.verdict.findings.len() + findings.len();
        let (other_text, other_value) = shown(&other, &beside);
        text += &other_text;
        text += &together(&job, &other, &findings);
        value = json!({ "audits": [value, other_value], "co-installation": findings });
    }
    report.result(text.trim_end(), value);
    match count {
        0 => Ok(()),
        1 => Err(Fault::failed("the audit has 1 finding").into()),
        _ => Err(Fault::failed(format!("the audit has {count} findings")).into()),
    }
}

fn inspect(ctx: &Context, job: &Job) -> Result<(Inspected, Work)> {
    let staged = build::stage(ctx, job)?;
    let work = ctx.store.work("audit")?;
    let inspected = shipment::inspect(ctx, &job.recipe, &staged, &shipment::roots(ctx, job)?, work.path())?;
    Ok((inspected, work))
}

fn side<'a>(job: &'a Job, inspected: &'a Inspected) -> Side<'a> {
    Side { recipe: &job.recipe, facts: &inspected.facts, offer: &inspected.offer }
}

fn shown(job: &Job, inspected: &Inspected) -> (String, Value) {
    let stem = job.recipe.stem();
    let verdict = &inspected.verdict;
    let paths = inspected.tree.manifest().entries.len();
    let heading =
        format!("{stem}: {} findings in {paths} paths, {} allowed", verdict.findings.len(), verdict.allowed.len());
    let value = json!({ "recipe": stem, "findings": verdict.findings, "allowed": verdict.allowed });
    (format!("{heading}\n{}", verdict.text()), value)
}

fn together(job: &Job, other: &Job, findings: &[Finding]) -> String {
    let mut text = format!("{} and {}: {} conflicts\n", job.recipe.stem(), other.recipe.stem(), findings.len());
    for finding in findings {
        text.push_str(&format!("  {}: {}\n", finding.path, finding.message));
    }
    text
}
