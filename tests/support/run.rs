//! Runs the program as a user does, with an environment that holds nothing of the machine's.

use std::path::Path;
use std::process::Command;
use xshell::{Shell, cmd};

/// What the program answered.
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// All of it, for a golden file.
    pub fn text(&self, line: &str) -> String {
        format!("$ {line}\n[exit {}]\n[stdout]\n{}[stderr]\n{}", self.code, self.stdout, self.stderr)
    }

    /// The events of a run with `--json`.
    pub fn events(&self) -> Vec<serde_json::Value> {
        let event = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON ({e}): {line}"));
        self.stdout.lines().map(event).collect()
    }
}

/// Runs a line such as `HOME= xtask list --json` in `checkout`: variables, the word `xtask`, arguments. The home lies in the
/// checkout, whose path is shown as `[CHECKOUT]`.
pub fn run(checkout: &Path, line: &str, environment: &[(&str, &str)]) -> Answer {
    let shell = Shell::new().unwrap();
    shell.change_dir(checkout);
    let variables: Vec<(&str, &str)> = line.split_whitespace().map_while(|word| word.split_once('=')).collect();
    let words = line.split_whitespace().skip(variables.len() + 1);
    let program = env!("CARGO_BIN_EXE_xtask");
    let mut command = Command::from(cmd!(shell, "{program} {words...}"));
    command.env_clear().env("HOME", checkout.join("home")).envs(environment.iter().copied()).envs(variables);
    let output = command.output().unwrap();
    let place = checkout.to_str().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(place, "[CHECKOUT]");
    let code = output.status.code().expect("it ends by itself");
    Answer { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}
