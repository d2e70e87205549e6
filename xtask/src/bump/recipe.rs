//! The new recipe's text from the old one's: what identifies the content is replaced, everything else stays as it was written,
//! comments and layout included.
//!
//! Text in, text out. What cannot be decided here is told as a note for the reviewer.

use super::sisters::{Fate, Pin, Sister};
use super::tag::{Tagged, undescribed};
use crate::catalog;
use crate::digest::GitId;
use crate::fault::Fault;
use crate::recipe::Recipe;
use anyhow::{Context as _, Result};
use semver::Version;
use toml_edit::visit_mut::{VisitMut, visit_value_mut};
use toml_edit::{DocumentMut, Item, Key, Table, Value};

/// What is new.
pub struct Change<'a> {
    pub version: &'a Version,
    pub tag: &'a str,
    pub tagged: &'a Tagged,
    /// Read from the new tree.
    pub series: &'a str,
    /// The last day of security support, where the new tree says one.
    pub until: Option<&'a str>,
    pub sisters: &'a [Sister],
}

/// The new recipe and what a reviewer must know about it.
#[derive(Debug)]
pub struct Written {
    pub text: String,
    pub notes: Vec<String>,
}

/// Rewrites `text`, from which `old` was read.
pub fn write(text: &str, old: &Recipe, change: &Change<'_>) -> Result<Written> {
    let mut document: DocumentMut = text.parse().context("reading the recipe for editing")?;
    let mut notes = Vec::new();
    let root = document.as_table_mut();
    if change.series != old.series {
        notes.push(rename(root, &old.series, change.series));
        notes.push(support(root, change)?);
        set(root, "series", change.series);
    }
    set(root, "version", &change.version.to_string());
    epoch(root, old.epoch, change.tagged.epoch);
    notes.extend(heading(root, old, change.tag));
    pin(section(root, &old.name)?, &change.tagged.commit, Some(&change.tagged.tree), change.tag)?;
    for sister in change.sisters {
        match &sister.fate {
            Fate::Moved(Pin { commit, tree, release, .. }) => {
                pin(section(document.as_table_mut(), sister.name)?, commit, tree.as_ref(), release)?;
            }
            Fate::LeftOut { why, .. } => leave_out(&mut document, sister.name, why)?,
            Fate::Absent | Fate::Same | Fate::Kept(_) => {}
        }
    }
    let text = document.to_string();
    notes.extend(stale(&text, old, change));
    Ok(Written { text, notes })
}

/// `[source.<name>]`.
fn section<'t>(root: &'t mut Table, name: &str) -> Result<&'t mut Table> {
    let sources = root.get_mut("source").and_then(Item::as_table_mut);
    let section = sources.and_then(|sources| sources.get_mut(name)).and_then(Item::as_table_mut);
    section.ok_or_else(|| {
        Fault::usage(format!("source {name} is not written as a table of its own"))
            .cure(format!("write it as [source.{name}], with a key a line"))
            .into()
    })
}

/// Another value in the old one's place, with the space and the comment around it.
fn put(item: &mut Item, value: impl Into<Value>) {
    let decor = item.as_value().map(|old| old.decor().clone());
    let mut value = value.into();
    if let Some(decor) = decor {
        *value.decor_mut() = decor;
    }
    *item = Item::Value(value);
}

fn set(table: &mut Table, key: &str, text: &str) {
    if let Some(item) = table.get_mut(key) {
        put(item, text);
    }
}

/// The date beside the number is the number's.
fn epoch(root: &mut Table, old: u64, new: u64) {
    let Some(item) = root.get_mut("epoch") else { return };
    put(item, i64::try_from(new).unwrap_or(i64::MAX));
    if let Some(decor) = item.as_value_mut().map(Value::decor_mut)
        && let Some(comment) = decor.suffix().and_then(|suffix| suffix.as_str()).map(str::to_owned)
    {
        decor.set_suffix(comment.replace(&catalog::moment(old), &catalog::moment(new)));
    }
}

