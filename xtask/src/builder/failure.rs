//! What a failed step tells its user: what happened, the last words of its log, where the rest is, and what to do.

use crate::fault::Fault;
use anyhow::Result;
use fs_err as fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// How many lines of the log are shown.
const LINES: usize = 20;

/// How much of the log's end is read for them, and searched for known causes.
const TAIL_BYTES: u64 = 64 * 1024;

/// What the log of a step says that looked for a network: the C library, curl and git, and Xen's own script around
/// `GIT=/bin/false`.
const NETWORK: [&str; 6] = [
    "Could not resolve host",
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "git-checkout.sh",
    "/bin/false clone",
];

/// One failed step.
pub struct Failure<'a> {
    pub recipe: &'a str,
    pub step: &'a str,
    /// What went wrong, after the step's name: `failed with exit status 2`.
    pub outcome: String,
    pub log: &'a Path,
}

impl Failure<'_> {
    pub fn into_fault(self) -> Result<Fault> {
        let Failure { recipe, step, outcome, log } = self;
        let tail = tail(log)?;
        let lines: Vec<&str> = tail.lines().collect();
        let mut what = format!("step {step} of {recipe} {outcome}");
        for line in &lines[lines.len().saturating_sub(LINES)..] {
            what.push_str("\n  | ");
            what.push_str(line);
        }
        what.push_str(&format!("\n  log: {}", log.display()));
        let enter = format!("`cargo xtask shell {recipe} {step}` enters the sandbox as the step left it");
        let known = network(&lines).or_else(|| disk(&lines));
        Ok(Fault::failed(what).cure(known.map_or(enter.clone(), |known| format!("{known}; {enter}"))))
    }
}

/// The last line of a log that says something, for progress.
pub fn last_line(log: &Path) -> Option<String> {
    let tail = read_end(log, 2048).ok()?;
    tail.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned)
}

fn network(lines: &[&str]) -> Option<String> {
    let line = lines.iter().find(|line| NETWORK.iter().any(|word| line.contains(word)))?;
    Some(format!(
        "a step has no network, and this one tried one (`{}`): pin what it wants as a source of the recipe, or configure it away",
        line.trim()
    ))
}

fn disk(lines: &[&str]) -> Option<String> {
    lines.iter().find(|line| line.contains("No space left on device"))?;
    Some("the disk is full: free some space, with `cargo xtask store gc` for one, or put the store elsewhere with --store DIR".into())
}

fn tail(log: &Path) -> Result<String> {
    read_end(log, TAIL_BYTES)
}

/// The end of a file from the start of a line on, as text.
fn read_end(log: &Path, bytes: u64) -> Result<String> {
    let mut file = fs::File::open(log)?;
    let size = file.metadata()?.len();
    let start = size.saturating_sub(bytes);
    file.seek(SeekFrom::Start(start))?;
    let mut end = Vec::new();
    file.take(bytes).read_to_end(&mut end)?;
    let text = String::from_utf8_lossy(&end);
    Ok(match text.split_once('\n') {
        Some((_, rest)) if start > 0 => rest.to_owned(),
        _ => text.into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(log: &str) -> (String, String) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), log).unwrap();
        let failure = Failure { recipe: "xen-1.0.0", step: "tools", outcome: "failed".to_owned(), log: file.path() };
        let fault = failure.into_fault().unwrap();
        (fault.what, fault.cure.unwrap())
    }

    #[test]
    fn a_known_cause_is_named() {
        for (line, expected) in [
            ("fatal: unable to access 'https://x.example/': Could not resolve host: x.example", "no network"),
            ("GIT=/bin/false /build/scripts/git-checkout.sh https://x.example/qemu.git t qemu-dir", "no network"),
            ("cc1: error: No space left on device", "the disk is full"),
        ] {
            let (_, cure) = fault(&format!("start\n{line}\nmake: *** [x] Error 1\n"));
            assert!(cure.contains(expected) && cure.contains("cargo xtask shell xen-1.0.0 tools"), "{cure}");
        }
        assert!(fault("error: x\n").1.starts_with("`cargo xtask shell xen-1.0.0 tools`"));
    }

    #[test]
    fn only_the_end_of_a_long_log_is_shown() {
        let log: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
        let (what, _) = fault(&log);
        assert!(what.contains("line 99999") && what.contains("line 99980") && !what.contains("line 99979"), "{what}");
    }
}
