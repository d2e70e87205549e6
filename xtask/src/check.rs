//! Whether the artifacts in a folder agree with each other: sums, manifest, papers, and every package from inside.
//!
//! Takes a folder as a build leaves it and rests on nothing else. Whoever can change all artifacts can make them agree: then only
//! building the recipe again tells, `repro --against`.

mod inside;

use crate::digest::Hash;
use crate::fault::Fault;
use crate::package::{AUDIT, Document, MANIFEST, SUMS, What};
use crate::papers::{BOM, PROVENANCE};
use crate::recipe::Format;
use anyhow::Result;
use fs_err as fs;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

/// What a look at a folder gave.
#[derive(Debug, Default, Serialize)]
pub struct Checked {
    pub artifacts: usize,
    /// Packages and tarballs whose content was compared with the manifest.
    pub opened: usize,
    /// Paths in them.
    pub paths: usize,
    pub findings: Vec<Finding>,
}

/// One thing that is not as something else says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub artifact: String,
    /// Within the artifact.
    pub path: Option<String>,
    /// Which of its qualities.
    pub what: &'static str,
    pub expected: String,
    pub found: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.artifact)?;
        if let Some(path) = &self.path {
            write!(f, "{path}: ")?;
        }
        write!(f, "{}: expected {}, found {}", self.what, self.expected, self.found)
    }
}

/// Collects what is wrong with one artifact.
struct Look<'l> {
    artifact: &'l str,
    findings: Vec<Finding>,
}

impl<'l> Look<'l> {
    fn at(artifact: &'l str) -> Look<'l> {
        Look { artifact, findings: Vec::new() }
    }

    fn wrong(&mut self, path: Option<&str>, what: &'static str, expected: impl ToString, found: impl ToString) {
        let (artifact, path) = (self.artifact.to_owned(), path.map(str::to_owned));
        let (expected, found) = (expected.to_string(), found.to_string());
        self.findings.push(Finding { artifact, path, what, expected, found });
    }

    /// Reports what differs.
    fn same(&mut self, path: Option<&str>, what: &'static str, expected: impl ToString, found: impl ToString) {
        let (expected, found) = (expected.to_string(), found.to_string());
        if expected != found {
            self.wrong(path, what, expected, found);
        }
    }
}

const NONE: &str = "nothing";

/// Checks the artifacts in a folder.
pub fn folder(folder: &Path) -> Result<Checked> {
    let sums = match fs::read_to_string(folder.join(SUMS)) {
        Ok(sums) => sums,
        Err(_) => {
            return Err(Fault::usage(format!("{} holds no artifacts: it has no {SUMS}", folder.display()))
                .cure("name the folder that a build wrote, such as target/dist/xen-4.17.5+72")
                .into());
        }
    };
    let mut checked = Checked::default();
    let held = held(folder)?;
    checked.artifacts = held.len();
    let actual: BTreeMap<&str, Hash> = held.iter().map(|(name, bytes)| (name.as_str(), Hash::of(bytes))).collect();
    checked.findings.extend(against_sums(&sums, &actual));

    let document = match held.get(MANIFEST).map(|bytes| Document::from_json(MANIFEST, &String::from_utf8_lossy(bytes)))
    {
        Some(Ok(document)) => Some(document),
        Some(Err(error)) => {
            let mut look = Look::at(MANIFEST);
            look.wrong(None, "form", "a manifest", error);
            checked.findings.extend(look.findings);
            None
        }
        None => None,
    };
    let provenance = paper(&held, PROVENANCE, &mut checked.findings);
    if let Some(statement) = &provenance {
        checked.findings.extend(subjects(statement, &actual));
    }
    for (name, bytes) in held.iter().filter(|(name, _)| name.ends_with(".buildinfo")) {
        checked.findings.extend(record(name, &String::from_utf8_lossy(bytes), &actual));
    }
    let bill = paper(&held, BOM, &mut checked.findings);
    let Some(document) = document else { return Ok(checked) };
    if let Some(bill) = &bill {
        checked.findings.extend(bill_of(bill, &document, &actual));
    }
    let formats = formats(provenance.as_ref());
    checked.findings.extend(missing(&formats, &document, &actual));
    for (name, bytes) in &held {
        if let Some((paths, findings)) = inside::check(name, bytes, &document) {
            checked.opened += 1;
            checked.paths += paths;
            checked.findings.extend(findings);
        }
    }
    Ok(checked)
}

/// Every file of the folder but the sums.
fn held(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut held = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != SUMS {
            let content = if entry.file_type()?.is_file() { fs::read(entry.path())? } else { Vec::new() };
            held.insert(name, content);
        }
    }
    Ok(held)
}

fn against_sums(sums: &str, actual: &BTreeMap<&str, Hash>) -> Vec<Finding> {
    let mut named = BTreeSet::new();
    let mut findings = Vec::new();
    for line in sums.lines() {
        let Some((wanted, name)) = line.split_once("  ") else {
            let mut look = Look::at(SUMS);
            look.wrong(None, "line", "a digest and a name", line);
            findings.extend(look.findings);
            continue;
        };
        named.insert(name);
        let mut look = Look::at(name);
        match actual.get(name) {
            None => look.wrong(None, "artifact", format!("one, which {SUMS} names"), NONE),
            Some(found) => look.same(None, "sha256", wanted, found),
        }
        findings.extend(look.findings);
    }
    for name in actual.keys().filter(|name| !named.contains(**name)) {
        let mut look = Look::at(name);
        look.wrong(None, "artifact", format!("{NONE}: {SUMS} does not name it"), "one");
        findings.extend(look.findings);
    }
    for name in [MANIFEST, AUDIT, BOM, PROVENANCE].into_iter().filter(|name| !named.contains(name)) {
        let mut look = Look::at(SUMS);
        look.wrong(Some(name), "digest", "one", NONE);
        findings.extend(look.findings);
    }
    findings
}

