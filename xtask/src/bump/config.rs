//! What a makefile says that a variable is, read without make: text in, a value or the reason why there is none.
//!
//! This is as much of make's language (GNU make manual, chapters 6 and 7) as `Config.mk` needs: assignments, references,
//! comparisons with known sides. A variable that the file never sets is the user's, and empty. Whatever needs a function, a shell
//! or another file is unclear, and what depends on it too; nothing is guessed. Included files are not read.

use std::collections::BTreeMap;

/// What is said of one variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Value(String),
    /// It is set, to something that is not understood; why.
    Unclear(String),
    Nothing,
}

/// A makefile's variables.
#[derive(Clone, Debug, Default)]
pub struct Makefile {
    variables: BTreeMap<String, Text>,
}

/// An unexpanded value, or the reason why there is none.
type Text = Result<String, String>;

/// References that lead to references end somewhere, or in a circle.
const DEPTH: usize = 16;

impl Makefile {
    pub fn read(text: &str) -> Makefile {
        let mut makefile = Makefile::default();
        let mut conditions: Vec<Condition> = Vec::new();
        let mut defining = false;
        for (number, line) in logical_lines(text) {
            let line = without_comment(&line);
            let word = line.split_whitespace().next().unwrap_or_default();
            match word {
                "define" | "endef" => defining = word == "define",
                _ if defining || line.starts_with('\t') => {}
                "ifeq" | "ifneq" | "ifdef" | "ifndef" => {
                    let holds = makefile.test(word, line.trim_start()[word.len()..].trim());
                    conditions.push(Condition { line: number, holds });
                }
                "else" => {
                    if let Some(condition) = conditions.last_mut() {
                        // `else ifeq …` asks again; that it is met is not followed any further.
                        let plain = line.trim() == "else";
                        condition.holds = condition.holds.filter(|_| plain).map(|holds| !holds);
                    }
                }
                "endif" => drop(conditions.pop()),
                _ => makefile.assign(&line, &conditions),
            }
        }
        makefile
    }

    /// What `name` is after the whole file.
    pub fn get(&self, name: &str) -> Said {
        match self.variables.get(name) {
            None => Said::Nothing,
            Some(text) => match text.clone().and_then(|text| self.expand(&text, DEPTH)) {
                Ok(value) if value.is_empty() => Said::Nothing,
                Ok(value) => Said::Value(value),
                Err(reason) => Said::Unclear(reason),
            },
        }
    }

    fn assign(&mut self, line: &str, conditions: &[Condition]) {
        let Some((name, operator, value)) = assignment(line) else { return };
        if conditions.iter().any(|condition| condition.holds == Some(false)) {
            return;
        }
        let old = self.variables.get(name).cloned();
        if operator == "?=" && old.is_some() {
            return;
        }
        let new = match operator {
            "!=" => Err("what a shell says".to_owned()),
            "+=" => match &old {
                None => Ok(value.to_owned()),
                Some(old) => old.clone().map(|old| format!("{old} {value}")),
            },
            ":=" | "::=" | ":::=" => self.expand(value, DEPTH),
            _ => Ok(value.to_owned()),
        };
        let unknown = conditions.iter().find(|condition| condition.holds.is_none());
        let new = match unknown {
            Some(condition) if old.as_ref() != Some(&new) => {
                Err(format!("it depends on the condition in line {}", condition.line))
            }
            _ => new,
        };
        self.variables.insert(name.to_owned(), new);
    }

    fn test(&self, word: &str, rest: &str) -> Option<bool> {
        let equal = match word {
            "ifdef" | "ifndef" => match self.variables.get(rest) {
                None => false,
                Some(Ok(text)) => !text.is_empty(),
                Some(Err(_)) => return None,
            },
            _ => {
                let (left, right) = sides(rest)?;
                self.expand(left.trim(), DEPTH).ok()? == self.expand(right.trim(), DEPTH).ok()?
            }
        };
        Some(equal != word.starts_with("ifn"))
    }

