//! `list`: every recipe with version, support and sources, as a table or as JSON.

use crate::catalog::{self, Status};
use crate::cli;
use crate::context;
use crate::report::Report;
use crate::table::table;
use anyhow::Result;
use serde_json::json;

pub fn run(args: &cli::List, report: &Report) -> Result<()> {
    let _ = args;
    let root = context::checkout()?;
    let today = catalog::today()?;
    let mut rows = vec![["RECIPE", "SERIES", "SECURITY SUPPORT", "SOURCES"].map(str::to_owned)];
    let mut values = Vec::new();
    for entry in catalog::all(&root)? {
        let recipe = catalog::load(&root, &entry)?;
        let status = Status::of(recipe.support.as_ref(), &today);
        let sources: Vec<String> = recipe.source.iter().map(|(name, s)| format!("{name} {}", s.release)).collect();
        values.push(json!({
            "recipe": entry.stem(),
            "name": recipe.name,
            "version": recipe.version.to_string(),
            "series": recipe.series,
            "summary": recipe.summary,
            "security-until": recipe.support.as_ref().map(|s| &s.security_until),
            "supported": match status { Status::Supported(_) => Some(true), Status::Ended(_) => Some(false), Status::Unknown => None },
            "sources": recipe.source.keys().collect::<Vec<_>>(),
        }));
        rows.push([entry.stem(), recipe.series.clone(), status.to_string(), sources.join(", ")]);
    }
    report.result(&table(&rows), json!(values));
    Ok(())
}