fn paper(held: &BTreeMap<String, Vec<u8>>, name: &str, findings: &mut Vec<Finding>) -> Option<Value> {
    let read = serde_json::from_slice(held.get(name)?);
    read.map_err(|error| {
        let mut look = Look::at(name);
        look.wrong(None, "form", "JSON", error);
        findings.extend(look.findings);
    })
    .ok()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or(NONE)
}

/// The statement speaks of all artifacts but itself, and of no other.
fn subjects(statement: &Value, actual: &BTreeMap<&str, Hash>) -> Vec<Finding> {
    let mut look = Look::at(PROVENANCE);
    let subjects = list(&statement["subject"]);
    let said: BTreeMap<&str, &str> =
        subjects.iter().map(|subject| (text(&subject["name"]), text(&subject["digest"]["sha256"]))).collect();
    agree(&mut look, "subject", &said, actual, |name| name != PROVENANCE);
    look.findings
}

/// What Debian's record lists is there, and all Debian packages are in it.
fn record(name: &str, record: &str, actual: &BTreeMap<&str, Hash>) -> Vec<Finding> {
    let mut look = Look::at(name);
    let lines = record.lines().skip_while(|line| *line != "Checksums-Sha256:").skip(1);
    let fields = lines.take_while(|line| line.starts_with(' ')).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let said = fields.filter_map(|fields| Some((*fields.get(2)?, *fields.first()?))).collect();
    agree(&mut look, "checksum", &said, actual, |name| name.ends_with(".deb"));
    look.findings
}

/// Digests by name beside those of the artifacts; `wanted` are those that must be spoken of.
fn agree(
    look: &mut Look,
    what: &'static str,
    said: &BTreeMap<&str, &str>,
    actual: &BTreeMap<&str, Hash>,
    wanted: impl Fn(&str) -> bool,
) {
    for (name, digest) in said {
        let found = actual.get(name).map_or(NONE, Hash::as_str);
        look.same(Some(name), what, found, digest);
    }
    for (name, digest) in actual.iter().filter(|(name, _)| wanted(name) && !said.contains_key(*name)) {
        look.wrong(Some(name), what, digest, NONE);
    }
}

/// The bill has every path that the manifest says was staged, with the same digest, and the artifacts that it names.
fn bill_of(bill: &Value, document: &Document, actual: &BTreeMap<&str, Hash>) -> Vec<Finding> {
    let mut look = Look::at(BOM);
    let components = list(&bill["components"]);
    let digest = |component: &Value| text(&component["hashes"][0]["content"]).to_owned();
    let mut said: BTreeMap<&str, String> = components
        .iter()
        .filter_map(|component| Some((component["bom-ref"].as_str()?.strip_prefix("file:")?, digest(component))))
        .collect();
    for item in document.entries.iter().filter(|item| item.step.is_some()) {
        match (said.remove(item.path.as_str()), &item.what) {
            (None, _) => look.wrong(Some(&item.path), "component", "one", NONE),
            (Some(said), What::File { sha256, .. }) => look.same(Some(&item.path), "sha256", sha256, said),
            (Some(_), _) => {}
        }
    }
    for path in said.keys() {
        look.wrong(Some(path), "component", format!("{NONE}: {MANIFEST} does not have it"), "one");
    }
    let all = components.iter().chain([&bill["metadata"]["component"]]);
    let carriers = all.flat_map(|component| list(&component["externalReferences"]));
    for carrier in carriers.filter(|reference| reference["type"] == "distribution") {
        let name = text(&carrier["url"]);
        let found = actual.get(name).map_or(NONE, Hash::as_str);
        look.same(Some(name), "sha256", found, digest(carrier));
    }
    look.findings
}

/// The forms in which the tree was shipped, as the statement has them.
fn formats(statement: Option<&Value>) -> Vec<Format> {
    let said = statement.map(|statement| &statement["predicate"]["buildDefinition"]["externalParameters"]["formats"]);
    let said: Vec<&str> = said.map(list).unwrap_or_default().iter().filter_map(Value::as_str).collect();
    Format::ALL.into_iter().filter(|format| said.contains(&format.name())).collect()
}

/// Every package is there in every form.
fn missing(formats: &[Format], document: &Document, actual: &BTreeMap<&str, Hash>) -> Vec<Finding> {
    let packages: BTreeSet<&str> = document.entries.iter().filter_map(|item| item.package.as_deref()).collect();
    let mut findings = Vec::new();
    for format in formats {
        let of_format = |name: &&&str| inside::format(name) == Some(*format);
        let there: Vec<Option<&str>> =
            actual.keys().filter(of_format).map(|name| inside::carried(document, name)).collect();
        let wanted = if *format == Format::Tar { vec![None] } else { packages.iter().copied().map(Some).collect() };
        for package in wanted {
            let mut look = Look::at(package.unwrap_or("the tree"));
            let count = there.iter().filter(|there| **there == package).count();
            look.same(None, "packages", format!("1 as {}", format.name()), format!("{count} as {}", format.name()));
            findings.extend(look.findings);
        }
    }
    findings
}
