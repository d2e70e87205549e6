//! `fetch`: brings into the store all that a build of a recipe needs, and what it is compared with, so that both can be offline.

use crate::cli;
use crate::context::{self, Context};
use crate::report::Report;
use crate::toolchain::Toolchain;
use crate::{catalog, published, rootfs, sandbox, sources};
use anyhow::Result;
use serde_json::json;

pub fn run(args: &cli::Fetch, report: &Report) -> Result<()> {
    let recipe = catalog::find(&context::checkout()?, &args.recipe.wanted)?;
    let ctx = Context::of(report, &args.common)?;
    let sources = sources::obtain(&ctx, &recipe)
        .map_err(|error| sources::suggest(&ctx, error, || catalog::others(&ctx.root, &recipe)))?;
    let toolchains = recipe.toolchains();
    for name in &toolchains {
        rootfs::obtain(&ctx, &Toolchain::load(&ctx.root, name)?)?;
    }
    published::bring(&ctx, &recipe)?;
    sandbox::bubblewrap(&ctx)?;
    let stem = recipe.stem();
    report.result(
        &format!("{stem} can be built with --offline"),
        json!({ "recipe": stem, "toolchains": toolchains, "sources": sources.keys().collect::<Vec<_>>() }),
    );
    Ok(())
}
