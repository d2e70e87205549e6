//! Relationship fields (Debian Policy, chapter 7): `Depends`, `Provides`, `Conflicts`. Text in, plain values out.

use anyhow::{Context as _, Result, bail};
use debversion::Version;
use std::cmp::Ordering;
use std::fmt;

/// One name of a relationship: `libc6 (>= 2.34)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    pub name: String,
    pub bound: Option<Bound>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    operator: Operator,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Before,
    UpTo,
    Exactly,
    From,
    After,
}

const OPERATORS: [(&str, Operator); 7] = [
    ("<<", Operator::Before),
    ("<=", Operator::UpTo),
    (">=", Operator::From),
    (">>", Operator::After),
    ("=", Operator::Exactly),
    // Deprecated spellings, which mean what they do not say.
    ("<", Operator::UpTo),
    (">", Operator::From),
];

impl Bound {
    pub fn admits(&self, version: &Version) -> bool {
        let order = version.cmp(&self.version);
        match self.operator {
            Operator::Before => order == Ordering::Less,
            Operator::UpTo => order != Ordering::Greater,
            Operator::Exactly => order == Ordering::Equal,
            Operator::From => order != Ordering::Less,
            Operator::After => order == Ordering::Greater,
        }
    }

    /// The version that a `Provides: name (= version)` names.
    pub fn version(&self) -> &Version {
        &self.version
    }
}

impl Relation {
    /// True when a package of that name in that version is meant.
    pub fn admits(&self, version: &Version) -> bool {
        self.bound.as_ref().is_none_or(|bound| bound.admits(version))
    }

    /// True when what a package provides under that name is meant. Policy 7.5: without a version it answers no bound.
    pub fn admits_provided(&self, provided: &Relation) -> bool {
        match (&self.bound, &provided.bound) {
            (None, _) => true,
            (Some(bound), Some(provided)) => bound.admits(provided.version()),
            (Some(_), None) => false,
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(Bound { operator, version }) = &self.bound {
            let spelled = OPERATORS.iter().find(|(_, known)| known == operator).map_or("=", |(text, _)| *text);
            write!(f, " ({spelled} {version})")?;
        }
        Ok(())
    }
}

/// A field: groups separated by commas, each of alternatives separated by bars. What is of another architecture keeps that in
/// its name, which no package has.
pub fn parse(field: &str, architecture: &str) -> Result<Vec<Vec<Relation>>> {
    let mut groups = Vec::new();
    for group in field.split(',').map(str::trim).filter(|group| !group.is_empty()) {
        let mut alternatives = Vec::new();
        for text in group.split('|') {
            alternatives.push(one(text.trim(), architecture).with_context(|| format!("in `{group}`"))?);
        }
        groups.push(alternatives);
    }
    Ok(groups)
}

fn one(text: &str, architecture: &str) -> Result<Relation> {
    let (name, rest) = match text.split_once('(') {
        Some((name, rest)) => (name.trim(), Some(rest)),
        None => (text, None),
    };
    if name.is_empty() || name.contains(char::is_whitespace) {
        bail!("`{text}` is not a relationship");
    }
    let name = match name.split_once(':') {
        Some((plain, qualifier)) if ["any", "native", architecture].contains(&qualifier) => plain,
        _ => name,
    };
    let bound = rest.map(|rest| bound(rest).with_context(|| format!("`{text}` is not a relationship"))).transpose()?;
    Ok(Relation { name: name.to_owned(), bound })
}

fn bound(text: &str) -> Result<Bound> {
    let text = text.trim_end().strip_suffix(')').context("a `)` is missing")?.trim();
    let (spelled, operator) =
        OPERATORS.iter().find(|(spelled, _)| text.starts_with(spelled)).context("an operator is missing")?;
    Ok(Bound { operator: *operator, version: version(text[spelled.len()..].trim())? })
}

pub fn version(text: &str) -> Result<Version> {
    text.parse().ok().with_context(|| format!("`{text}` is not a Debian version"))
}
