//! From findings to what the user is shown: allowances applied, text grouped by rule, `audit.json`.

use super::bounds::Measured;
use super::facts::Facts;
use super::rule::{RULES, rule};
use super::{Finding, Findings};
use crate::elf::Elf;
use crate::filter::Filter;
use crate::recipe::Recipe;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The outcome of an audit; the tree is good when nothing is found.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// In the order of [`RULES`], then of the paths.
    pub findings: Vec<Finding>,
    pub allowed: Vec<Allowed>,
    /// The recipe's bounds in its order.
    pub bounds: Vec<Measured>,
}

/// A finding that the recipe lets pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Allowed {
    #[serde(flatten)]
    pub finding: Finding,
    pub reason: String,
}

/// Sorts, and takes out what `[audit]` allows. An allowance that meets nothing is a finding of its own.
pub fn judge(recipe: &Recipe, findings: Findings, bounds: Vec<Measured>) -> Result<Verdict> {
    let mut verdict = Verdict { findings: Vec::new(), allowed: Vec::new(), bounds };
    let allowances = &recipe.audit.allow;
    let globs: Vec<Filter> = allowances.iter().map(|allow| Filter::new(&allow.files)).collect::<Result<_>>()?;
    let mut met: Vec<Vec<String>> = vec![Vec::new(); allowances.len()];
    for finding in findings {
        let by = (0..globs.len()).filter(|&at| allowances[at].rule == finding.rule && globs[at].keeps(&finding.path));
        let by: Vec<usize> = by.collect();
        for &at in &by {
            met[at].push(finding.path.clone());
        }
        match by.first() {
            Some(&at) => verdict.allowed.push(Allowed { finding, reason: allowances[at].reason.clone() }),
            None => verdict.findings.push(finding),
        }
    }
    for (at, allow) in allowances.iter().enumerate() {
        let unused = globs[at].unused(met[at].iter().map(String::as_str)).into_iter().map(|glob| &allow.files[glob]);
        verdict.findings.extend(unused.map(|glob| {
            Finding::new("allowance-unused", glob, format!("no finding of {} needs this allowance", allow.rule))
        }));
    }
    verdict.findings.sort_by(|a, b| order(a).cmp(&order(b)));
    verdict.allowed.sort_by(|a, b| order(&a.finding).cmp(&order(&b.finding)));
    Ok(verdict)
}

fn order(finding: &Finding) -> (usize, &str, &str) {
    (rule(finding.rule).map_or(usize::MAX, |(at, _)| at), &finding.path, &finding.message)
}

impl Verdict {
    pub fn good(&self) -> bool {
        self.findings.is_empty()
    }

    /// All findings below their rule, one line each, with what to do about them.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut last = "";
        for (at, finding) in self.findings.iter().enumerate() {
            if finding.rule != last {
                let law = rule(finding.rule).map_or("", |(_, rule)| rule.law);
                let _ = writeln!(text, "{}: {law}", finding.rule);
                last = finding.rule;
            }
            let _ = writeln!(text, "  {}: {}", finding.path, finding.message);
            if self.findings.get(at + 1).is_none_or(|next| next.rule != last) {
                let cure = rule(finding.rule).map_or("", |(_, rule)| rule.cure);
                let _ = writeln!(text, "  help: {cure}");
            }
        }
        text
    }

    /// `audit.json`: what was looked at, what was found, what was let pass and why, how large things are, and the facts
    /// of every ELF file.
    pub fn json(&self, recipe: &Recipe, facts: &Facts) -> String {
        #[derive(Serialize)]
        struct Document<'a> {
            format: u32,
            recipe: String,
            rules: Vec<&'static str>,
            findings: &'a [Finding],
            allowed: &'a [Allowed],
            bounds: &'a [Measured],
            elf: BTreeMap<&'a str, &'a Elf>,
        }
        let document = Document {
            format: 1,
            recipe: recipe.stem(),
            rules: RULES.iter().map(|rule| rule.name).collect(),
            findings: &self.findings,
            allowed: &self.allowed,
            bounds: &self.bounds,
            elf: facts.elves().collect(),
        };
        let mut text = serde_json::to_string_pretty(&document).expect("an audit is plain data");
        text.push('\n');
        text
    }
}
