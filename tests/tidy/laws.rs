//! The laws as functions from files to findings; they read nothing themselves.

use clap::error::ErrorKind;
use std::collections::BTreeSet;
use xtask::cli;

pub struct Text {
    /// Below the checkout.
    pub path: String,
    pub text: String,
}

impl Text {
    pub fn new(path: &str, text: &str) -> Text {
        Text { path: path.to_owned(), text: text.to_owned() }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

pub fn opens_with_its_purpose(texts: &[Text]) -> Vec<String> {
    let silent = texts.iter().filter(|t| t.is_rust() && !t.text.starts_with("//! "));
    silent.map(|t| format!("{}: opens without `//!`: say what it takes, gives and does not do", t.path)).collect()
}

pub fn stays_small(texts: &[Text]) -> Vec<String> {
    let long = texts.iter().filter(|t| t.is_rust() && t.text.lines().count() > 500);
    long.map(|t| format!("{}: over 500 lines: find its seam", t.path)).collect()
}

/// These take plain values and give plain values: what they say can depend on nothing else.
const PURE: [&str; 26] = [
    "xtask/src/audit.rs",
    "xtask/src/audit/",
    "xtask/src/boot/case.rs",
    "xtask/src/boot/case/",
    "xtask/src/boot/emulator.rs",
    "xtask/src/boot/event.rs",
    "xtask/src/boot/report.rs",
    "xtask/src/boot/timeline.rs",
    "xtask/src/boot/timeline/",
    "xtask/src/boot/transcript.rs",
    "xtask/src/boot/verdict.rs",
    "xtask/src/boot/verdict/",
    "xtask/src/boot/watch.rs",
    "xtask/src/elf.rs",
    "xtask/src/elf/",
    "xtask/src/filter.rs",
    "xtask/src/markup.rs",
    "xtask/src/patches/lint.rs",
    "xtask/src/patches/lint/",
    "xtask/src/patches/mail.rs",
    "xtask/src/patches/mail/",
    "xtask/src/patches/name.rs",
    "xtask/src/plan.rs",
    "xtask/src/provide.rs",
    "xtask/src/recipe.rs",
    "xtask/src/recipe/",
];

pub fn stays_pure(texts: &[Text]) -> Vec<String> {
    let impure = ["std::fs", "fs_err", "std::env", "std::net", "std::process", "SystemTime", "Instant", "std::io::std"];
    let mut findings = Vec::new();
    for text in texts.iter().filter(|t| PURE.iter().any(|pure| t.path.starts_with(pure))) {
        // Tests stand at the end of a file and may read their cases.
        let code = text.text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in impure.iter().filter(|word| code.contains(**word)) {
            findings.push(format!("{}: a pure module mentions `{word}`: move that to the edge", text.path));
        }
    }
    findings
}

/// Folders named after recipes that no recipe claims, and queues of sources that the recipe does not have.
pub fn has_no_orphans(recipes: &[(String, BTreeSet<String>)], texts: &[Text]) -> Vec<String> {
    let mut findings = BTreeSet::new();
    for text in texts {
        let parts: Vec<&str> = text.path.split('/').collect();
        let (stem, source) = match parts[..] {
            ["patches", stem, source, _] => (stem, Some(source)),
            ["patches", ..] => {
                findings.insert(format!("{}: a patch lies in patches/<recipe>/<source>/", text.path));
                continue;
            }
            ["tests", "golden", stem, ..] => (stem, None),
            _ => continue,
        };
        match recipes.iter().find(|(name, _)| name == stem) {
            None => findings.insert(format!("{}: no recipe is called {stem}", text.path)),
            Some((_, sources)) => source.is_some_and(|s| {
                !sources.contains(s) && findings.insert(format!("{}: {stem} has no such source", text.path))
            }),
        };
    }
    findings.into_iter().collect()
}

/// A name of the machine that the checkout lies on has no place in it: others build on others.
pub fn names_no_machine(words: &BTreeSet<String>, texts: &[Text]) -> Vec<String> {
    let mut findings = Vec::new();
    // cargo writes where a package came from into its lock.
    for text in texts.iter().filter(|t| t.path != "Cargo.lock") {
        for word in words {
            let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '}' | ']' | '~');
            let alone = |at: usize| !text.text[..at].ends_with(inside) || !word.starts_with('/');
            if let Some((at, _)) = text.text.match_indices(word.as_str()).find(|(at, _)| alone(*at)) {
                let line = text.text[..at].matches('\n').count() + 1;
                findings.push(format!("{}:{line}: names a registry, a mirror or a folder of this machine", text.path));
            }
        }
    }
    findings
}

/// The hosts of all addresses in a configuration, without comments and without the machine itself.
pub fn hosts(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let addresses = lines.flat_map(|line| line.split("://").skip(1));
    let host = |rest: &str| rest.split(['/', ':', '"', ' ', ']']).next().unwrap_or_default().to_owned();
    addresses.map(host).filter(|h| h.contains('.') && !h.starts_with("127.")).collect()
}

pub fn bans(clippy: &str) -> Vec<String> {
    let wanted =
        ["HashMap", "HashSet", "SystemTime::now", "Command::new", "fs::read_to_string", "fs::write", "File::create"];
    let missing = wanted
        .into_iter()
        .filter(|name| !clippy.lines().any(|l| l.contains(&format!("{name}\"")) && l.contains("reason")));
    missing.map(|name| format!("clippy.toml: no ban with a reason on {name}")).collect()
}

/// Every command in the papers is one that the command line understands; prose may leave out what a verb is applied to.
pub fn commands(texts: &[Text]) -> Vec<String> {
    let mut findings = Vec::new();
    let speaks = |t: &&Text| t.path.ends_with(".md") || t.path == ".ci/run" || t.path.starts_with("docs/ci/");
    for text in texts.iter().filter(speaks) {
        for line in text.text.lines().filter_map(|line| line.split("cargo xtask ").nth(1)) {
            let words = line.split(['#', '`', '|', '"', ')']).next().unwrap_or_default().split_whitespace();
            let words: Vec<&str> = words.take_while(|word| !word.starts_with(['<', '…', '>'])).collect();
            if let Err(error) = <cli::Cli as clap::Parser>::try_parse_from([&["xtask"], &words[..]].concat())
                && !words.is_empty()
                && error.exit_code() != 0
                && !matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::MissingSubcommand)
            {
                findings.push(format!("{}: `cargo xtask {}` is not a command: {error}", text.path, words.join(" ")));
            }
        }
    }
    findings
}
