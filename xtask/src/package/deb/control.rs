//! The control file of a package (Debian Policy 5.3): fields in, text out.
//!
//! A value that would break the file's form, and so smuggle in another field, is refused.

use crate::fault::Fault;
use anyhow::Result;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Columns of a description, as Policy 5.6.13 asks: 80 with the space before them.
const COLUMNS: usize = 79;

/// In the order in which dpkg-gencontrol(1) writes them; the description comes last.
const ORDER: [&str; 22] = [
    "Package",
    "Source",
    "Version",
    "Architecture",
    "Maintainer",
    "Installed-Size",
    "Pre-Depends",
    "Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Enhances",
    "Replaces",
    "Provides",
    "Built-Using",
    "Static-Built-Using",
    "Section",
    "Priority",
    "Multi-Arch",
    "Homepage",
    "Description",
];

#[derive(Clone, Debug, Default)]
pub struct Fields(BTreeMap<&'static str, String>);

impl Fields {
    /// Sets a field of one line; an empty value is none.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) -> Result<()> {
        debug_assert!(ORDER.contains(&name));
        let value = value.into();
        if value.chars().any(char::is_control) {
            return Err(Fault::usage(format!("the field {name} of a package must be one line, found {value:?}")).into());
        }
        if !value.trim().is_empty() {
            self.0.insert(name, value.trim().to_owned());
        }
        Ok(())
    }

    /// A relationship field, its relations in byte order, each once.
    pub fn relate(&mut self, name: &'static str, relations: impl IntoIterator<Item = String>) -> Result<()> {
        let mut relations: Vec<String> = relations.into_iter().collect();
        relations.sort();
        relations.dedup();
        self.set(name, relations.join(", "))
    }

    /// The summary and the paragraphs below it, filled to the width of a terminal; what is indented stays as it is.
    pub fn describe(&mut self, summary: &str, description: &str) -> Result<()> {
        self.set("Description", summary)?;
        let mut text = self.0.remove("Description").unwrap_or_default();
        for (count, paragraph) in description.split("\n\n").map(|p| p.trim_matches('\n')).enumerate() {
            if paragraph.is_empty() {
                continue;
            }
            text.push_str(if count == 0 { "" } else { "\n ." });
            for line in filled(paragraph) {
                let _ = write!(text, "\n {line}");
            }
        }
        self.0.insert("Description", text);
        Ok(())
    }

    pub fn render(&self) -> String {
        let fields = ORDER.iter().filter_map(|name| Some((name, self.0.get(name)?)));
        fields.map(|(name, value)| format!("{name}: {value}\n")).collect()
    }
}

/// The lines of a paragraph.
pub fn filled(paragraph: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for line in paragraph.lines() {
        if line.starts_with([' ', '\t']) {
            lines.push(line.trim_end().to_owned());
            open = false;
            continue;
        }
        for word in line.split_whitespace() {
            match lines.last_mut().filter(|last| open && last.chars().count() + 1 + word.chars().count() <= COLUMNS) {
                Some(last) => *last = format!("{last} {word}"),
                None => lines.push(word.to_owned()),
            }
            open = true;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_in_order_and_a_description_is_filled() {
        let mut fields = Fields::default();
        fields.relate("Depends", ["b".to_owned(), "a (>= 1)".to_owned(), "b".to_owned()]).unwrap();
        fields.set("Package", "xen-doc").unwrap();
        fields.set("Homepage", "").unwrap();
        let long = "word ".repeat(20);
        fields.describe("manual pages", &format!("{long}\n\nAs in:\n  xl list\nand so on.\n")).unwrap();
        let words = |count| ["word"; 20][..count].join(" ");
        let expected = format!(
            "Package: xen-doc\nDepends: a (>= 1), b\nDescription: manual pages\n {}\n {}\n .\n As in:\n   xl list\n and so on.\n",
            words(16),
            words(4)
        );
        assert_eq!(fields.render(), expected);
    }

    #[test]
    fn a_value_brings_no_field_of_its_own() {
        let mut fields = Fields::default();
        let error = fields.set("Homepage", "https://x\nPre-Depends: evil").unwrap_err();
        assert!(error.to_string().contains("the field Homepage of a package must be one line"), "{error}");
        assert!(fields.describe("a\nEssential: yes", "").is_err());
        fields.describe("a", "one\nEssential: yes\n\n\n\ntwo").unwrap();
        assert_eq!(fields.render(), "Description: a\n one Essential: yes\n .\n two\n");
    }
}