/// The file's first comment where it names the old release.
fn heading(root: &mut Table, old: &Recipe, tag: &str) -> Option<String> {
    let first = root.iter().next().map(|(key, _)| key.to_owned())?;
    let mut key = root.key_mut(&first)?;
    let text = key.leaf_decor().prefix()?.as_str()?.to_owned();
    let (comment, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let release = &old.source.get(&old.name)?.release;
    let (heading, note) = if undescribed(release) == release && comment.contains(release.as_str()) {
        let note = "the file's first comment names the new release and says what it said before";
        (comment.replace(release.as_str(), tag), note.to_owned())
    } else if names(comment, &old.series) {
        let said = comment.lines().map(|line| line.trim_start_matches(['#', ' '])).collect::<Vec<_>>().join(" ");
        (format!("# {tag}."), format!("the file's first comment is new; it was: {said}"))
    } else {
        return None;
    };
    let gap = if rest.is_empty() && !text.ends_with("\n\n") { "\n" } else { "\n\n" };
    key.leaf_decor_mut().set_prefix(format!("{heading}{gap}{rest}"));
    Some(note)
}

/// Another content for a source. What identifies the old one cannot identify the new one: of the origins, only git repositories
/// have both.
fn pin(table: &mut Table, commit: &GitId, tree: Option<&GitId>, release: &str) -> Result<()> {
    set(table, "commit", commit.as_str());
    set(table, "release", release);
    match tree {
        None => drop(table.remove("tree")),
        Some(tree) if table.contains_key("tree") => set(table, "tree", tree.as_str()),
        Some(tree) => insert_tree(table, tree),
    }
    let Some(origins) = table.get_mut("origins").and_then(Item::as_array_mut) else { return Ok(()) };
    origins.retain(|origin| origin.as_inline_table().is_some_and(|origin| origin.contains_key("git")));
    if origins.is_empty() {
        return Err(Fault::usage(format!(
            "{release}: the recipe has only tarballs as origins, and none of them holds it"
        ))
        .cure("add a git origin to the source: origins = [{ git = \"https://…\" }, …]")
        .into());
    }
    Ok(())
}

/// Below `commit`, and aligned as that is.
fn insert_tree(table: &mut Table, tree: &GitId) {
    let indent = table.key("commit").and_then(|key| Some(key.leaf_decor().suffix()?.as_str()?.len()));
    table.insert("tree", toml_edit::value(tree.as_str()));
    if let Some(mut key) = table.key_mut("tree") {
        key.leaf_decor_mut().set_suffix(" ".repeat(indent.unwrap_or(1) + "commit".len() - "tree".len()));
    }
    let order = ["commit", "tree"];
    let rank = |key: &Key| order.iter().position(|name| *name == key.get()).unwrap_or(order.len());
    table.sort_values_by(|a, _, b, _| rank(a).cmp(&rank(b)));
}

/// Takes a source out, and says in its place why. Comments above it stay.
fn leave_out(document: &mut DocumentMut, name: &str, why: &str) -> Result<()> {
    let section = section(document.as_table_mut(), name)?;
    let position = section.position().unwrap_or_default();
    let above = section.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let place = format!("{above}# {name} is not pinned: {why}.\n");
    if let Some(sources) = document.get_mut("source").and_then(Item::as_table_mut) {
        sources.remove(name);
    }
    let mut next: Option<isize> = None;
    each_table(document, |table| {
        let at = table.position().filter(|at| *at > position && !table.is_implicit());
        next = [next, at].into_iter().flatten().min();
    });
    if next.is_none() {
        let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
        document.set_trailing(place + &trailing);
        return Ok(());
    }
    each_table(document, |table| {
        if table.position() == next && !table.is_implicit() {
            let below = table.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
            let text = format!("{place}{below}");
            table.decor_mut().set_prefix(text);
        }
    });
    Ok(())
}

fn each_table(document: &mut DocumentMut, visit: impl FnMut(&mut Table)) {
    struct Tables<F>(F);
    impl<F: FnMut(&mut Table)> VisitMut for Tables<F> {
        fn visit_table_mut(&mut self, table: &mut Table) {
            (self.0)(table);
            toml_edit::visit_mut::visit_table_mut(self, table);
        }
    }
    Tables(visit).visit_document_mut(document);
}

/// Writes the new series wherever a text of the recipe names the old one; pins say themselves what they are.
fn rename(root: &mut Table, old: &str, new: &str) -> String {
    struct Renaming<'s> {
        old: &'s str,
        new: &'s str,
        texts: usize,
    }
    impl VisitMut for Renaming<'_> {
        fn visit_value_mut(&mut self, value: &mut Value) {
            if let Value::String(text) = value
                && let Some(raw) = renamed(&text.display_repr(), self.old, self.new)
                && let Ok(mut other) = raw.parse::<Value>()
            {
                *other.decor_mut() = text.decor().clone();
                *value = other;
                self.texts += 1;
            }
            visit_value_mut(self, value);
        }
    }
    let mut renaming = Renaming { old, new, texts: 0 };
    for (key, item) in root.iter_mut() {
        if !["version", "series", "support", "source"].contains(&key.get()) {
            renaming.visit_item_mut(item);
        }
    }
    format!("the series is {new} instead of {old}, and so in {} paths, names and scripts of the recipe", renaming.texts)
}

