//! Debian's hypervisors built again, beside the packages that Debian published. Asks a Debian mirror.

use super::{HOME, asked};
use crate::plan;
use crate::support::{expect, root};
use serde_json::Value;
use std::fmt::Write as _;
use std::process::Command;
use xshell::{Shell, cmd};
use xtask::context::Context;
use xtask::job::Job;
use xtask::report::{Report, Style};
use xtask::{catalog, cli};

/// `tests/golden/<recipe>/published.txt` has what Debian published by sha256, `plan.txt` the patches of its queue that reach a step.
#[test]
fn debians_hypervisors_are_built_again_byte_for_byte() {
    if !asked() {
        return;
    }
    let place = cli::Place { store: Some(HOME.join("store")) };
    let net = cli::Net::default();
    let ctx = Context::open(&Report::new(Style::Plain), &place, &net, &cli::Work::default()).unwrap();
    let shell = Shell::new().unwrap();
    shell.change_dir(root());
    let (program, store) = (env!("CARGO_BIN_EXE_xtask"), HOME.join("store"));
    let result = |words: &[&str]| -> (i32, Value) {
        let output = Command::from(cmd!(shell, "{program} {words...} --json --store {store}")).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let event = events.rfind(|event| event["event"] == "result");
        (output.status.code().unwrap(), event.unwrap_or_else(|| panic!("{text}"))["result"].take())
    };
    let recipes = catalog::all(&root()).unwrap().into_iter().map(|entry| catalog::load(&root(), &entry).unwrap());
    let recipes: Vec<_> = recipes.filter(|recipe| !recipe.published.is_empty()).collect();
    assert_eq!(recipes.len(), 2);
    for recipe in recipes {
        let stem = recipe.stem();
        let (code, verdict) = result(&["verify", "--published", &stem]);
        let mut text = String::new();
        for file in verdict["recipes"][0]["files"].as_array().unwrap() {
            let word = |value: &Value| value.as_str().unwrap().to_owned();
            writeln!(text, "{} {}", word(&file["theirs"]["sha256"]), word(&file["path"])).unwrap();
            assert_eq!(file["ours"], file["theirs"], "{stem}: {}", verdict["recipes"][0]["differences"]);
        }
        assert_eq!(code, 0, "{verdict}");
        expect::golden(&root().join("tests/golden").join(&stem).join("published.txt"), &text);

        plan::as_its_golden_file_says(&Job::new(&ctx, &stem).unwrap());
        let (code, audit) = result(&["audit", &stem]);
        assert_eq!((code, &audit["findings"]), (0, &serde_json::json!([])));
    }
}
