//! Which cases are run, as the command line asks.

use crate::boot::case::Case;
use crate::boot::cases;
use crate::cli;
use crate::fault::Fault;
use crate::table::table;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;

/// The cases that the command line names, in its order, or all; broken, where it asks for that.
pub fn choose(checkout: &Path, args: &cli::boot::Boot) -> Result<Vec<Case>> {
    let chosen = cases::chosen(checkout, &args.cases)?;
    let alone = [("--broken", args.broken.is_some()), ("--keep", args.keep), ("--gdb", args.gdb.is_some())];
    if let Some((option, _)) = alone.iter().find(|(_, given)| *given && chosen.len() != 1) {
        return Err(Fault::usage(format!("{option} is for one case, and {} are named", chosen.len())).into());
    }
    if let (Some(whom), [case]) = (&args.gdb, &chosen[..])
        && whom != "xen"
        && !case.guest.contains_key(whom.strip_suffix("-dm").unwrap_or(whom))
    {
        let known: Vec<&str> = case.guest.keys().map(String::as_str).collect();
        let cure = match &known[..] {
            [] => "it has none: `--gdb xen` shows the whole machine".to_owned(),
            known => format!("it has {}; `{}-dm` is the stubdomain of {}", known.join(", "), known[0], known[0]),
        };
        return Err(Fault::usage(format!("case {} has no guest `{whom}`", case.name)).cure(cure).into());
    }
    match &args.broken {
        Some(broken) => chosen.iter().map(|case| case.broken_by(broken)).collect(),
        None => Ok(chosen),
    }
}

/// Shows cases with their broken inputs.
pub fn list(cases: &[Case]) -> (String, Value) {
    let mut rows = vec![["CASE", "LIMIT", "WHAT"].map(str::to_owned)];
    let mut values = Vec::new();
    for case in cases {
        rows.push([case.name.clone(), format!("{} s", case.limit), case.summary.clone()]);
        let broken = case.broken.iter();
        rows.extend(
            broken.map(|(name, broken)| [String::new(), String::new(), format!("--broken {name}: {}", broken.summary)]),
        );
        let broken: Vec<Value> = case
            .broken
            .iter()
            .map(|(name, broken)| json!({ "name": name, "summary": broken.summary, "says": broken.says }))
            .collect();
        values.push(json!({ "case": case.name, "summary": case.summary, "limit": case.limit, "broken": broken }));
    }
    (table(&rows), json!({ "cases": values }))
}
