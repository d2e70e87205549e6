//! A Debian system in a private copy of its locked root, and stories that are told in it. A story is a shell's session with the
//! machine's administrator, as a golden file:
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
use crate::support::{expect, root};
use fs_err as fs;
use std::path::{Path, PathBuf};
use xtask::cli;
use xtask::context::Context;
use xtask::report::{Report, Style};
use xtask::rootfs;
use xtask::sandbox::Sandbox;
use xtask::toolchain::Toolchain;
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
        tree::copy(&HOME.join(installed(&ctx)), &root).unwrap();
        let readonly = folders.iter().map(|(folder, name)| (folder.clone(), format!("/in/{name}"))).collect();
        Machine { ctx, sandbox: sandbox(root, readonly), remembered: None }
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

fn sandbox(root: PathBuf, readonly: Vec<(PathBuf, String)>) -> Sandbox {
    Sandbox {
        root,
        writable: Vec::new(),
        readonly,
        // What init tells scripts, and what nobody in a sandbox would.
        env: [("RUNLEVEL", "2"), ("PREVLEVEL", "N")].map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        cwd: "/".to_owned(),
        interactive: false,
        administrator: true,
        open_root: true,
    }
}

/// The system that all machines are copies of: the packages of `toolchains/guest.lock` unpacked as every toolchain is, and then
/// `tests/dpkg/installed` run in it. Made by the first test that asks; gives its folder in [`HOME`].
fn installed(ctx: &Context) -> &'static str {
    const NAME: &str = "guest";
    static MADE: std::sync::Once = std::sync::Once::new();
    MADE.call_once(|| {
        let toolchain = Toolchain::load(&root(), NAME).unwrap();
        let unpacked = rootfs::obtain(ctx, &toolchain).unwrap();
        let system = HOME.join(NAME);
        fs::create_dir(&system).unwrap();
        tree::copy(&unpacked.path, &system).unwrap();
        let debs = rootfs::fetch(ctx, &toolchain).unwrap();
        let debs =
            debs.into_iter().zip(&toolchain.debs).map(|(path, deb)| (path, format!("/in/{}", deb.file()))).collect();
        let script = fs::read_to_string(root().join("tests/dpkg/installed")).unwrap();
        let output = sandbox(system, debs).command(ctx, &["/bin/sh", "-c", &script]).unwrap().output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.is_empty(), "tests/dpkg/installed: {said}");
    });
    NAME
}
