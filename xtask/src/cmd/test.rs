//! `test`: formatting, lints and tests of the project itself, and one line that sums them up.
//!
//! The slow tests are those in `slow::`. Without `--slow` they are not run here; run by hand they say what they ask for.

use crate::cli;
use crate::context::{self, Context};
use crate::fault::Fault;
use crate::interrupt;
use crate::report::Report;
use crate::sandbox;
use anyhow::{Context as _, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};
use xshell::{Shell, cmd};

/// Checks and tests together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    passed: u64,
    failed: u64,
}

impl Sum {
    fn add(&mut self, other: Sum) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

pub fn run(args: &cli::Test, report: &Report) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(context::checkout()?);
    let tools = tools(args, report)?;
    let mut sum = Sum::default();
    let mut check = |command: &str, slow: bool| -> Result<()> {
        report.note(&format!("cargo {command}"));
        let output = cargo(&shell, command, &tools, slow)?;
        interrupt::check()?;
        let counted = count(&String::from_utf8_lossy(&output.stdout), output.status.success());
        if counted.failed > 0 {
            report.note(&String::from_utf8_lossy(&output.stdout));
        }
        sum.add(counted);
        Ok(())
    };
    if !args.only {
        check("fmt --check", false)?;
        check("clippy --quiet --all-targets -- --deny warnings", false)?;
        check("test --quiet --no-fail-fast -- --format pretty --skip slow::", false)?;
        // What runs in a stubdomain is a workspace of its own, whose tests run on this machine.
        const STUBDOM: &str = "--manifest-path stubdom/Cargo.toml";
        const APART: &str = "--target-dir target/stubdom";
        check(&format!("fmt --check --all {STUBDOM}"), false)?;
        check(&format!("clippy --quiet {STUBDOM} {APART} --workspace --all-targets -- --deny warnings"), false)?;
        check(&format!("test --quiet {STUBDOM} {APART} --workspace --no-fail-fast -- --format pretty"), false)?;
    }
    if args.slow {
        // With their output as it comes, and no more than two at once: nearly each of them is a build that uses the whole machine.
        let skip: String = args.skip.iter().map(|part| format!(" --skip {part}")).collect();
        check(
            &format!("test --quiet --test suite -- --format pretty --nocapture --test-threads 2{skip} slow::"),
            true,
        )?;
    }
    let line = format!("{} passed, {} failed", sum.passed, sum.failed);
    report.result(&line, serde_json::json!({ "passed": sum.passed, "failed": sum.failed }));
    if sum.failed > 0 {
        return Err(Fault::failed("the project's own tests failed").cure("what failed stands above").into());
    }
    Ok(())
}

/// The search path for the tests, in which there is a bubblewrap: without one of the host, the locked one as a script in `target`.
fn tools(args: &cli::Test, report: &Report) -> Result<OsString> {
    let ctx = Context::open(report, &args.place, &args.net, &cli::Work::default())?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let words = sandbox::bubblewrap(&ctx)?;
    if words.len() == 1 {
        return Ok(path);
    }
    let folder = ctx.root.join("target/tools");
    fs_err::create_dir_all(&folder)?;
    let quoted = |word: &OsString| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"));
    let words: Vec<String> = words.iter().map(quoted).collect();
    let program = folder.join("bwrap");
    fs_err::write(&program, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" ")))?;
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    Ok(std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&path)))?)
}

/// Standard error goes to the user at once: cargo shows there what it compiles, and a slow test where it is.
fn cargo(shell: &Shell, command: &str, path: &OsStr, slow: bool) -> Result<Output> {
    let words = command.split(' ');
    let mut command = Command::from(cmd!(shell, "cargo {words...}"));
    command.env("PATH", path);
    if slow {
        command.env("XENWRIGHT_SLOW", "1");
    }
    command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("running cargo")
}

/// Adds up what libtest prints for each binary. A command that prints no such line is one check; one that fails without a failed
/// test, by a crash or a compile error, counts as failed.
fn count(stdout: &str, success: bool) -> Sum {
    let mut sum = Sum::default();
    for line in stdout.lines().filter_map(|line| line.strip_prefix("test result: ")) {
        let number = |name: &str| {
            let words: Vec<&str> = line.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
            words.windows(2).find(|pair| pair[1] == name).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
        };
        sum.add(Sum { passed: number("passed"), failed: number("failed") });
    }
    match success {
        true if sum == Sum::default() => sum.passed = 1,
        false if sum.failed == 0 => sum.failed = 1,
        _ => (),
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_are_added_up() {
        let stdout = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s\n\
                      test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        assert_eq!(count(stdout, false), Sum { passed: 16, failed: 2 });
    }

    #[test]
    fn a_crash_is_a_failure_and_a_check_counts_as_one() {
        let stdout = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        assert_eq!(count(stdout, false), Sum { passed: 12, failed: 1 });
        assert_eq!(count("", true), Sum { passed: 1, failed: 0 });
        assert_eq!(count("", false), Sum { passed: 0, failed: 1 });
    }
}
