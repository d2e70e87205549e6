//! Mistakes in a TOML text, shown where they are: file, line, column, the line itself and a caret.
//!
//! Takes a parsed table with spans and gives typed values out of it; whatever is wrong on the way is collected, so that one
//! run names every mistake. It knows nothing about recipes and reads no file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// Collects what is wrong with one text, which may come from several files.
pub struct Problems<'t> {
    /// Where each file's text begins, and the name shown to people.
    files: Vec<(usize, &'t str)>,
    text: &'t str,
    found: RefCell<Vec<(Range<usize>, String)>>,
}

impl<'t> Problems<'t> {
    /// The first file begins with the text.
    pub fn new(files: Vec<(usize, &'t str)>, text: &'t str) -> Problems<'t> {
        Problems { files, text, found: RefCell::default() }
    }

    /// `at` is a range of bytes in the text.
    pub fn add(&self, at: Range<usize>, message: impl Into<String>) {
        self.found.borrow_mut().push((at, message.into()));
    }

    /// All problems in the order of their places, or `None` when there is none.
    pub fn render(&self) -> Option<String> {
        let mut found = self.found.borrow().clone();
        found.sort_by(|a, b| (a.0.start, &a.1).cmp(&(b.0.start, &b.1)));
        let blocks: Vec<String> = found.iter().map(|(at, message)| self.block(at, message)).collect();
        (!blocks.is_empty()).then(|| blocks.join("\n"))
    }

    fn block(&self, at: &Range<usize>, message: &str) -> String {
        let start = at.start.min(self.text.len());
        let line_start = self.text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = self.text[line_start..].find('\n').map_or(self.text.len(), |i| line_start + i);
        let (begin, file) = *self.files.iter().rfind(|(begin, _)| *begin <= start).unwrap_or(&self.files[0]);
        let number = self.text[begin..line_start].matches('\n').count() + 1;
        let column = self.text[line_start..start].chars().count() + 1;
        let line = self.text[line_start..line_end].trim_end().replace('\t', " ");
        let marked = self.text.get(start..at.end.min(line_end)).map_or(0, |s| s.trim_end().chars().count());
        let gutter = " ".repeat(number.to_string().len());
        let mut block = format!("{file}:{number}:{column}: {message}\n  {number} | {line}\n");
        block += &format!("  {gutter} | {}{}", " ".repeat(column - 1), "^".repeat(marked.max(1)));
        block
    }
}

/// A value with the place and the name that messages use.
#[derive(Clone)]
pub struct Value<'a> {
    problems: &'a Problems<'a>,
    /// As a person would write it: `source.xen.commit`.
    pub name: String,
    pub at: Range<usize>,
    value: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    pub fn problem(&self, message: impl Into<String>) {
        self.problems.add(self.at.clone(), message);
    }

    /// Of a part of the string, given in its bytes: shown at its own line where the text stands as it is, between `'''`.
    pub fn problem_within(&self, part: Range<usize>, message: impl Into<String>) {
        let verbatim = self.problems.text.get(self.at.clone()).and_then(|raw| raw.strip_prefix("'''"));
        let Some(raw) = verbatim else { return self.problem(message) };
        let line_break = if raw.starts_with("\r\n") { 2 } else { usize::from(raw.starts_with('\n')) };
        let begin = self.at.start + 3 + line_break;
        self.problems.add(begin + part.start..begin + part.end, message);
    }

    fn wrong(&self, expected: &str) {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a bare date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.problem(format!("`{}` is {found}, expected {expected}", self.name));
    }

    pub fn string(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong("a string in quotes");
        }
        text
    }

    /// A string that `read` understands; its error says what was expected.
    pub fn parsed<T>(&self, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match read(self.string()?) {
            Ok(value) => Some(value),
            Err(why) => {
                self.problem(format!("`{}`: {why}", self.name));
                None
            }
        }
    }

    pub fn number(&self) -> Option<u64> {
        let Some(digits) = self.value.as_integer() else {
            self.wrong("a whole number");
            return None;
        };
        let number = u64::from_str_radix(digits.as_str(), digits.radix()).ok();
        if number.is_none() {
            self.problem(format!("`{}` is {digits}, expected a number from 0 to {}", self.name, u64::MAX));
        }
        number
    }

    pub fn yes(&self) -> Option<bool> {
        let found = self.value.as_bool();
        if found.is_none() {
            self.wrong("true or false");
        }
        found
    }

    pub fn list(&self) -> Option<Vec<Value<'a>>> {
        let Some(items) = self.value.as_array() else {
            self.wrong("a list in square brackets");
            return None;
        };
        let item = |(i, value): (usize, &'a Spanned<DeValue<'a>>)| Value {
            problems: self.problems,
            name: format!("{}[{i}]", self.name),
            at: value.span(),
            value: value.get_ref(),
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    pub fn table(&self) -> Option<Table<'a>> {
        let Some(entries) = self.value.as_table() else {
            self.wrong("a table");
            return None;
        };
        Some(Table {
            problems: self.problems,
            name: self.name.clone(),
            at: self.at.clone(),
            entries,
            known: Vec::new(),
            missing: Vec::new(),
        })
    }

    /// A table whose keys are names chosen by the author: `name` checks a key, `read` reads what stands under it.
    pub fn named<K: Ord, V>(
        &self,
        name: impl Fn(&str) -> Result<K, String>,
        read: impl Fn(&Value<'a>) -> Option<V>,
    ) -> Option<BTreeMap<K, V>> {
        let table = self.table()?;
        let one = |(key, value): (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)| {
            let name = name(key.get_ref()).map_err(|why| self.problems.add(key.span(), why));
            let value = read(&table.value(key, value));
            Some((name.ok()?, value?))
        };
        let all: Vec<Option<(K, V)>> = table.entries.iter().map(one).collect();
        all.into_iter().collect()
    }
}