/// The text with the other series, if it names the old one.
fn renamed(text: &str, old: &str, new: &str) -> Option<String> {
    let mut result = String::new();
    let mut from = 0;
    for at in named_at(text, old).filter(|at| !goes_on(&text[at + old.len()..])) {
        result += &text[from..at];
        result += new;
        from = at + old.len();
    }
    (from > 0).then(|| result + &text[from..])
}

/// Where a text has the series as a number of its own, or as the beginning of a version.
fn named_at<'t>(text: &'t str, series: &'t str) -> impl Iterator<Item = usize> + 't {
    let inside = |before: &str| {
        before.trim_end_matches('.').len() + 1 >= before.len()
            && before.trim_end_matches('.').ends_with(|c: char| c.is_ascii_digit())
    };
    text.match_indices(series)
        .map(|(at, _)| at)
        .filter(move |at| !inside(&text[..*at]) && !text[at + series.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

fn names(text: &str, series: &str) -> bool {
    named_at(text, series).next().is_some()
}

/// Whether a version goes on after its series.
fn goes_on(rest: &str) -> bool {
    rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// What the new tree says of the new series' support.
fn support(root: &mut Table, change: &Change<'_>) -> Result<String> {
    let Some(day) = change.until else {
        root.remove("support");
        return Ok("SUPPORT.md says no day until which there is security support: [support] is left out".to_owned());
    };
    match root.get_mut("support").and_then(Item::as_table_mut) {
        Some(support) => {
            set(support, "security-until", day);
            Ok(format!("security support lasts until {day}, as SUPPORT.md says"))
        }
        None => Ok(format!("SUPPORT.md says that security support lasts until {day}; the recipe does not")),
    }
}

/// Comments that name the old series, where it is old, or another version of it: nobody but their author knows whether they are
/// still right.
fn stale(text: &str, old: &Recipe, change: &Change<'_>) -> Vec<String> {
    let other_series = change.series != old.series;
    let stale = |comment: &str| {
        named_at(comment, &old.series).any(|at| other_series || goes_on(&comment[at + old.series.len()..]))
    };
    let lines = text.lines().enumerate().filter_map(|(at, line)| {
        let from = if line.trim_start().starts_with('#') { 0 } else { line.find(" # ")? };
        let comment = line[from..].trim();
        let told = comment.replace(change.tag, "");
        stale(&told).then(|| format!("is this comment in line {} of the recipe still right? {comment}", at + 1))
    });
    lines.filter(|line| !line.contains(" is not pinned: ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_renamed_where_it_stands_for_itself() {
        for (text, other) in [
            ("/usr/lib/xen-4.17", Some("/usr/lib/xen-4.18")),
            ("boot/xen-4.17.gz and xen-4.17", Some("boot/xen-4.18.gz and xen-4.18")),
            ("Xen 4.17. It", Some("Xen 4.18. It")),
            ("14.17 3.4.17 4.170 4.17.3 4-17", None),
        ] {
            assert_eq!(renamed(text, "4.17", "4.18").as_deref(), other, "{text}");
        }
    }
}