    fn expand(&self, text: &str, depth: usize) -> Text {
        let Some((before, rest)) = text.split_once('$') else { return Ok(text.trim().to_owned()) };
        let unclear = || format!("`{text}` is not a plain reference");
        let close = match rest.chars().next() {
            Some('(') => ')',
            Some('{') => '}',
            _ => return Err(unclear()),
        };
        let (name, after) = rest[1..].split_once(close).ok_or_else(unclear)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(unclear());
        }
        if depth == 0 {
            return Err(format!("`{name}` leads in a circle"));
        }
        let value = match self.variables.get(name) {
            None => String::new(),
            Some(value) => self.expand(&value.clone()?, depth - 1)?,
        };
        self.expand(&format!("{before}{value}{after}"), depth - 1)
    }
}

/// What a conditional that is open asks.
struct Condition {
    line: usize,
    /// None where that is not known.
    holds: Option<bool>,
}

/// The lines, those that a backslash continues joined, each with the number of its first.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        let (line, goes_on) = match line.strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| open) {
            Some((_, last)) => *last += &format!(" {}", line.trim_start()),
            None => lines.push((at + 1, line.to_owned())),
        }
        open = goes_on;
    }
    lines
}

fn without_comment(line: &str) -> String {
    let starts = line.match_indices('#').find(|(at, _)| !line[..*at].ends_with('\\'));
    line[..starts.map_or(line.len(), |(at, _)| at)].to_owned()
}

/// Name, operator and value of a line such as `export A ?= b`; None for whatever else a makefile has.
fn assignment(line: &str) -> Option<(&str, &str, &str)> {
    let (before, value) = line.split_once('=')?;
    let name = before.trim_end_matches([':', '?', '+', '!']);
    let operator = &line[name.len()..=before.len()];
    let mut words = name.split_whitespace().rev();
    let name = words.next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let known = words.all(|word| matches!(word, "export" | "override"));
    (known && name.chars().all(plain)).then_some((name, operator, value.trim()))
}

/// The two sides of `(a,b)`; the other spellings are not used here.
fn sides(rest: &str) -> Option<(&str, &str)> {
    rest.trim().strip_prefix('(')?.strip_suffix(')')?.split_once(',').filter(|(left, _)| !left.contains("$(call"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# SEABIOS = commented
GIT_HTTP ?= n
ifneq (,$(FIRMWARE_TAG))
FIRMWARE_REVISION ?= $(FIRMWARE_TAG)
endif
ifeq ($(GIT_HTTP),y)
URL ?= http://a
else
URL ?= git://b
endif
FIRMWARE_REVISION ?= rel-1.0.0   # a comment
CHILD_REVISION := child-\\
  2.0
BASE = 4.17.3
TRAD_REVISION ?= xen-$(BASE)
OVERRIDDEN := one
override OVERRIDDEN := two
OVERRIDDEN ?= three
export LIST = a
LIST += b
define call
FIRMWARE_REVISION = inside a definition
endef
all: LOCAL = of a target
\tLOCAL = of a recipe
CLOCK = $(shell date)
NOW != date
ifeq ($(CLOCK),noon)
WHEN = noon
else
WHEN = not
endif
ifeq ($(shell uname),Linux)
SAME = x
endif
SAME = x
ROUND = $(AROUND)
AROUND = $(ROUND)
ifdef BASE
KNOWN = yes
endif
EMPTY =
";

    #[test]
    fn a_variable_is_what_make_says() {
        let makefile = Makefile::read(TEXT);
        for (name, value) in [
            ("FIRMWARE_REVISION", "rel-1.0.0"),
            ("URL", "git://b"),
            ("CHILD_REVISION", "child- 2.0"),
            ("TRAD_REVISION", "xen-4.17.3"),
            ("OVERRIDDEN", "two"),
            ("LIST", "a b"),
            ("SAME", "x"),
            ("KNOWN", "yes"),
        ] {
            assert_eq!(makefile.get(name), Said::Value(value.to_owned()), "{name}");
        }
        for name in ["SEABIOS", "LOCAL", "EMPTY", "FIRMWARE_TAG"] {
            assert_eq!(makefile.get(name), Said::Nothing, "{name}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        let makefile = Makefile::read(TEXT);
        for (name, reason) in [
            ("CLOCK", "`$(shell date)` is not a plain reference"),
            ("NOW", "what a shell says"),
            ("WHEN", "it depends on the condition in line 28"),
            ("ROUND", "leads in a circle"),
        ] {
            match makefile.get(name) {
                Said::Unclear(said) => assert!(said.contains(reason), "{name}: {said}"),
                said => panic!("{name}: {said:?}"),
            }
        }
    }
}
