//! `patch`: the queues' verbs, one module each.

pub mod edit;
pub mod export;
pub mod import;
pub mod lint;
pub mod rebase;
pub mod refresh;
pub mod status;

use crate::cli::patch::{Patch, Verb};
use crate::context::Context;
use crate::fault::Fault;
use crate::patches::Queue;
use crate::recipe::{Recipe, quoted};
use crate::report::Report;
use crate::sources::{self, Checked};
use anyhow::Result;
use std::collections::BTreeMap;

pub fn run(args: &Patch, report: &Report) -> Result<()> {
    match &args.verb {
        Verb::Status(args) => status::run(args, report),
        Verb::Edit(args) => edit::run(args, report),
        Verb::Refresh(args) => refresh::run(args, report),
        Verb::Import(args) => import::run(args, report),
        Verb::Export(args) => export::run(args, report),
        Verb::Rebase(args) => rebase::run(args, report),
        Verb::Continue(args) => rebase::go_on(args, report),
        Verb::Skip(args) => rebase::skip(args, report),
        Verb::Abort(args) => rebase::abort(args, report),
        Verb::Lint(args) => lint::run(args, report),
    }
}

/// The queue of the source that the user named.
fn queue(mut queues: BTreeMap<String, Queue>, recipe: &Recipe, source: &str) -> Result<Queue> {
    queues.remove(source).ok_or_else(|| {
        let known = quoted(recipe.source.keys().map(String::as_str));
        Fault::usage(format!("recipe {} has no source `{source}`", recipe.stem()))
            .cure(format!("its sources are {known}"))
            .into()
    })
}

/// The one source that the user named, although other sources of the recipe may not be had.
fn obtain(ctx: &Context, recipe: &Recipe, source: &str) -> Result<Checked> {
    let mut only = recipe.clone();
    only.step.retain(|_, step| step.source == source);
    sources::obtain(ctx, &only)?.remove(source).ok_or_else(|| {
        Fault::usage(format!("no step of {} uses the source `{source}`", recipe.stem()))
            .cure("use it in a step of the recipe: patches to it would reach nothing")
            .into()
    })
}
