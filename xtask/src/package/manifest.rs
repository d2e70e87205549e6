//! `manifest.json`: everything that the tarball holds, with the step that made it and the package that claims it.
//!
//! One entry a line, so that two manifests can be compared with `diff`. Modes are octal text, as `chmod` takes them.

use super::Claims;
use crate::digest::Hash;
use crate::fault::Fault;
use crate::recipe::Recipe;
use crate::relocate::Relocated;
use crate::tree::{Entry, Kind, Manifest};
use anyhow::Result;
use serde::{Deserialize, Serialize};

/// Raised when a reader of the last form would misread the next.
const FORMAT: u32 = 1;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Document {
    pub format: u32,
    /// The recipe's stem.
    pub recipe: String,
    pub series: String,
    pub architecture: String,
    /// SPDX expression.
    pub license: String,
    /// Seconds since 1970: the time of every entry.
    pub epoch: u64,
    pub entries: Vec<Item>,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Relative to the root, no leading slash.
    pub path: String,
    #[serde(flatten)]
    pub what: What,
    /// Missing for a folder that holds something: many steps may have made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum What {
    Directory { mode: Mode },
    File { mode: Mode, size: u64, sha256: Hash },
    Symlink { target: String },
}

/// Permission bits, `0755` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(pub u32);

impl From<Mode> for String {
    fn from(mode: Mode) -> String {
        format!("{:04o}", mode.0)
    }
}

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Mode, String> {
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if mode <= 0o7777 => Ok(Mode(mode)),
            _ => Err(format!("`{text}` is not a mode: expected octal digits such as `0755`")),
        }
    }
}

impl Document {
    pub fn new(recipe: &Recipe, tree: &Relocated) -> Result<Document> {
        let claims = Claims::of(recipe)?;
        let entries = tree.manifest().entries.iter().map(|entry| {
            // A folder is shared by whoever has something in it; an owner means that it was staged for its own sake.
            let step = tree.owners().get(&entry.path).cloned();
            let package = step.as_ref().and_then(|_| claims.package(&entry.path)).map(str::to_owned);
            let what = match entry.kind.clone() {
                Kind::Directory { mode } => What::Directory { mode: Mode(mode) },
                Kind::File { mode, size, sha256 } => What::File { mode: Mode(mode), size, sha256 },
                Kind::Symlink { target } => What::Symlink { target },
            };
            Item { path: entry.path.clone(), what, step, package }
        });
        Ok(Document {
            format: FORMAT,
            recipe: recipe.stem(),
            series: recipe.series.clone(),
            architecture: recipe.architecture.gnu().to_owned(),
            license: recipe.license.clone(),
            epoch: recipe.epoch,
            entries: entries.collect(),
        })
    }

    /// `place` names the file in messages.
    pub fn from_json(place: &str, text: &str) -> Result<Document> {
        let document: Document =
            serde_json::from_str(text).map_err(|cause| Fault::failed(format!("{place} is no manifest: {cause}")))?;
        if document.format != FORMAT {
            let what = format!("{place} has format {}, expected {FORMAT}", document.format);
            return Err(Fault::failed(what).cure("build it again with this version").into());
        }
        Ok(document)
    }

    /// The tree without its owners.
    pub fn tree(&self) -> Manifest {
        let entries = self.entries.iter().map(|item| {
            let kind = match item.what.clone() {
                What::Directory { mode } => Kind::Directory { mode: mode.0 },
                What::File { mode, size, sha256 } => Kind::File { mode: mode.0, size, sha256 },
                What::Symlink { target } => Kind::Symlink { target },
            };
            Entry { path: item.path.clone(), kind }
        });
        Manifest { entries: entries.collect() }
    }

    pub fn to_json(&self) -> String {
        let text = |value: &str| serde_json::to_string(value).expect("text is JSON");
        let items: Vec<String> =
            self.entries.iter().map(|item| serde_json::to_string(item).expect("an item is plain data")).collect();
        format!(
            "{{\n  \"format\": {},\n  \"recipe\": {},\n  \"series\": {},\n  \"architecture\": {},\n  \"license\": {},\n  \"epoch\": {},\n  \"entries\": [\n    {}\n  ]\n}}\n",
            self.format,
            text(&self.recipe),
            text(&self.series),
            text(&self.architecture),
            text(&self.license),
            self.epoch,
            items.join(",\n    ")
        )
    }
}
