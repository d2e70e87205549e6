//! What the suite has built, built once more in another world. On two processors that world has one: the older series takes the longest
//! of all slow tests and comes first, by its name, so that the others run on the other processor meanwhile. The newer one comes last, by a
//! test in `slow.rs`; both use one store.

use super::{HOME, SERIES, asked, built};
use crate::support::root;
use serde_json::Value;
use std::process::Command;
use xshell::{Shell, cmd};

#[test]
fn the_older_series_is_the_same_in_another_world() {
    if asked() {
        the_same(SERIES[0]);
    }
}

pub fn the_same(stem: &str) {
    let (program, store, theirs) = (env!("CARGO_BIN_EXE_xtask"), HOME.join("store"), built(stem));
    let shell = Shell::new().unwrap();
    shell.change_dir(root());
    // What both share, such as the stubdomain's kernel and libraries, is built again once.
    let second = HOME.join("second");
    let line = cmd!(
        shell,
        "{program} repro {stem} --inside --against {theirs} --offline --json --store {store} --second-store {second}"
    );
    let output = Command::from(line).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let result = events.iter().find(|event| event["event"] == "result").map(|event| &event["result"]);
    let result = result.unwrap_or_else(|| panic!("{stem}: {text}"));
    assert_eq!(result["differences"], serde_json::json!([]), "{stem}");
    assert!(result["identical"] == true && output.status.success(), "{stem}: {result}");
    // The whole tree was looked at, and nothing was left as it was for want of a compiler.
    let files: u64 = result["artifacts"].as_array().unwrap().iter().filter_map(|it| it["files"].as_u64()).sum();
    assert!(files > 400, "{stem}: {files}");
    let varied: Vec<&str> = result["varied"].as_array().unwrap().iter().filter_map(|it| it["what"].as_str()).collect();
    for what in ["wall clock of the steps", "order of directories in the steps", "build path inside"] {
        assert!(varied.contains(&what), "{stem}: {what} in {varied:?}");
    }
}

#[test]
fn a_difference_is_opened_in_diffoscope() {
    if !asked() {
        return;
    }
    // Not the series that the test above begins with: both work in the recipe's folder below `target/repro`.
    let (stem, ours) = (SERIES[1], built(SERIES[1]));
    let (theirs, said) = (HOME.join("changed"), HOME.join("diffoscope.txt"));
    fs_err::create_dir_all(&theirs).unwrap();
    xtask::tree::copy(&ours, &theirs).unwrap();
    let sums = fs_err::read_to_string(ours.join("SHA256SUMS")).unwrap();
    fs_err::write(theirs.join("SHA256SUMS"), format!("{sums}no sum\n")).unwrap();
    let (program, store) = (env!("CARGO_BIN_EXE_xtask"), HOME.join("store"));
    let shell = Shell::new().unwrap();
    shell.change_dir(root());
    let line = cmd!(shell, "{program} repro {stem} --against {theirs} --built --out {ours} --store {store} --quiet");
    let output = Command::from(line).arg(format!("--diffoscope={}", said.display())).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let said = fs_err::read_to_string(said).unwrap();
    assert!(said.contains("second/SHA256SUMS") && said.contains("+no sum"), "{said}");
    assert!(!said.contains("second/manifest.json"), "what is the same is not opened: {said}");
}
