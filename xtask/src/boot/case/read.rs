//! From a TOML table with spans to a [`Case`]: every key, its type, its form, and the names that it must lead to.

use super::check::{Named, named, setting, unknown_word};
use super::{Boots, Broken, Case, Expect, Guest, Refuse, Replace, WORDS, consoles};
use crate::recipe::diagnose::{Problems, Table, Value, each, nearest, optional, quoted};
use crate::recipe::form::{absolute, filled, identifier, one_of, series, summary};
use std::collections::BTreeMap;
use toml::de::DeTable;

/// More than an hour of guest time is a mistake in the unit.
const LONGEST: u64 = 3600;

// Each reader asks for all of its keys before it gives up on a missing one: all mistakes are found in one run.

pub fn case(problems: &Problems, name: &str, document: &DeTable) -> Option<Case> {
    let mut table = Table::root(problems, document);
    let summary = table.required("summary").and_then(|v| v.parsed(summary));
    let limit = table.required("limit").and_then(|v| seconds(&v, LONGEST));
    let series = optional(table.optional("series"), |v| each(v, |v| v.parsed(series)));
    let needs = optional(table.optional("needs"), |v| each(v, path));
    let with = optional(table.optional("with"), |v| each(v, |v| v.parsed(filled)));
    let upgrade = optional(table.optional("upgrade"), Value::yes);
    let guest = optional(table.optional("guest"), |v| v.named(identifier, guest)).map(Option::unwrap_or_default);
    let run = table.required("run").and_then(|v| Some((v.parsed(filled)?, v)));
    let expect = optional(table.optional("expect"), |v| each(v, |v| expect(v, limit)));
    let refuse = optional(table.optional("refuse"), |v| each(v, refuse));
    let broken = optional(table.optional("broken"), |v| v.named(identifier, |v| broken(v, guest.as_ref())));
    table.finish();
    if let Some(guests) = &guest {
        for (expect, console) in expect.iter().flatten().flatten() {
            known_console(&expect.console, guests, |message| console.problem(message));
        }
        for (refuse, console) in refuse.iter().flatten().flatten() {
            known_console(&refuse.console, guests, |message| console.problem(message));
        }
        if let Some((run, value)) = &run {
            script(run, value, guests);
        }
    }
    let (guest, (run, _)) = (guest?, run?);
    Some(Case {
        name: name.to_owned(),
        summary: summary?,
        limit: limit?,
        series: series?.unwrap_or_default(),
        needs: needs?.unwrap_or_default(),
        with: with?.unwrap_or_default(),
        upgrade: upgrade?.unwrap_or_default(),
        guest: guest.into_iter().map(|(name, (guest, _))| (name, guest)).collect(),
        run,
        expect: expect?.unwrap_or_default().into_iter().map(|(expect, _)| expect).collect(),
        refuse: refuse?.unwrap_or_default().into_iter().map(|(refuse, _)| refuse).collect(),
        broken: broken?.unwrap_or_default(),
        cpu: String::new(),
        xen: String::new(),
        before: String::new(),
        applied: None,
    })
}

type Guests<'a> = BTreeMap<String, (Guest, Value<'a>)>;

fn guest<'a>(value: &Value<'a>) -> Option<(Guest, Value<'a>)> {
    let mut table = value.table()?;
    let boots = table.required("boots").and_then(|v| v.parsed(boots));
    let config = table.required("config").and_then(|v| {
        let config = text(&v)?;
        // Logs, consoles and marks are found by the guest's name.
        let expected = value.name.rsplit('.').next().unwrap_or_default();
        match setting(&config, "name") {
            Some((_, name)) if name == expected => {}
            Some((at, name)) => {
                v.problem_within(at, format!("the guest is called `{expected}` here and `{name}` by xl"))
            }
            None => v.problem(format!("`{}` gives the guest no name: expected `name = \"{expected}\"`", v.name)),
        }
        Some((config, v))
    });
    table.finish();
    let (config, value) = config?;
    Some((Guest { boots: boots?, config }, value))
}

fn expect<'a>(value: &Value<'a>, limit: Option<u64>) -> Option<(Expect, Value<'a>)> {
    let mut table = value.table()?;
    let console = table.required("console").and_then(|v| Some((v.parsed(filled)?, v)));
    let text = table.required("text").and_then(|v| line(&v));
    let within = optional(table.optional("within"), |v| seconds(v, limit.unwrap_or(LONGEST)));
    table.finish();
    let (console, value) = console?;
    Some((Expect { console, text: text?, within: within? }, value))
}

fn refuse<'a>(value: &Value<'a>) -> Option<(Refuse, Value<'a>)> {
    let mut table = value.table()?;
    let console = table.required("console").and_then(|v| Some((v.parsed(filled)?, v)));
    let text = table.required("text").and_then(|v| line(&v));
    table.finish();
    let (console, value) = console?;
    Some((Refuse { console, text: text? }, value))
}

