//! What a user sees: `cli/*.cmd` holds a command line, with variables before it, and the `.txt` beside it the whole answer. Run in
//! a checkout with the recipes of `cli/recipes` and with no environment but the variables.

use crate::support::run::run;
use crate::support::{cases, expect, root};

fn checkout() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("recipes")).unwrap();
    fs_err::create_dir(folder.path().join("toolchains")).unwrap();
    // Two of the real cases: what `boot` says without a machine.
    fs_err::create_dir_all(folder.path().join("tests/boot")).unwrap();
    for case in ["tests/boot/pv.toml", "tests/boot/smoke.toml"] {
        fs_err::copy(root().join(case), folder.path().join(case)).unwrap();
    }
    for recipe in cases("cli/recipes", "toml") {
        fs_err::copy(&recipe, folder.path().join("recipes").join(recipe.file_name().unwrap())).unwrap();
    }
    folder
}

#[test]
fn a_command_is_answered_as_written_down() {
    let checkout = checkout();
    let checkout = fs_err::canonicalize(checkout.path()).unwrap();
    for case in cases("cli", "cmd") {
        let line = fs_err::read_to_string(&case).unwrap();
        expect::golden(&case.with_extension("txt"), &run(&checkout, &line, &[]).text(line.trim()));
    }
}

#[test]
fn json_is_one_object_a_line() {
    let checkout = checkout();
    for line in ["xtask list --json", "xtask fetch nowhere --json", "xtask store verify --json"] {
        let answer = run(checkout.path(), line, &[]);
        let events = answer.events();
        assert!(!events.is_empty() && answer.stderr.is_empty(), "{}", answer.text(line));
        assert!(events.iter().all(|event| event["event"].is_string()), "{}", answer.text(line));
    }
}
