//! What a user sees: `cli/*.cmd` holds a command line, with variables before it, and the `.txt` beside it the whole answer. Run in
//! a checkout with the recipes of `cli/recipes` and with no environment but the variables.

use crate::support::{cases, expect};
use std::path::Path;
use std::process::Command;
use xshell::{Shell, cmd};

fn checkout() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("recipes")).unwrap();
    fs_err::create_dir(folder.path().join("toolchains")).unwrap();
    for recipe in cases("cli/recipes", "toml") {
        fs_err::copy(&recipe, folder.path().join("recipes").join(recipe.file_name().unwrap())).unwrap();
    }
    folder
}

fn answer(checkout: &Path, line: &str) -> String {
    let shell = Shell::new().unwrap();
    shell.change_dir(checkout);
    let variables: Vec<(&str, &str)> = line.split_whitespace().map_while(|word| word.split_once('=')).collect();
    let words = line.split_whitespace().skip(variables.len() + 1);
    let program = env!("CARGO_BIN_EXE_xtask");
    let mut command = Command::from(cmd!(shell, "{program} {words...}"));
    command.env_clear().env("HOME", checkout.join("home")).envs(variables);
    let output = command.output().unwrap();
    let text =
        |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(checkout.to_str().unwrap(), "[CHECKOUT]");
    let code = output.status.code().expect("it ends by itself");
    format!("$ {line}\n[exit {code}]\n[stdout]\n{}[stderr]\n{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_command_is_answered_as_written_down() {
    let checkout = checkout();
    let checkout = fs_err::canonicalize(checkout.path()).unwrap();
    for case in cases("cli", "cmd") {
        let line = fs_err::read_to_string(&case).unwrap();
        expect::golden(&case.with_extension("txt"), &answer(&checkout, line.trim()));
    }
}

#[test]
fn json_is_one_object_a_line() {
    let checkout = checkout();
    for line in ["xtask list --json", "xtask fetch nowhere --json"] {
        let answer = answer(checkout.path(), line);
        let stdout = answer.split("[stdout]\n").nth(1).unwrap().split("[stderr]\n").next().unwrap();
        assert!(!stdout.is_empty());
        for line in stdout.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(event["event"].is_string(), "{line}");
        }
    }
}
