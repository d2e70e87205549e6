//! The Debian system that dom0s are made of, in a private copy, and stories that are told in it. A story is a shell's session with
//! the machine's administrator, as a golden file:
//!
//! ```text
//! # What follows is kept as it is.
//! $ a command
//!     what it said
//!     [status, unless it was 0]
//! % remember
//! % compare but /a/path /another
//! ```
//!
//! `remember` keeps what the machine holds; `compare` tells all that is different by now: paths, modes, contents and links.

use super::HOME;
use crate::support::expect;
use fs_err as fs;
use std::path::{Path, PathBuf};
use xtask::boot::dom0;
use xtask::cli;
use xtask::context::Context;
use xtask::report::{Report, Style};
use xtask::sandbox::Sandbox;
use xtask::tree::{self, Manifest};

/// What the slow tests do things with: their store, the network.
pub fn context() -> Context {
    let place = cli::Place { store: Some(HOME.join("store")) };
    let report = Report::new(Style::Plain);
    Context::open(&report, &place, &cli::Net::default(), &cli::Work::default()).unwrap()
}

pub struct Machine {
    ctx: Context,
    sandbox: Sandbox,
    remembered: Option<Manifest>,
}

impl Machine {
    /// A machine of its own, called `name`, that has each of `folders` read-only under its name below `/in`.
    pub fn new(name: &str, folders: &[(PathBuf, String)]) -> Machine {
        let ctx = context();
        let root = HOME.join("machines").join(name);
        fs::create_dir_all(&root).unwrap();
        tree::copy(&dom0::system(&ctx).unwrap().path, &root).unwrap();
        let readonly = folders.iter().map(|(folder, name)| (folder.clone(), format!("/in/{name}"))).collect();
        Machine { ctx, sandbox: dom0::administrator(root, readonly), remembered: None }
    }

    /// Runs all commands of the story at `path` and compares what they say.
    pub fn tell(&mut self, path: &Path) {
        let mut told = String::new();
        for line in fs::read_to_string(path).unwrap().lines().filter(|line| !line.starts_with("    ")) {
            told += &format!("{line}\n");
            let said = match (line.strip_prefix("$ "), line.strip_prefix("% ")) {
                (Some(command), _) => self.run(command),
                (_, Some(order)) => self.obey(order),
                _ => String::new(),
            };
            // An empty line would be taken for the story's own.
            let lines = said.lines().map(str::trim_end).filter(|line| !line.is_empty());
            told.extend(lines.map(|line| format!("    {line}\n")));
        }
        expect::golden(path, &told);
    }

    /// What a command said, and its exit status unless that was 0.
    pub fn run(&self, command: &str) -> String {
        let script = format!("exec 2>&1\n{command}");
        let output = self.sandbox.command(&self.ctx, &["/bin/sh", "-c", &script]).unwrap().output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        // dpkg counts up to what the whole machine has.
        let mut said: String = said
            .lines()
            .filter(|line| !line.starts_with("(Reading database"))
            .map(|line| format!("{line}\n"))
            .collect();
        if !output.status.success() {
            said += &format!("[{}]\n", output.status.code().expect("it ends by itself"));
        }
        said
    }

    fn obey(&mut self, order: &str) -> String {
        let now = Manifest::of(&self.sandbox.root).unwrap();
        let words: Vec<&str> = order.split(' ').collect();
        match words[..] {
            ["remember"] => {
                self.remembered = Some(now);
                String::new()
            }
            ["compare", "but", ref but @ ..] => {
                let but: Vec<&str> = but.iter().map(|path| path.trim_start_matches('/')).collect();
                let others = |manifest: &Manifest| Manifest {
                    entries: manifest.entries.iter().filter(|entry| !but.contains(&&*entry.path)).cloned().collect(),
                };
                let before = self.remembered.as_ref().expect("a story remembers before it compares");
                others(before).differences(&others(&now)).join("\n")
            }
            _ => panic!("a story has no order `{order}`"),
        }
    }
}
