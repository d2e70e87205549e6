//! `patch edit`: a queue as commits in a work tree of its user.

use crate::catalog;
use crate::cli::patch as cli;
use crate::context::{self, Context};
use crate::patches::{Queue, packed, worktree};
use crate::recipe::Recipe;
use crate::report::Report;
use crate::sources::{self, Checked};
use anyhow::Result;
use serde_json::json;
use std::path::{Path, PathBuf};

pub fn run(args: &cli::Edit, report: &Report) -> Result<()> {
    let recipe = catalog::find(&context::checkout()?, &args.recipe.wanted)?;
    let ctx = Context::of(report, &args.common)?;
    let (source, queue) = opened(&ctx, &recipe, &args.source)?;
    let work = folder(&ctx, &recipe, &args.source, args.work.as_deref())?;
    let head = worktree::make(&work, &source, &queue)?;
    let (stem, name, shown) = (recipe.stem(), &args.source, shown(&ctx, &work));
    let count = match queue.patches.len() {
        0 => "no patch yet".to_owned(),
        1 => "1 patch as a commit".to_owned(),
        count => format!("{count} patches as commits"),
    };
    let named = args.work.as_ref().map(|_| format!(" --work {shown}")).unwrap_or_default();
    let text = format!(
        "{shown}: source {name} of {stem}, {count} above the tag `base`\n\n\
         Work on them with git, such as\n  cd {shown}\n  git rebase -i base\n\n\
         and write them back with\n  cargo xtask patch refresh {stem} {name}{named}"
    );
    let value = json!({
        "recipe": stem, "source": name, "work": work, "head": head.to_string(), "patches": queue.patches.len(),
    });
    report.result(&text, value);
    Ok(())
}

/// A source of the recipe, and its queue, which must be the recipe's own.
pub fn opened(ctx: &Context, recipe: &Recipe, name: &str) -> Result<(Checked, Queue)> {
    packed::check_own(recipe, name)?;
    let queue = super::queue(ctx, recipe, name)?;
    let checked = sources::one(ctx, name, &recipe.source[name])
        .map_err(|error| sources::suggest(ctx, error, || catalog::others(&ctx.root, recipe)))?;
    Ok((checked, queue))
}

/// The work tree's folder, absolute.
pub fn folder(ctx: &Context, recipe: &Recipe, source: &str, given: Option<&Path>) -> Result<PathBuf> {
    match given {
        Some(given) => Ok(std::path::absolute(given)?),
        None => Ok(ctx.root.join("target/edit").join(recipe.stem()).join(source)),
    }
}

/// As short as it can be typed from the checkout.
fn shown(ctx: &Context, work: &Path) -> String {
    work.strip_prefix(&ctx.root).unwrap_or(work).display().to_string()
}
