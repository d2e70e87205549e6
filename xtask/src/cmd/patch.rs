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
use crate::recipe::Recipe;
use crate::report::Report;
use anyhow::Result;

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
fn queue(ctx: &Context, recipe: &Recipe, source: &str) -> Result<Queue> {
    Queue::obtain_all(ctx, &ctx.root, recipe)?.remove(source).ok_or_else(|| {
        let known = recipe.source.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        Fault::usage(format!("recipe {} has no source `{source}`", recipe.stem()))
            .cure(format!("its sources are: {known}"))
            .into()
    })
}
