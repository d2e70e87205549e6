//! A comparison as text and as JSON. Pure. The page for a browser is `page`'s.

use super::variation::{Fixed, Varied};
use super::{Comparison, Difference};
use crate::markup::printable;
use crate::table::table;
use serde_json::{Value, json};

/// Differences that the text shows; JSON and page have all.
const SHOWN: usize = 20;

/// All that there is to say.
#[derive(Debug)]
pub struct Proof {
    pub recipe: String,
    /// What the two sides are: `2 builds`, or a build and whose.
    pub sides: String,
    /// The sandbox's own layout was varied too.
    pub inside: bool,
    pub varied: Vec<Varied>,
    pub fixed: Vec<Fixed>,
    pub comparison: Comparison,
}

impl Proof {
    /// `xen-4.17.5+72: 2 builds, 4 artifacts, 502 files inside: identical`.
    pub fn sentence(&self) -> String {
        let compared = &self.comparison;
        let verdict = match (compared.identical(), compared.differences.len()) {
            (true, _) => "identical".to_owned(),
            (false, 1) => "1 difference".to_owned(),
            (false, count) => format!("{count} differences"),
        };
        let (artifacts, files) = (compared.artifacts.len(), compared.files());
        format!("{}: {}, {artifacts} artifacts, {files} files inside: {verdict}", self.recipe, self.sides)
    }

    pub fn text(&self) -> String {
        let mut parts = Vec::new();
        if !self.varied.is_empty() {
            parts.push(table(&headed(["VARIED", "FIRST", "SECOND"], self.varied_rows())));
        }
        if !self.fixed.is_empty() {
            parts.push(table(&headed(["NOT VARIED", "BECAUSE"], self.fixed_rows())));
        }
        parts.push(table(&headed(["ARTIFACT", "FILES", "RESULT"], self.artifact_rows())));
        let differences = &self.comparison.differences;
        parts.extend(differences.iter().take(SHOWN).map(explanation));
        if differences.len() > SHOWN {
            parts.push(format!("… and {} more, which --json and --html show", differences.len() - SHOWN));
        }
        parts.push(self.sentence());
        printable(&parts.join("\n\n"))
    }

    pub fn json(&self) -> Value {
        json!({
            "recipe": self.recipe,
            "identical": self.comparison.identical(),
            "sides": self.sides,
            "inside": self.inside,
            "varied": self.varied,
            "not-varied": self.fixed,
            "artifacts": self.comparison.artifacts,
            "differences": self.comparison.differences,
        })
    }

    fn varied_rows(&self) -> Vec<[String; 3]> {
        self.varied.iter().map(|v| [v.what.to_owned(), v.first.clone(), v.second.clone()]).collect()
    }

    fn fixed_rows(&self) -> Vec<[String; 2]> {
        self.fixed.iter().map(|fixed| [fixed.what.to_owned(), fixed.reason.clone()]).collect()
    }

    fn artifact_rows(&self) -> Vec<[String; 3]> {
        let artifacts = self.comparison.artifacts.iter();
        let files = |files: usize| if files == 0 { String::new() } else { files.to_string() };
        let result = |identical| if identical { "identical" } else { "different" }.to_owned();
        artifacts.map(|it| [it.name.clone(), files(it.files), result(it.identical)]).collect()
    }
}

fn headed<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> Vec<[String; N]> {
    [head.map(str::to_owned)].into_iter().chain(rows).collect()
}

/// A difference as a paragraph.
pub fn explanation(difference: &Difference) -> String {
    let offset = difference.offset.map(|offset| format!(", from byte {offset} on")).unwrap_or_default();
    let mut text = format!("{}\n  {}{offset}\n", difference.place.join(" → "), difference.what);
    text += &format!("  first   {}\n  second  {}\n", difference.first, difference.second);
    if difference.causes.is_empty() {
        text += "  cause   not known\n";
    }
    for cause in &difference.causes {
        text += &format!("  cause   {cause}\n");
    }
    text.trim_end().to_owned()
}
