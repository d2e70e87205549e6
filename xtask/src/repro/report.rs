//! A comparison as text, as JSON, and as a page that needs nothing but itself. Pure.

use super::variation::{Fixed, Varied};
use super::{Comparison, Difference};
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

    pub fn html(&self) -> String {
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{0}</title>\n<style>{STYLE}</style>\n</head>\n\
             <body>\n<h1>{0}</h1>\n",
            escaped(&self.sentence())
        );
        let difference = |difference: &Difference| {
            let offset = difference.offset.map(|offset| offset.to_string()).unwrap_or_default();
            [
                difference.place.join(" → "),
                difference.what.clone(),
                offset,
                difference.first.clone(),
                difference.second.clone(),
                difference.causes.join("; "),
            ]
        };
        let differences = self.comparison.differences.iter().map(difference).collect();
        page += &html_table("Artifacts", ["artifact", "files", "result"], self.artifact_rows());
        page += &html_table("Differences", ["place", "what", "offset", "first", "second", "cause"], differences);
        page += &html_table("Varied", ["circumstance", "first", "second"], self.varied_rows());
        page += &html_table("Not varied", ["circumstance", "reason"], self.fixed_rows());
        page + "</body>\n</html>\n"
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

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;margin:2rem;max-width:90rem}h1{font-size:1.3rem}\
h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse}\
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem;border-bottom:1px solid GrayText;overflow-wrap:anywhere}\
td{font-family:ui-monospace,monospace;font-size:.9rem}";

fn html_table<const N: usize>(title: &str, head: [&str; N], rows: Vec<[String; N]>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let cells = |tag: &str, row: &[String]| -> String {
        let cells: String = row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let head = cells("th", &head.map(str::to_owned));
    let body: String = rows.iter().map(|row| cells("td", row)).collect();
    format!("<h2>{title}</h2>\n<table>\n<thead>{head}</thead>\n<tbody>\n{body}</tbody>\n</table>\n")
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

/// Names come out of archives that may be anybody's: none may move the user's cursor.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

fn escaped(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
