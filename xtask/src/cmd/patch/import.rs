//! `patch import`: takes patches into a queue, tries the whole queue upon its source, and only then writes it.

use crate::catalog;
use crate::cli::patch as cli;
use crate::context::Context;
use crate::patches::content::Folder;
use crate::patches::import::{self, Import, Place, found};
use crate::patches::save;
use crate::report::Report;
use crate::table::table;
use anyhow::Result;
use serde_json::{Value, json};

pub fn run(args: &cli::Import, report: &Report) -> Result<()> {
    let ctx = Context::of(report, &args.common)?;
    let recipe = catalog::find(&ctx.root, &args.recipe.wanted)?;
    let (stem, source) = (recipe.stem(), &args.source);
    let found = found::find(&args.from)?;
    let (checked, queue) = super::edit::opened(&ctx, &recipe, source)?;
    let folder = format!("patches/{stem}/{source}");
    let base = Folder(checked.path().to_owned());
    let place = Place { folder: &folder, queue: &queue, base: &base, class: args.class };
    let import = import::import(&place, found)?;
    if !import.imported.is_empty() {
        save::save(&ctx.root.join(&folder), &import.files)?;
    }
    report.result(&text(&folder, &import), value(&stem, source, &import));
    Ok(())
}

/// The new files, then what the queue does not keep, then what was left out.
fn text(folder: &str, import: &Import) -> String {
    let mut parts = Vec::new();
    if !import.imported.is_empty() {
        let mut rows = vec![["FILE", "FROM"].map(str::to_owned)];
        rows.extend(import.imported.iter().map(|patch| [patch.file.clone(), patch.from.clone()]));
        parts.push(table(&rows));
    }
    let said = import.imported.iter().filter(|patch| !patch.said.is_empty());
    let said = said.map(|patch| format!("{}: {}", patch.from, patch.said.join("; ")));
    let left = import.left_out.iter().map(|patch| format!("{}: left out: {}", patch.from, patch.why));
    let lines: Vec<String> = said.chain(left).collect();
    if !lines.is_empty() {
        parts.push(lines.join("\n"));
    }
    parts.push(match import.imported.len() {
        0 => format!("{folder} is as it was: there was nothing to take in"),
        1 => format!("{folder} has 1 new patch, {} in all", import.files.len()),
        count => format!("{folder} has {count} new patches, {} in all", import.files.len()),
    });
    parts.join("\n\n")
}

fn value(stem: &str, source: &str, import: &Import) -> Value {
    let imported = import.imported.iter();
    let imported = imported.map(|patch| json!({ "file": patch.file, "from": patch.from, "said": patch.said }));
    let left_out = import.left_out.iter().map(|patch| json!({ "from": patch.from, "why": patch.why }));
    json!({
        "recipe": stem,
        "source": source,
        "imported": imported.collect::<Vec<_>>(),
        "left-out": left_out.collect::<Vec<_>>(),
        "patches": import.files.len(),
    })
}
