//! The recipes of a checkout: which there are, which one a word such as `xen-4.17` means, and whether upstream still fixes it.
//!
//! The name of a recipe's file says its name and version, so that choosing one reads no file.

use crate::fault::Fault;
use crate::recipe::{self, Recipe, Support, nearest, quoted};
use crate::{sources, tree};
use anyhow::{Context as _, Result};
use semver::Version;
use std::path::{Path, PathBuf};

/// A file in `recipes/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub name: String,
    pub version: Version,
    /// Below the checkout: `recipes/xen-4.17.4.toml`.
    pub file: PathBuf,
}

impl Entry {
    pub fn stem(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

/// Where parts are that recipes include, below the checkout.
pub const PARTS: &str = "recipes/parts";

/// All recipes, by name and then by version.
pub fn all(root: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for item in fs_err::read_dir(root.join("recipes"))? {
        let name = item?.file_name();
        let file = Path::new("recipes").join(&name);
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".toml")) else { continue };
        let (name, version) = split(stem).ok_or_else(|| {
            Fault::usage(format!("{} is not named after a recipe", file.display()))
                .cure("call it <name>-<version>.toml, such as xen-4.17.5+72.toml")
        })?;
        entries.push(Entry { name, version, file });
    }
    entries.sort();
    Ok(entries)
}

/// `xen-4.17.5+72` into name and version: the version begins after the first dash that a digit follows.
fn split(stem: &str) -> Option<(String, Version)> {
    let dash =
        stem.match_indices('-').map(|(i, _)| i).find(|i| stem[i + 1..].starts_with(|c: char| c.is_ascii_digit()))?;
    Some((stem[..dash].to_owned(), Version::parse(&stem[dash + 1..]).ok()?))
}

