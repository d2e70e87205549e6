//! The packages of both series, started in emulated machines: every case passes, and every broken input makes its case fail for the
//! reason that the case names.

use super::{HOME, SERIES, asked, built};
use crate::support::root;
use serde_json::Value;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use xshell::{Shell, cmd};
use xtask::boot::cases;

/// What `boot` gives: whether all was as it should be, and the verdicts.
fn boot(stem: &str, words: &[&str]) -> (bool, Vec<Value>) {
    let (program, store, out) =
        (env!("CARGO_BIN_EXE_xtask"), HOME.join("store"), HOME.join("boot").join(words.join("-")).join(stem));
    let shell = Shell::new().unwrap();
    shell.change_dir(root());
    let line = cmd!(shell, "{program} boot {stem} {words...} --out {out} --json --store {store}");
    let output = Command::from(line).stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let result = events.iter().find(|event| event["event"] == "result").map(|event| &event["result"]);
    let result = result.unwrap_or_else(|| panic!("{stem} {words:?}: {text}"));
    (output.status.success(), result["cases"].as_array().unwrap().clone())
}

fn all_cases_pass(stem: &str) {
    built(stem);
    let (good, verdicts) = boot(stem, &[]);
    for verdict in &verdicts {
        eprintln!(
            "boot {stem} {}: {} in {:.1} s of guest time, {:.1} s of CPU",
            verdict["case"].as_str().unwrap(),
            verdict["verdict"].as_str().unwrap(),
            verdict["guest-seconds"].as_f64().unwrap(),
            verdict["cpu-seconds"].as_f64().unwrap()
        );
    }
    let failed: Vec<&Value> = verdicts.iter().filter(|verdict| verdict["verdict"] != "passed").collect();
    assert!(good && failed.is_empty(), "{stem}: {failed:#?}");
    assert_eq!(verdicts.len(), cases::all(&root()).unwrap().len(), "{stem}");
}

#[test]
fn all_cases_pass_on_the_older_series() {
    if asked() {
        all_cases_pass(SERIES[0]);
    }
}

#[test]
fn all_cases_pass_on_the_newer_series() {
    if asked() {
        all_cases_pass(SERIES[1]);
    }
}

#[test]
fn every_case_can_fail() {
    if !asked() {
        return;
    }
    // The series take turns: what makes a case fail is the same in both.
    SERIES.iter().for_each(|stem| drop(built(stem)));
    let cases = cases::all(&root()).unwrap();
    assert!(cases.iter().all(|case| !case.broken.is_empty()));
    let broken: Vec<(&str, &str)> =
        cases.iter().flat_map(|case| case.broken.keys().map(|name| (case.name.as_str(), name.as_str()))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((case, name)) = broken.get(next.fetch_add(1, Ordering::Relaxed)) {
            let stem = SERIES[case.len() % 2];
            let (good, verdicts) = boot(stem, &[case, "--broken", name]);
            assert!(good, "{stem} {case} --broken {name}: {verdicts:#?}");
            assert!(verdicts[0]["verdict"] == "failed" && verdicts[0]["broken"]["name"] == **name, "{verdicts:#?}");
            eprintln!("boot {stem} {case} --broken {name}: {}", verdicts[0]["reason"].as_str().unwrap());
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
}