/// A table whose keys are known to the reader. [`Table::finish`] reports every key that was not asked for.
pub struct Table<'a> {
    problems: &'a Problems<'a>,
    name: String,
    at: Range<usize>,
    entries: &'a DeTable<'a>,
    known: Vec<&'static str>,
    missing: Vec<&'static str>,
}

impl<'a> Table<'a> {
    pub fn root(problems: &'a Problems<'a>, entries: &'a DeTable<'a>) -> Table<'a> {
        Table { problems, name: String::new(), at: 0..0, entries, known: Vec::new(), missing: Vec::new() }
    }

    /// What is missing in a table is looked for at its header, so the header's key is its place.
    fn value(&self, key: &'a Spanned<DeString<'a>>, value: &'a Spanned<DeValue<'a>>) -> Value<'a> {
        let at = if value.get_ref().is_table() { key.span() } else { value.span() };
        let name =
            if self.name.is_empty() { key.get_ref().to_string() } else { format!("{}.{}", self.name, key.get_ref()) };
        Value { problems: self.problems, name, at, value: value.get_ref() }
    }

    pub fn optional(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.known.push(key);
        let (key, value) = self.entries.get_key_value(key)?;
        Some(self.value(key, value))
    }

    pub fn required(&mut self, key: &'static str) -> Option<Value<'a>> {
        let value = self.optional(key);
        if value.is_none() {
            self.missing.push(key);
        }
        value
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Reports the keys that were required and are not there, and every key that nobody asked for, with the nearest one that
    /// would have been understood.
    pub fn finish(self) {
        if !self.missing.is_empty() {
            let keys = quoted(self.missing.iter().copied());
            self.problems.add(self.at.clone(), format!("missing{}: {keys}", self.place()));
        }
        for key in self.entries.keys() {
            if !self.known.iter().any(|known| known == key.get_ref()) {
                let hint = nearest(key.get_ref(), self.known.iter().copied()).map_or_else(
                    || format!("expected one of {}", quoted(self.known.iter().copied())),
                    |near| format!("did you mean `{near}`?"),
                );
                self.problems.add(key.span(), format!("unknown key `{}`{}, {hint}", key.get_ref(), self.place()));
            }
        }
    }

    fn place(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" in `{}`", self.name) }
    }
}

/// `None` when the value is there and wrong; `Some(None)` when it is not there.
pub fn optional<'a, T>(value: Option<Value<'a>>, read: impl FnOnce(&Value<'a>) -> Option<T>) -> Option<Option<T>> {
    match value {
        Some(value) => read(&value).map(Some),
        None => Some(None),
    }
}

/// All items of a list, or `None` after every wrong one was reported.
pub fn each<'a, T>(value: &Value<'a>, read: impl Fn(&Value<'a>) -> Option<T>) -> Option<Vec<T>> {
    let items: Vec<Option<T>> = value.list()?.iter().map(read).collect();
    items.into_iter().collect()
}

/// The candidate that a typing mistake most likely meant, if one is near enough.
pub fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `` `a`, `b`, `c` ``
pub fn quoted<'c>(words: impl Iterator<Item = &'c str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
