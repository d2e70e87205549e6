//! The two files that say what a suite holds: `Release` (hashes of indices, how long it is good for) and `Packages`.
//!
//! Text in, plain values out. Whether the text is Debian's is for `signature` to say, before.

use crate::digest::Hash;
use crate::fault::Fault;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::io::BufRead;

/// What a `Release` file says.
#[derive(Clone, Debug)]
pub struct Release {
    /// When it was made; seconds since 1970.
    pub date: u64,
    /// Indices below `dists/<suite>/` by path, with sha256 and size in bytes.
    pub files: BTreeMap<String, (Hash, u64)>,
}

/// Clocks of mirrors and of machines differ by so many seconds.
const SKEW: u64 = 24 * 3600;

impl Release {
    /// Reads the `Release` file of `suite`; refuses one of another suite, of the future, or past its `Valid-Until`.
    /// `now` is in seconds since 1970.
    pub fn parse(text: &str, suite: &str, now: u64) -> Result<Release> {
        let document: deb822_fast::Deb822 = text.parse().context("reading the Release file")?;
        let fields = document.iter().next().context("the Release file is empty")?;
        // A mirror must not pass off one suite as another: both are signed by the same keys.
        let names = [fields.get("Suite").unwrap_or_default(), fields.get("Codename").unwrap_or_default()];
        if !names.contains(&suite) {
            let what = format!("the index is that of suite {}, not of {suite}", names.join("/"));
            return Err(Fault::failed(what).cure("ask another mirror with `--debian-mirror URL`").into());
        }
        let time = |name: &str| {
            let text = fields.get(name)?;
            Some(seconds(text).with_context(|| format!("the Release file has a {name} that is no date: `{text}`")))
        };
        let date = time("Date").context("the Release file has no Date")??;
        if date > now + SKEW {
            let what =
                format!("the index of {suite} was made in the future: {}", fields.get("Date").unwrap_or_default());
            return Err(Fault::failed(what).cure("check this machine's clock").into());
        }
        if time("Valid-Until").transpose()?.is_some_and(|until| until < now) {
            let until = fields.get("Valid-Until").unwrap_or_default();
            let what = format!("the index of {suite} has expired: it was valid until {until}");
            let cure = "ask a mirror that is kept up with `--debian-mirror URL`, or check this machine's clock";
            return Err(Fault::failed(what).cure(cure).into());
        }
        let mut files = BTreeMap::new();
        for line in fields.get("SHA256").context("the Release file has no SHA256")?.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [hash, size, path] = words[..] {
                let size = size.parse().with_context(|| format!("the Release file's size of {path}"))?;
                files.insert(path.to_owned(), (Hash::try_from(hash.to_owned())?, size));
            }
        }
        Ok(Release { date, files })
    }
}

/// Reads RFC 5322's date as Debian writes it, `Sat, 11 Jul 2026 10:16:37 UTC`, to seconds since 1970.
fn seconds(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, clock, "UTC" | "GMT" | "+0000"] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let mut clock = clock.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days since 1970-01-01, counted in years that begin in March so that the leap day comes last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// The moment as the snapshot archive writes it: `YYYYMMDDTHHMMSSZ`.
pub fn stamp(seconds: u64) -> String {
    let (mut day, clock) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    let mut month = 1;
    while day >= days(year + 1, 1, 1) {
        year += 1;
    }
    while month < 12 && day >= days(year, month + 1, 1) {
        month += 1;
    }
    day -= days(year, month, 1);
    format!("{year:04}{month:02}{:02}T{:02}{:02}{:02}Z", day + 1, clock / 3600, clock / 60 % 60, clock % 60)
}

/// One package as an index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// `Pre-Depends` and `Depends`.
    pub depends: String,
    pub provides: String,
    /// `Conflicts` and `Breaks`.
    pub conflicts: String,
    /// Below the root of the mirror.
    pub path: String,
    /// Bytes.
    pub size: u64,
    pub sha256: Hash,
}

/// Reads a `Packages` file; other architectures than this one and `all` are left out.
pub fn packages(text: impl BufRead, architecture: &str) -> Result<Vec<Package>> {
    let mut found = Vec::new();
    for paragraph in deb822_fast::Deb822::iter_paragraphs_from_reader(text) {
        let fields = paragraph.context("reading the Packages file")?;
        let get = |name: &str| fields.get(name).unwrap_or_default();
        if ![architecture, "all"].contains(&get("Architecture")) {
            continue;
        }
        let name = get("Package").to_owned();
        let package = || -> Result<Package> {
            Ok(Package {
                version: get("Version").to_owned(),
                depends: both(get("Pre-Depends"), get("Depends")),
                provides: get("Provides").to_owned(),
                conflicts: both(get("Conflicts"), get("Breaks")),
                path: get("Filename").to_owned(),
                size: get("Size").parse().context("Size")?,
                sha256: Hash::try_from(get("SHA256").to_owned())?,
                name: name.clone(),
            })
        };
        found.push(package().with_context(|| format!("reading package {name} in the Packages file"))?);
    }
    Ok(found)
}

fn both(one: &str, other: &str) -> String {
    let filled: Vec<&str> = [one, other].into_iter().filter(|list| !list.is_empty()).collect();
    filled.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written_across_leap_days() {
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 UTC"), Some(0));
        assert_eq!(seconds("Sat, 11 Jul 2026 10:16:37 UTC"), Some(1_783_764_997));
        assert_eq!(seconds("Thu, 29 Feb 2024 23:59:59 UTC"), Some(1_709_251_199));
        assert_eq!(seconds("Sat, 11 Jul 2026 10:16:37 CEST"), None);
        assert_eq!(seconds("yesterday"), None);
        for (time, text) in
            [(0, "19700101T000000Z"), (1_709_251_199, "20240229T235959Z"), (1_709_251_200, "20240301T000000Z")]
        {
            assert_eq!(stamp(time), text);
        }
        assert_eq!(stamp(1_783_764_997), "20260711T101637Z");
    }
}
