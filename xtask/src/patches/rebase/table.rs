//! The outcomes of a rebase for people and for programs. Pure.

use super::{Outcome, Proof, Step};
use crate::patches::apply::Offset;
use crate::table::table;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A line for each patch.
pub fn text(steps: &[Step]) -> String {
    let mut rows = vec![["PATCH", "OUTCOME", "DETAILS"].map(str::to_owned)];
    let mut without = false;
    for step in steps {
        let mut details = details(&step.outcome);
        if without {
            let after = if details.is_empty() { "" } else { "; " };
            details = format!("{details}{after}after a conflict");
        }
        without |= matches!(step.outcome, Outcome::Conflict { .. });
        rows.push([step.file.clone(), outcome(&step.outcome).to_owned(), details]);
    }
    table(&rows)
}

/// What a person should look at: merges and resolutions, and what was left out.
pub fn review(steps: &[Step]) -> Vec<String> {
    let named = |what: &str, wanted: fn(&Outcome) -> bool| -> Option<String> {
        let names: Vec<&str> = steps.iter().filter(|s| wanted(&s.outcome)).map(|s| s.file.as_str()).collect();
        (!names.is_empty()).then(|| format!("{what}:\n  {}", names.join("\n  ")))
    };
    let look = |outcome: &Outcome| matches!(outcome, Outcome::Merged { .. } | Outcome::Resolved { .. });
    let upstream = |outcome: &Outcome| matches!(outcome, Outcome::Upstream { .. });
    [
        named("review, since their context has changed", look),
        named("left out, since the new side has them", upstream),
        named("left out, as you said", |outcome| *outcome == Outcome::Skipped),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The steps without the patches' texts.
pub fn value(steps: &[Step]) -> Value {
    let mut without = false;
    let mut values = Vec::new();
    for step in steps {
        let mut value = json!(step.outcome);
        value["patch"] = json!(step.file);
        value["after-conflict"] = json!(without);
        without |= matches!(step.outcome, Outcome::Conflict { .. });
        values.push(value);
    }
    json!(values)
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Exact => "applies exactly",
        Outcome::Upstream { .. } => "already upstream",
        Outcome::Offset { .. } => "applied with offset",
        Outcome::Merged { .. } => "merged three-way",
        Outcome::Conflict { .. } => "CONFLICT",
        Outcome::Resolved { .. } => "resolved by hand",
        Outcome::Skipped => "skipped",
    }
}

fn details(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Exact | Outcome::Skipped => String::new(),
        Outcome::Upstream { proof: Proof::Commit(commit) } => format!("commit {}", &commit[..12]),
        Outcome::Upstream { proof: Proof::Merge } => "merging it changes nothing".to_owned(),
        Outcome::Upstream { proof: Proof::Reverse(offsets) } if offsets.is_empty() => "it can be taken away".to_owned(),
        Outcome::Upstream { proof: Proof::Reverse(offsets) } => format!("it can be taken away: {}", places(offsets)),
        Outcome::Offset { offsets } => places(offsets),
        Outcome::Merged { files } | Outcome::Conflict { files } | Outcome::Resolved { files } => files.join(", "),
    }
}

/// `tools/Makefile: hunk 1 +12, hunk 3 -2`
fn places(offsets: &[Offset]) -> String {
    let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for offset in offsets {
        files.entry(&offset.path).or_default().push(format!("hunk {} {:+}", offset.hunk, offset.lines));
    }
    let files = files.iter().map(|(path, hunks)| format!("{path}: {}", hunks.join(", ")));
    files.collect::<Vec<_>>().join("; ")
}
