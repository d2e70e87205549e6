//! `fetch`: brings into the store all that a build of a recipe needs, and what it is compared with, so that both can be offline.

use crate::boot::{self, cases};
use crate::cli;
use crate::context::{self, Context};
use crate::recipe::Recipe;
use crate::report::Report;
use crate::toolchain::Toolchain;
use crate::{catalog, published, rootfs, sandbox, sources};
use anyhow::Result;
use serde_json::json;
use std::collections::BTreeSet;

pub fn run(args: &cli::Fetch, report: &Report) -> Result<()> {
    let recipe = catalog::find(&context::checkout()?, &args.recipe.wanted)?;
    let ctx = Context::of(report, &args.common)?;
    let mut toolchains: BTreeSet<String> = recipe.toolchains().into_iter().map(str::to_owned).collect();
    let sources = bring(&ctx, &recipe)?;
    if args.boot {
        toolchains.extend(boot::TOOLCHAINS.map(str::to_owned));
        for wanted in cases::all(&ctx.root)?.iter().flat_map(|case| &case.with).collect::<BTreeSet<_>>() {
            let other = catalog::find(&ctx.root, wanted)?;
            // One machine has one Xen of a series.
            if other.series != recipe.series {
                toolchains.extend(other.toolchains().into_iter().map(str::to_owned));
                bring(&ctx, &other)?;
            }
        }
    }
    for name in &toolchains {
        rootfs::obtain(&ctx, &Toolchain::load(&ctx.root, name)?)?;
    }
    published::bring(&ctx, &recipe)?;
    sandbox::bubblewrap(&ctx)?;
    let stem = recipe.stem();
    let what = if args.boot { "built and booted" } else { "built" };
    let text = format!("{stem} can be {what} with --offline");
    report.result(&text, json!({ "recipe": stem, "toolchains": toolchains, "sources": sources }));
    Ok(())
}

/// Brings a recipe's sources and gives their names.
fn bring(ctx: &Context, recipe: &Recipe) -> Result<Vec<String>> {
    let sources = sources::obtain(ctx, recipe)
        .map_err(|error| sources::suggest(ctx, error, || catalog::others(&ctx.root, recipe)))?;
    Ok(sources.into_keys().collect())
}