fn broken(value: &Value, guests: Option<&Guests>) -> Option<Broken> {
    let mut table = value.table()?;
    let summary = table.required("summary").and_then(|v| v.parsed(summary));
    let says = table.required("says").and_then(|v| line(&v));
    let cpu = optional(table.optional("cpu"), |v| v.parsed(cpu));
    let xen = optional(table.optional("xen"), line);
    let remove = optional(table.optional("remove"), |v| each(v, path));
    let corrupt = optional(table.optional("corrupt"), |v| each(v, path));
    let config = optional(table.optional("config"), |v| v.named(|name| Ok(name.to_owned()), |v| replace(v, guests)));
    let before = optional(table.optional("before"), |v| v.parsed(filled));
    table.finish();
    let broken = Broken {
        summary: summary?,
        says: says?,
        cpu: cpu?,
        xen: xen?,
        remove: remove?.unwrap_or_default(),
        corrupt: corrupt?.unwrap_or_default(),
        config: config?.unwrap_or_default(),
        before: before?.unwrap_or_default(),
    };
    let words = broken.cpu.is_some() || broken.xen.is_some() || !broken.before.is_empty();
    if !words && broken.config.is_empty() && broken.remove.is_empty() && broken.corrupt.is_empty() {
        let changes = ["before", "config", "corrupt", "cpu", "remove", "xen"];
        value.problem(format!("`{}` changes nothing: expected one of {}", value.name, quoted(changes.into_iter())));
    }
    Some(broken)
}

/// `{ replace = ["old", "new"] }`, in a guest's configuration.
fn replace(value: &Value, guests: Option<&Guests>) -> Option<Replace> {
    let mut table = value.table()?;
    let both = table.required("replace").and_then(|v| Some((each(&v, |v| Some(v.string()?.to_owned()))?, v)));
    table.finish();
    let (both, place) = both?;
    let Ok([old, new]) = <[String; 2]>::try_from(both) else {
        place.problem(format!("`{}`: expected two strings, what is there and what takes its place", place.name));
        return None;
    };
    let name = value.name.rsplit('.').next().unwrap_or_default();
    match guests.map(|guests| guests.get(name)) {
        Some(None) => {
            let known = guests.into_iter().flat_map(BTreeMap::keys).map(String::as_str);
            value.problem(format!("there is no guest `{name}`{}", hint(name, known)));
        }
        Some(Some((guest, _))) if old.is_empty() || !guest.config.contains(&old) => {
            place.problem(format!("the configuration of guest `{name}` does not have `{old}`"));
        }
        _ => {}
    }
    Some(Replace { old, new })
}

/// The script names guests and consoles that exist, and every guest.
fn script(run: &str, value: &Value, guests: &Guests) {
    for (what, name, at) in named(run) {
        match what {
            Named::Guest if !guests.contains_key(name) => {
                let hint = hint(name, guests.keys().map(String::as_str));
                value.problem_within(at, format!("there is no guest `{name}`{hint}"));
            }
            Named::Guest => {}
            Named::Console => {
                known_console(name, guests, |message| value.problem_within(at.clone(), message));
            }
        }
    }
    for (name, (_, config)) in guests {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if !run.split(|c| !word(c)).any(|part| part == name) {
            config.problem(format!("guest `{name}` is never started: `run` does not name it"));
        }
    }
}

fn known_console(name: &str, guests: &Guests, problem: impl Fn(String)) {
    let known = consoles(guests.keys());
    if !known.iter().any(|known| known == name) {
        let hint = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!(", did you mean `{near}`?"),
            None => format!(", expected one of {}", quoted(known.iter().map(String::as_str))),
        };
        problem(format!("there is no console `{name}`{hint}"));
    }
}

fn hint<'c>(name: &str, known: impl Iterator<Item = &'c str>) -> String {
    nearest(name, known).map(|near| format!(", did you mean `{near}`?")).unwrap_or_default()
}

/// A text whose `$WORDS` are filled in.
fn text(value: &Value) -> Option<String> {
    let text = value.parsed(filled)?;
    if let Some((at, word)) = unknown_word(&text, &WORDS) {
        let hint = hint(word, WORDS.into_iter());
        value.problem_within(at, format!("`${word}` is filled in by nobody{hint}"));
    }
    Some(text)
}

fn line(value: &Value) -> Option<String> {
    let text = text(value)?;
    if text.contains('\n') {
        value.problem(format!("`{}` has several lines, and what is looked for is in one", value.name));
    }
    Some(text)
}

/// A path in dom0. It stands between double quotes in a script, where only the words' `$` means anything.
fn path(value: &Value) -> Option<String> {
    let text = text(value)?;
    let filled = WORDS.iter().fold(text.clone(), |path, word| match *word {
        "PRIVATE" => path.replace("$PRIVATE", "/usr"),
        word => path.replace(&format!("${word}"), "1"),
    });
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
    match absolute(&filled) {
        Ok(path) if path.chars().all(plain) => Some(text),
        _ => {
            value.problem(format!("`{text}` is not a plain path in dom0, such as `/usr/bin/x` or `$PRIVATE/bin/x`"));
            None
        }
    }
}

fn seconds(value: &Value, most: u64) -> Option<u64> {
    let number = value.number()?;
    if (1..=most).contains(&number) {
        return Some(number);
    }
    value.problem(format!("`{}` is {number}, expected seconds of guest time from 1 to {most}", value.name));
    None
}

/// As QEMU reads it behind `-cpu max`.
fn cpu(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let feature = |word: &str| word.len() > 1 && word.starts_with(['+', '-']) && word[1..].chars().all(plain);
    if text.split(',').all(feature) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a list of processor features: expected such as `-svm` or `-npt,-svm`"))
}

fn boots(text: &str) -> Result<Boots, String> {
    let name = one_of(text, &Boots::ALL.map(Boots::name))?;
    Ok(Boots::ALL.into_iter().find(|boots| boots.name() == name).expect("one_of checked the name"))
}
