//! Questions to bills of materials: which file of which recipe holds, or needs, a component of a certain version, or was built with
//! the patch of an advisory. Text in, plain values out; reads no file.
//!
//! Versions are compared as Debian does. A question without an epoch leaves out epochs, one without a Debian revision leaves out
//! those of packages, and what Debian says of a repacked tarball (`1.2.13.dfsg`): `zlib < 1.2.13` speaks of upstream's versions.

use super::bom::{HOLDS, MAY_HOLD, NEEDS, PACKAGE, PLACE, REACHES, SOURCE_PACKAGE, STEP};
use super::packages::reference;
use crate::fault::Fault;
use anyhow::Result;
use debversion::Version;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// `zlib < 1.2.13`, or only `zlib`.
#[derive(Clone, Debug)]
pub struct Question {
    /// In small letters.
    name: String,
    bound: Option<(&'static str, Version)>,
    /// Whether the name is that of an advisory.
    advisory: bool,
}

/// What Debian adds to the version of a tarball that it had to change.
const REPACKED: [&str; 5] = [".dfsg", "+dfsg", "~dfsg", "+ds", "+repack"];

/// The longer ones first, so that `<=` is not read as `<`.
const OPERATORS: [&str; 5] = ["<=", ">=", "<", ">", "="];

impl Question {
    pub fn parse(text: &str) -> Result<Question> {
        let wrong = |what: &str| {
            Fault::usage(format!("`{text}` {what}"))
                .cure("ask for a component, or for its versions: `zlib`, `\"zlib < 1.2.13\"`; <, <=, =, >= or >")
        };
        let Some(at) = text.find(['<', '>', '=']) else {
            let name = text.trim();
            return match name.is_empty() || name.contains(char::is_whitespace) {
                true => Err(wrong("names no component").into()),
                false => Ok(Question { name: name.to_lowercase(), bound: None, advisory: false }),
            };
        };
        let (name, rest) = (text[..at].trim(), &text[at..]);
        let operator = OPERATORS.into_iter().find(|operator| rest.starts_with(operator)).unwrap_or("=");
        let version = rest[operator.len()..].trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(wrong("names no component").into());
        }
        if !version.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(wrong("has no version after its operator").into());
        }
        let version: Version = version.parse().map_err(|_| wrong("has a version that cannot be compared"))?;
        Ok(Question { name: name.to_lowercase(), bound: Some((operator, version)), advisory: false })
    }

    /// About what was built with the patch of an advisory: `XSA-458`, `CVE-2024-31143`.
    pub fn of_advisory(id: &str) -> Result<Question> {
        let id = id.trim().to_lowercase();
        let number = id.strip_prefix("xsa-").or(id.strip_prefix("cve-"));
        if !number.is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit())) {
            return Err(Fault::usage(format!("`{id}` names no advisory"))
                .cure("ask for one as its patch has it: XSA-458, CVE-2024-31143")
                .into());
        }
        Ok(Question { name: id, bound: None, advisory: true })
    }

    fn is_about(&self, component: &Component) -> bool {
        let names = [Some(component.name.as_str()), component.property(SOURCE_PACKAGE)];
        names.into_iter().flatten().any(|name| name.to_lowercase() == self.name)
    }

    /// Whether the version is one that is asked for; nothing where it is not known.
    fn admits(&self, component: &Component) -> Option<bool> {
        let Some((operator, wanted)) = &self.bound else { return Some(true) };
        let mut found: Version = component.version.as_ref()?.parse().ok()?;
        if wanted.epoch.is_none() {
            found.epoch = None;
        }
        let packaged = component.purl.as_ref().is_some_and(|purl| purl.starts_with("pkg:deb/"));
        if wanted.debian_revision.is_none() && packaged {
            found.debian_revision = None;
            let upstream = &found.upstream_version;
            let end = REPACKED.iter().filter_map(|mark| upstream.find(mark)).min().unwrap_or(upstream.len());
            found.upstream_version.truncate(end);
        }
        let order = found.cmp(wanted);
        Some(match *operator {
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            ">=" => order != Ordering::Less,
            ">" => order == Ordering::Greater,
            _ => order == Ordering::Equal,
        })
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Match {
    pub recipe: String,
    /// Nothing for what the recipe as a whole relies on.
    pub file: Option<String>,
    pub package: Option<String>,
    /// The packages or tarballs that have the file.
    pub artifacts: Vec<String>,
    pub component: String,
    /// Nothing where the bill does not know it.
    pub version: Option<String>,
    /// Whether the file holds the component's code: certainly, maybe, or not.
    pub embedded: Option<bool>,
    pub how: String,
}

/// What is read of a bill.
#[derive(Clone, Debug, Deserialize)]
pub struct Bill {
    metadata: Metadata,
    components: Vec<Component>,
}

#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    component: Component,
}

