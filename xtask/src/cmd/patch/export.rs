//! `patch export`: a queue as a quilt directory, with Debian's headers, or as mails for `git am`. The queue stays as it is.

use crate::catalog;
use crate::cli::patch as cli;
use crate::context::Context;
use crate::patches::{export, packed};
use crate::report::Report;
use anyhow::Result;
use serde_json::json;

pub fn run(args: &cli::Export, report: &Report) -> Result<()> {
    let ctx = Context::of(report, &args.common)?;
    let recipe = catalog::find(&ctx.root, &args.recipe.wanted)?;
    let queue = super::queue(&ctx, &recipe, &args.source)?;
    export::export(&queue, args.format, &args.to)?;
    let count = queue.patches.len();
    let patches = if count == 1 { "1 patch".to_owned() } else { format!("{count} patches") };
    let to = args.to.display();
    report.result(
        &format!("{}: {patches} written to {to}", packed::place(&recipe, &args.source)),
        json!({ "recipe": recipe.stem(), "source": args.source, "patches": count, "to": args.to }),
    );
    Ok(())
}
