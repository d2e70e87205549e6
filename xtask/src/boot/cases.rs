//! The shipped cases: finds the files in `tests/boot` and reads them. What stands in them is `case`'s.

use super::case::{self, Case};
use crate::fault::Fault;
use crate::recipe::nearest;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// Below the checkout.
const FOLDER: &str = "tests/boot";

/// All cases, in the order of their names.
pub fn all(checkout: &Path) -> Result<Vec<Case>> {
    names(checkout)?.iter().map(|name| load(checkout, name)).collect()
}

/// The cases of these names in that order; all without one.
pub fn chosen(checkout: &Path, wanted: &[String]) -> Result<Vec<Case>> {
    if wanted.is_empty() {
        return all(checkout);
    }
    let known = names(checkout)?;
    for name in wanted {
        if !known.contains(name) {
            let cure = match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known cases: {}", known.join(", ")),
            };
            return Err(Fault::usage(format!("there is no {FOLDER}/{name}.toml")).cure(cure).into());
        }
    }
    wanted.iter().map(|name| load(checkout, name)).collect()
}

fn names(checkout: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(checkout.join(FOLDER))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            names.push(stem.with_context(|| format!("{} has a name that is not UTF-8", path.display()))?.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn load(checkout: &Path, name: &str) -> Result<Case> {
    let shown = format!("{FOLDER}/{name}.toml");
    case::parse(name, &shown, &fs::read_to_string(checkout.join(&shown))?)
}
