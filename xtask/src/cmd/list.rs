//! `list`: every recipe with version, support and sources, as a table or as JSON; with `--reachable` where its sources can be had.

use crate::catalog::{self, Status};
use crate::cli;
use crate::context::{self, Context};
use crate::recipe::Recipe;
use crate::report::Report;
use crate::sources::{self, Reach};
use crate::table::table;
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::thread;

pub fn run(args: &cli::List, report: &Report) -> Result<()> {
    let root = context::checkout()?;
    let entries = catalog::all(&root)?;
    let recipes = entries.iter().map(|entry| catalog::load(&root, entry)).collect::<Result<Vec<Recipe>>>()?;
    let today = catalog::today()?;
    let statuses: Vec<Status> = recipes.iter().map(|recipe| Status::of(recipe.support.as_ref(), &today)).collect();
    let reaches = if args.reachable {
        let ctx = Context::of(report, &args.common)?;
        Some(reach_all(&ctx, &recipes)?)
    } else {
        None
    };

    let mut failures = String::new();
    let mut rows = vec![["RECIPE", "SERIES", "SECURITY SUPPORT", "SOURCES"].map(str::to_owned)];
    let mut values = Vec::new();
    for (i, (recipe, status)) in recipes.iter().zip(&statuses).enumerate() {
        let reach = reaches.as_ref().map(|reaches| &reaches[i]);
        rows.push([recipe.stem(), recipe.series.clone(), status.to_string(), sources_text(recipe, reach)]);
        values.push(value(recipe, *status, reach));
        for (name, why) in reach.into_iter().flatten() {
            if let Reach::Nowhere(why) = why {
                failures +=
                    &format!("\n\n{} {name} is not reachable from here:\n  {}", recipe.stem(), why.join("\n  "));
            }
        }
    }
    report.result(&(table(&rows) + &failures), json!(values));
    Ok(())
}

type Reaches = BTreeMap<String, Reach>;

/// All recipes are asked about at once: one silent server delays the answer no longer than it delays one recipe.
fn reach_all(ctx: &Context, recipes: &[Recipe]) -> Result<Vec<Reaches>> {
    thread::scope(|scope| {
        let asked: Vec<_> = recipes.iter().map(|recipe| scope.spawn(move || sources::reachable(ctx, recipe))).collect();
        asked.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// Only sources that a step uses are asked for; the others are pins for later.
fn sources_text(recipe: &Recipe, reach: Option<&Reaches>) -> String {
    let one = |(name, source): (&String, &crate::recipe::Source)| match reach.map(|reach| reach.get(name)) {
        None => format!("{name} {}", source.release),
        Some(None) => format!("{name}: unused"),
        Some(Some(Reach::From(place))) => format!("{name}: {place}"),
        Some(Some(Reach::Nowhere(_))) => format!("{name}: NOT REACHABLE"),
    };
    recipe.source.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn value(recipe: &Recipe, status: Status, reach: Option<&Reaches>) -> Value {
    let sources = recipe.source.iter().map(|(name, source)| {
        let mut value = json!({ "name": name, "release": source.release });
        match reach.and_then(|reach| reach.get(name)) {
            Some(Reach::From(place)) => value["reachable"] = json!({ "from": place }),
            Some(Reach::Nowhere(failures)) => value["reachable"] = json!({ "failures": failures }),
            None => (),
        }
        value
    });
    json!({
        "recipe": recipe.stem(),
        "name": recipe.name,
        "version": recipe.version.to_string(),
        "series": recipe.series,
        "summary": recipe.summary,
        "security-until": recipe.support.as_ref().map(|support| &support.security_until),
        "supported": match status {
            Status::Supported(_) => Some(true),
            Status::Ended(_) => Some(false),
            Status::Unknown => None,
        },
        "sources": sources.collect::<Vec<_>>(),
    })
}