#[derive(Clone, Debug, Deserialize)]
struct Component {
    #[serde(rename = "bom-ref")]
    reference: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    version: Option<String>,
    purl: Option<String>,
    #[serde(default)]
    properties: Vec<Property>,
    #[serde(default, rename = "externalReferences")]
    references: Vec<Reference>,
    #[serde(default)]
    pedigree: Pedigree,
}

#[derive(Clone, Debug, Deserialize)]
struct Reference {
    #[serde(rename = "type")]
    kind: String,
    url: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Pedigree {
    #[serde(default)]
    patches: Vec<Patch>,
}

#[derive(Clone, Debug, Deserialize)]
struct Patch {
    diff: Diff,
    #[serde(default)]
    resolves: Vec<Issue>,
}

#[derive(Clone, Debug, Deserialize)]
struct Diff {
    url: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Issue {
    id: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Property {
    name: String,
    value: String,
}

impl Component {
    fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|property| property.name == name).map(|property| property.value.as_str())
    }
}

impl Bill {
    /// `place` names the file in messages.
    pub fn from_json(place: &str, text: &str) -> Result<Bill> {
        serde_json::from_str(text).map_err(|cause| {
            Fault::failed(format!("{place} is no bill of materials of ours: {cause}"))
                .cure("build the recipe again")
                .into()
        })
    }

    pub fn recipe(&self) -> &str {
        &self.metadata.component.reference
    }

    /// Every file that holds or needs what is asked for, in the order of the bill.
    pub fn answer(&self, question: &Question) -> Vec<Match> {
        if question.advisory {
            return self.patched(question);
        }
        let asked: BTreeMap<&str, &Component> = self
            .components
            .iter()
            .filter(|component| component.kind != "file" && question.is_about(component))
            .filter(|component| question.admits(component).unwrap_or(true))
            .map(|component| (component.reference.as_str(), component))
            .collect();
        let whole = asked.values().filter_map(|component| {
            let place = component.property(PLACE)?;
            Some(self.found(component, None, Some(false), format!("the distribution's, at {place}")))
        });
        let mut matches: Vec<Match> = whole.collect();
        for file in self.components.iter().filter(|component| component.kind == "file") {
            for property in &file.properties {
                let (embedded, how) = match property.name.as_str() {
                    HOLDS if property.value.starts_with("copy:") => (Some(true), "linked in"),
                    HOLDS if property.value.starts_with("bundle:") => (Some(true), "a copy in its source's tree"),
                    HOLDS if property.value.starts_with("toolchain:") => (Some(true), "added by the compiler"),
                    HOLDS => (Some(true), "built from it"),
                    MAY_HOLD => (None, "its step reads what was built from it"),
                    NEEDS => (Some(false), "the distribution's, loaded when it starts"),
                    _ => continue,
                };
                if let Some(component) = asked.get(property.value.as_str()) {
                    matches.push(self.found(component, Some(file), embedded, how.to_owned()));
                }
            }
        }
        matches
    }

    /// Every file that a step staged which a patch of the advisory reaches.
    fn patched(&self, question: &Question) -> Vec<Match> {
        let mut matches = Vec::new();
        for source in self.components.iter().filter(|component| component.reference.starts_with("source:")) {
            let resolves = |patch: &&Patch| patch.resolves.iter().any(|issue| issue.id.to_lowercase() == question.name);
            for patch in source.pedigree.patches.iter().filter(resolves) {
                let name = patch.diff.url.rsplit('/').next().unwrap_or_default();
                let reaches = source.properties.iter().filter(|property| property.name == REACHES);
                let steps: Vec<&str> = reaches
                    .filter_map(|property| property.value.split_once(' '))
                    .filter(|(_, reached)| *reached == name)
                    .map(|(step, _)| step)
                    .collect();
                let ours = |file: &&Component| {
                    file.kind == "file"
                        && file.property(STEP).is_some_and(|step| steps.contains(&step))
                        && file.properties.iter().any(|part| part.name == HOLDS && part.value == source.reference)
                };
                let files = self.components.iter().filter(ours);
                matches
                    .extend(files.map(|file| self.found(source, Some(file), Some(true), format!("built with {name}"))));
            }
        }
        matches
    }

    /// The artifacts that carry a file: those of its package, and those of all.
    fn artifacts(&self, file: &Component) -> Vec<String> {
        let package = file.property(PACKAGE).map(reference);
        let package = self.components.iter().find(|component| Some(&component.reference) == package.as_ref());
        let carriers =
            package.into_iter().chain([&self.metadata.component]).flat_map(|component| &component.references);
        carriers.filter(|carrier| carrier.kind == "distribution").map(|carrier| carrier.url.clone()).collect()
    }

    fn found(&self, component: &Component, file: Option<&Component>, embedded: Option<bool>, how: String) -> Match {
        Match {
            recipe: self.recipe().to_owned(),
            file: file.map(|file| file.name.clone()),
            package: file.and_then(|file| file.property(PACKAGE)).map(str::to_owned),
            artifacts: file.map(|file| self.artifacts(file)).unwrap_or_default(),
            component: component.name.clone(),
            version: component.version.clone(),
            embedded,
            how,
        }
    }
}