/// The recipe that `wanted` means: the one of that stem, or else the highest version that `wanted` is a beginning of.
pub fn choose<'e>(entries: &'e [Entry], wanted: &str) -> Result<&'e Entry> {
    let stems: Vec<String> = entries.iter().map(Entry::stem).collect();
    if let Some(exact) = stems.iter().position(|stem| stem == wanted) {
        return Ok(&entries[exact]);
    }
    // `xen-4.1` must not mean `xen-4.17.4`: what follows the beginning is a new part of the version.
    let begins = |stem: &str| stem.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(['.', '-', '+']));
    let fitting = entries.iter().zip(&stems).filter(|(_, stem)| begins(stem));
    let names: Vec<&str> = fitting.clone().map(|(entry, _)| entry.name.as_str()).collect();
    if let (Some(first), Some(other)) = (names.first(), names.iter().find(|name| **name != names[0])) {
        return Err(Fault::usage(format!("`{wanted}` may mean `{first}` or `{other}`"))
            .cure("name one of them")
            .into());
    }
    fitting.map(|(entry, _)| entry).max_by(|a, b| a.version.cmp(&b.version)).ok_or_else(|| {
        let near = nearest(wanted, stems.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`? "));
        let known = if stems.is_empty() { "none".to_owned() } else { quoted(stems.iter().map(String::as_str)) };
        Fault::usage(format!("no recipe is called `{wanted}`"))
            .cure(format!("{}the recipes are {known}", near.unwrap_or_default()))
            .into()
    })
}

/// Reads a recipe's text, with the parts that it includes and the folders that are its sources. `shown` is the name of its file.
pub fn read(root: &Path, shown: &str, text: &str) -> Result<Recipe> {
    let mut parts = Vec::new();
    for name in recipe::included(text) {
        let file = Path::new(PARTS).join(format!("{name}.toml"));
        let part = fs_err::read_to_string(root.join(&file)).map_err(|error| {
            Fault::usage(format!("{shown} includes `{name}`: {error}"))
                .cure("a part is recipes/parts/<name>.toml: correct `include`, or add the file")
        })?;
        parts.push((file.display().to_string(), part));
    }
    let parts = parts.iter().map(|(file, text)| (file.as_str(), text.as_str()));
    let texts: Vec<(&str, &str)> = std::iter::once((shown, text)).chain(parts).collect();
    let mut recipe = recipe::parse_all(&texts)?;
    sources::folder::look(root, &mut recipe)?;
    Ok(recipe)
}

/// Reads the recipe of an entry.
pub fn load(root: &Path, entry: &Entry) -> Result<Recipe> {
    let shown = entry.file.display().to_string();
    let recipe = read(root, &shown, &fs_err::read_to_string(root.join(&entry.file))?)?;
    if recipe.stem() != entry.stem() {
        return Err(Fault::usage(format!("{shown} holds the recipe `{}`", recipe.stem()))
            .cure("a recipe's file is called <name>-<version>.toml: rename it, or correct `name` and `version` in it")
            .into());
    }
    Ok(recipe)
}

/// Copies what building a recipe reads of a checkout.
pub fn copy(root: &Path, recipe: &Recipe, to: &Path) -> Result<()> {
    for name in ["recipes", "patches", "toolchains"].into_iter().filter(|name| root.join(name).exists()) {
        tree::copy(&root.join(name), &to.join(name))?;
    }
    for folder in recipe.source.values().filter_map(|source| source.folder.as_ref()) {
        sources::folder::bring(root, folder, &to.join(&folder.path))?;
    }
    Ok(())
}

/// The recipe that a user's word means.
pub fn find(root: &Path, wanted: &str) -> Result<Recipe> {
    load(root, choose(&all(root)?, wanted)?)
}

/// Every other recipe, for advice when one cannot be built; those with mistakes are none to advise.
pub fn others(root: &Path, recipe: &Recipe) -> Vec<Recipe> {
    let entries = all(root).unwrap_or_default();
    let others = entries.iter().filter(|entry| entry.stem() != recipe.stem());
    others.filter_map(|entry| load(root, entry).ok()).collect()
}

/// How upstream looks after a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status<'r> {
    /// Security fixes come until this day.
    Supported(&'r str),
    /// Security fixes came until this day.
    Ended(&'r str),
    /// The recipe does not say.
    Unknown,
}

impl Status<'_> {
    pub fn of<'r>(support: Option<&'r Support>, today: &str) -> Status<'r> {
        // ISO 8601 days sort as text.
        match support {
            Some(support) if today > support.security_until.as_str() => Status::Ended(&support.security_until),
            Some(support) => Status::Supported(&support.security_until),
            None => Status::Unknown,
        }
    }
}

impl std::fmt::Display for Status<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Status::Supported(day) => write!(f, "until {day}"),
            Status::Ended(day) => write!(f, "ended {day}"),
            Status::Unknown => write!(f, "unknown"),
        }
    }
}

/// What the user should hear before building a recipe that upstream no longer looks after.
pub fn warning(recipe: &Recipe, today: &str) -> Option<String> {
    let support = recipe.support.as_ref()?;
    let Status::Ended(day) = Status::of(Some(support), today) else { return None };
    Some(format!(
        "security support for {} {} ended {day} ({}): known holes stay open unless patches/{} closes them",
        recipe.name,
        recipe.series,
        support.reference,
        recipe.stem()
    ))
}

/// Today in UTC as `YYYY-MM-DD`.
pub fn today() -> Result<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "whether support has ended depends on the day; it reaches no output of a build"
    )]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).context("the machine's clock stands before 1970")?;
    Ok(day(since.as_secs() / 86_400))
}

/// A moment in UTC as `YYYY-MM-DD HH:MM:SS`, given in seconds since 1970.
pub fn moment(seconds: u64) -> String {
    let rest = seconds % 86_400;
    format!("{} {:02}:{:02}:{:02}", day(seconds / 86_400), rest / 3600, rest / 60 % 60, rest % 60)
}

/// A day as `YYYY-MM-DD`, counted from 1970-01-01 in the proleptic Gregorian calendar.
fn day(days: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut rest) = (1970, days);
    while rest >= 365 + u64::from(leap(year)) {
        rest -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while rest >= lengths[month] {
        rest -= lengths[month];
        month += 1;
    }
    format!("{year:04}-{:02}-{:02}", month + 1, rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(stems: &[&str]) -> Vec<Entry> {
        let entry = |stem: &&str| {
            let (name, version) = split(stem).unwrap();
            Entry { name, version, file: PathBuf::from(format!("recipes/{stem}.toml")) }
        };
        stems.iter().map(entry).collect()
    }

    #[test]
    fn a_beginning_means_the_highest_version() {
        let entries = entries(&[
            "xen-4.17.4",
            "xen-4.17.5",
            "xen-4.17.5+8",
            "xen-4.17.5+72",
            "xen-4.20.0-rc1",
            "xen-4.20.3+127",
            "xen-4.9.10",
        ]);
        for (wanted, found) in [
            ("xen-4.17.4", "xen-4.17.4"),
            ("xen-4.17.5", "xen-4.17.5"),
            ("xen-4.17", "xen-4.17.5+72"),
            ("xen-4.9", "xen-4.9.10"),
            ("xen-4", "xen-4.20.3+127"),
            ("xen", "xen-4.20.3+127"),
        ] {
            assert_eq!(choose(&entries, wanted).unwrap().stem(), found, "{wanted}");
        }
    }

    #[test]
    fn what_is_not_there_is_answered_with_what_is() {
        let entries = entries(&["mini-os-1.0.0", "xen-4.17.4"]);
        for wanted in ["xen-4.1", "xen-4.18", "", "xen-4.17.4.", "zen-4.17.4"] {
            let error = choose(&entries, wanted).unwrap_err();
            assert_eq!(crate::fault::exit_code(&error), 2, "{wanted}");
            assert!(crate::fault::render(&error).contains("`mini-os-1.0.0`, `xen-4.17.4`"), "{wanted}");
        }
    }

    #[test]
    fn a_word_that_begins_two_names_is_refused() {
        let entries = entries(&["xen-4.17.4", "xen-tools-1.0.0"]);
        assert!(choose(&entries, "xen").unwrap_err().to_string().contains("may mean `xen` or `xen-tools`"));
        assert_eq!(choose(&entries, "xen-4").unwrap().stem(), "xen-4.17.4");
    }

    #[test]
    fn support_ends_after_its_last_day() {
        let support = Support { security_until: "2025-12-12".to_owned(), reference: "SUPPORT.md".to_owned() };
        assert_eq!(Status::of(Some(&support), "2025-12-12"), Status::Supported("2025-12-12"));
        assert_eq!(Status::of(Some(&support), "2025-12-13").to_string(), "ended 2025-12-12");
        assert_eq!(Status::of(None, "2025-12-13"), Status::Unknown);
    }

    #[test]
    fn a_moment_is_a_day_with_its_time() {
        assert_eq!(moment(1_712_677_736), "2024-04-09 15:48:56");
    }

    #[test]
    fn days_are_counted_through_leap_years() {
        for (days, text) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (19_723, "2024-01-01"),
            (20_454, "2026-01-01"),
        ] {
            assert_eq!(day(days), text);
        }
    }
}
