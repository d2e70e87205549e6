//! `patch refresh`: the commits of a work tree as the queue, or the queue without offsets against its source.

use super::edit;
use crate::catalog;
use crate::cli::patch as cli;
use crate::context::{self, Context};
use crate::fault::Fault;
use crate::patches::refresh::{self, Refreshed};
use crate::patches::{content, save, worktree};
use crate::report::Report;
use crate::table::table;
use anyhow::Result;
use serde_json::{Value, json};

pub fn run(args: &cli::Refresh, report: &Report) -> Result<()> {
    let recipe = catalog::find(&context::checkout()?, &args.recipe.wanted)?;
    let ctx = Context::of(report, &args.common)?;
    let (source, queue) = edit::opened(&ctx, &recipe, &args.source)?;
    let (stem, name) = (recipe.stem(), &args.source);
    let place = format!("patches/{stem}/{name}");

    let folder = edit::folder(&ctx, &recipe, name, args.work.as_deref())?;
    let work =
        (args.work.is_some() || folder.exists()).then(|| worktree::read(&folder, &source, &queue)).transpose()?;
    if let Some(work) = work.as_ref().filter(|work| !work.untracked.is_empty()) {
        report.warn(&format!("in no commit of {}: {}", folder.display(), work.untracked.join(", ")));
    }
    let refreshed = match &work {
        Some(work) => work.refreshed.clone(),
        None => refresh::against(&content::Folder(source.path().to_owned()), &queue)?,
    };
    if !args.check {
        save::save(&ctx.root.join(&place), &refreshed.files())?;
        work.iter().try_for_each(worktree::Work::written)?;
    }
    report.result(&text(&place, &refreshed), value(&place, &refreshed));
    if args.check && !refreshed.is_same() {
        return Err(Fault::failed(format!("{place} is not what a refresh makes of it"))
            .cure(format!("run `cargo xtask patch refresh {stem} {name}` and commit the change"))
            .into());
    }
    Ok(())
}

/// What is not as it was, and a count of what is.
fn text(place: &str, refreshed: &Refreshed) -> String {
    let changed = refreshed.patches.iter().filter_map(|fresh| Some([fresh.name.clone(), fresh.outcome()?]));
    let removed = refreshed.removed.iter().map(|name| [name.clone(), "removed".to_owned()]);
    let rows: Vec<[String; 2]> = changed.chain(removed).collect();
    let kept = refreshed.patches.iter().filter(|fresh| fresh.outcome().is_none()).count();
    let patches = if refreshed.patches.len() == 1 { "patch" } else { "patches" };
    let sum = format!("{place}: {} {patches}, {kept} as before", refreshed.patches.len());
    if rows.is_empty() { sum } else { format!("{}\n\n{sum}", table(&rows)) }
}

fn value(place: &str, refreshed: &Refreshed) -> Value {
    let one = |fresh: &refresh::Fresh| {
        json!({
            "file": fresh.name,
            "was": fresh.was,
            "message": fresh.change.head,
            "moved-hunks": fresh.change.moved,
            "rewritten": fresh.change.rewritten,
        })
    };
    json!({
        "queue": place,
        "patches": refreshed.patches.iter().map(one).collect::<Vec<_>>(),
        "removed": refreshed.removed,
    })
}
