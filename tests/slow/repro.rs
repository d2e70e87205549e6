//! Both series built once more, in another world and another layout of the sandbox, beside what the suite has built.

use super::{HOME, SERIES, asked, built};
use crate::support::root;
use serde_json::Value;
use std::process::Command;
use xshell::{Shell, cmd};

#[test]
fn both_series_are_the_same_in_another_world() {
    if !asked() {
        return;
    }
    for stem in SERIES {
        let (program, store, theirs) = (env!("CARGO_BIN_EXE_xtask"), HOME.join("store"), built(stem));
        let shell = Shell::new().unwrap();
        shell.change_dir(root());
        let line = cmd!(shell, "{program} repro {stem} --inside --against {theirs} --offline --json --store {store}");
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
        let varied: Vec<&str> =
            result["varied"].as_array().unwrap().iter().filter_map(|it| it["what"].as_str()).collect();
        for what in ["wall clock of the steps", "order of directories in the steps", "build path inside"] {
            assert!(varied.contains(&what), "{stem}: {what} in {varied:?}");
        }
    }
}
