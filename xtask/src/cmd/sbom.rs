//! `sbom query`: asks the bills of materials of built recipes which files hold a component.

use crate::cli;
use crate::context;
use crate::fault::Fault;
use crate::papers::BOM;
use crate::papers::query::{Bill, Match, Question};
use crate::report::Report;
use crate::table::table;
use anyhow::Result;
use fs_err as fs;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub fn run(args: &cli::Sbom, report: &Report) -> Result<()> {
    let cli::SbomVerb::Query(args) = &args.verb;
    let (question, asked) = match (&args.advisory, &args.question) {
        (Some(id), _) => (Question::of_advisory(id)?, format!("a patch of {id}")),
        (None, question) => {
            let text = question.as_deref().unwrap_or_default();
            (Question::parse(text)?, text.trim().to_owned())
        }
    };
    let bills = bills(&args.out)?;
    let recipes: Vec<&str> = bills.iter().map(Bill::recipe).collect();
    let matches: Vec<Match> = bills.iter().flat_map(|bill| bill.answer(&question)).collect();
    let text = match matches.is_empty() {
        true => format!("none: no file of {} holds or needs {asked}", recipes.join(", ")),
        false => shown(&matches),
    };
    report.result(&text, json!({ "question": asked, "recipes": recipes, "matches": matches }));
    Ok(())
}

/// The bills in the named folder, or those of all recipes in `target/dist`.
fn bills(out: &Option<PathBuf>) -> Result<Vec<Bill>> {
    let files: Vec<PathBuf> = match out {
        Some(folder) => vec![folder.join(BOM)],
        None => below(&context::checkout()?.join("target").join("dist"))?,
    };
    let files: Vec<PathBuf> = files.into_iter().filter(|file| file.is_file()).collect();
    if files.is_empty() {
        let place = out.as_ref().map_or_else(|| "target/dist".to_owned(), |folder| folder.display().to_string());
        return Err(Fault::usage(format!("no recipe is built: {place} has no {BOM}"))
            .cure("run `cargo xtask build RECIPE`, or name the folder of its artifacts with --out DIR")
            .into());
    }
    files.iter().map(|file| Bill::from_json(&file.display().to_string(), &fs::read_to_string(file)?)).collect()
}

fn below(dist: &Path) -> Result<Vec<PathBuf>> {
    if !dist.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(dist)?.collect::<std::io::Result<Vec<_>>>()?;
    // A name with a dot before it is a folder that a killed build left.
    let ours = entries.iter().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    let mut files: Vec<PathBuf> = ours.map(|entry| entry.path().join(BOM)).collect();
    files.sort();
    Ok(files)
}

fn shown(matches: &[Match]) -> String {
    let mut rows = vec![["RECIPE", "FILE", "PACKAGE", "COMPONENT", "VERSION", "HOW"].map(str::to_owned)];
    rows.extend(matches.iter().map(|found| {
        let file = found.file.clone().unwrap_or_else(|| "-".to_owned());
        let version = found.version.clone().unwrap_or_else(|| "unknown".to_owned());
        let package = found.package.clone().unwrap_or_else(|| "-".to_owned());
        [found.recipe.clone(), file, package, found.component.clone(), version, found.how.clone()]
    }));
    let held = matches.iter().filter(|found| found.embedded != Some(false));
    let artifacts: BTreeSet<&String> = held.flat_map(|found| &found.artifacts).collect();
    if artifacts.is_empty() {
        return table(&rows);
    }
    let artifacts: Vec<String> = artifacts.into_iter().map(|artifact| format!("  {artifact}")).collect();
    format!("{}\n\nthe artifacts that have them:\n{}", table(&rows).trim_end(), artifacts.join("\n"))
}
