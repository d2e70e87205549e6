//! One namespace layout for every step: fixed path, host name, user and clock, no network, the toolchain's root read-only.
//!
//! Bubblewrap does the work (the host's, or the one of `toolchains/builder.lock` where the host has none). The root is put
//! together from the top-level entries of the toolchain, so that a toolchain needs no mount points of ours.

mod bubblewrap;
pub mod disguise;

pub use bubblewrap::find as bubblewrap;

use crate::context::Context;
use anyhow::{Context as _, Result, bail};
use disguise::Disguise;
use fs_err as fs;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Part of every step's key: changed whenever what a step sees of the sandbox changes.
pub const LAYOUT: &str = "sandbox/1";

/// The folder of a step's source inside, where its script starts.
pub const BUILD: &str = "/build";

/// Where a step finds the sysroot that it asks for.
pub const SYSROOT: &str = "/sysroot";

/// Where programs of a toolchain are.
pub const PATH: &str = "/usr/sbin:/usr/bin";

/// Where a step puts what it makes.
pub const OUT: &str = "/out";

const HOST: &str = "builder";
const UMASK: &str = "022";

/// The user and group that everything runs as; the account `builder` of the toolchain's `/etc/passwd`.
const UID: &str = "1000";

/// Mounted over whatever the toolchain has there.
const OWN: [&str; 5] = ["dev", "in", "proc", "run", "tmp"];

/// What every process finds in its environment unless [`Sandbox::env`] says otherwise.
pub const ENV: [(&str, &str); 6] = [
    ("PATH", PATH),
    ("HOME", "/nonexistent"),
    ("LC_ALL", "C.UTF-8"),
    ("TZ", "UTC"),
    // Xen's tree clones and downloads what it misses; a step must fail at once instead of waiting for a network.
    ("GIT", "/bin/false"),
    ("WGET", "/bin/false"),
];

/// One sandbox to be.
pub struct Sandbox {
    /// The toolchain's root, seen as `/`.
    pub root: PathBuf,
    /// Host folders by their place inside; writable. A device is what has its place below `/dev`: nowhere else can one be opened.
    pub writable: Vec<(PathBuf, String)>,
    /// Host folders or files by their place inside; read-only.
    pub readonly: Vec<(PathBuf, String)>,
    pub env: BTreeMap<String, String>,
    pub cwd: String,
    /// Keeps the terminal: only `shell` asks for it.
    pub interactive: bool,
    /// Runs as the root of its user namespace, for package managers: everything belongs to it. No step does.
    pub administrator: bool,
    /// Lets what runs write to the root itself, which must be a private copy. No step does.
    pub open_root: bool,
}

impl Sandbox {
    /// What a step has, with nothing mounted: a toolchain's root, and a folder to start in.
    pub fn new(root: impl Into<PathBuf>, cwd: &str) -> Sandbox {
        Sandbox {
            root: root.into(),
            writable: Vec::new(),
            readonly: Vec::new(),
            env: BTreeMap::new(),
            cwd: cwd.to_owned(),
            interactive: false,
            administrator: false,
            open_root: false,
        }
    }

    /// The command that runs `argv` inside, with a umask of 022, unless the store is a disguised one. Inherited file descriptors (the jobserver's) stay open.
    pub fn command(&self, ctx: &Context, argv: &[&str]) -> Result<Command> {
        let program = bubblewrap::find(ctx)?;
        // The environment is set on bubblewrap itself, which hands it on: nothing of the host's is in it.
        let mut command = start(&program);
        let disguise = ctx.store.disguise();
        command.env_clear().envs(ENV).envs(disguise.env()).envs(&self.env);
        command.args(
            self.arguments(disguise, ctx.store.root())
                .with_context(|| format!("making a sandbox of {}", self.root.display()))?,
        );
        let (.., umask) = disguise.identity();
        command.args(["/bin/sh", "-c", &format!("umask {umask}; exec \"$@\""), "sh"]).args(argv);
        if !self.interactive {
            command.stdin(Stdio::null());
        }
        Ok(command)
    }

    fn arguments(&self, disguise: &Disguise, store: &Path) -> Result<Vec<OsString>> {
        let (uid, host, _) = disguise.identity();
        let mut arguments = isolation(if self.administrator { "0" } else { uid }, host);
        if self.administrator {
            // Bubblewrap takes them from everyone but the machine's own root: `chroot`, which rpm does, needs one.
            arguments.extend(["--cap-add", "ALL"].map(OsString::from));
        }
        let bind = if self.open_root { "--bind" } else { "--ro-bind" };
        if !self.interactive {
            // Without a session of its own a step could type into the user's terminal (TIOCSTI). As the first process of
            // its namespace it is bubblewrap's own child, which is waited for: its processor time is counted.
            arguments.extend(["--new-session", "--as-pid-1"].map(OsString::from));
        }
        let mut mount = |words: &[&dyn AsRef<std::ffi::OsStr>]| {
            arguments.extend(words.iter().map(|word| word.as_ref().to_owned()));
        };
        let mut entries = fs::read_dir(&self.root)?.collect::<std::io::Result<Vec<_>>>()?;
        entries.sort_by_key(|entry| entry.file_name());
        if disguise.layout {
            entries.reverse();
        }
        for entry in entries {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !OWN.contains(name)) else { continue };
            let inside = format!("/{name}");
            if entry.file_type()?.is_symlink() {
                mount(&[&"--symlink", &fs::read_link(entry.path())?, &inside]);
            } else {
                mount(&[&bind, &entry.path(), &inside]);
            }
        }
        mount(&[&"--proc", &"/proc", &"--dev", &"/dev", &"--tmpfs", &"/tmp", &"--tmpfs", &"/run", &"--tmpfs", &"/in"]);
        for (how, mounts) in [("--bind", &self.writable), ("--ro-bind", &self.readonly)] {
            for (host, inside) in mounts {
                if !inside.starts_with('/') {
                    bail!("the place `{inside}` inside is not absolute");
                }
                let how = if inside.starts_with("/dev/") { "--dev-bind" } else { how };
                mount(&[&how, host, &disguise.place(inside)]);
            }
        }
        arguments.extend(disguise.arguments(store));
        let cwd = disguise.place(&self.cwd);
        arguments.extend(["--remount-ro", "/in", "--remount-ro", "/", "--chdir", &cwd].map(OsString::from));
        Ok(arguments)
    }
}

/// What separates the inside from the outside, whatever is mounted.
fn isolation(uid: &str, host: &str) -> Vec<OsString> {
    // `--unshare-all` alone would only try to get a user namespace, and go on without one.
    let words = ["--unshare-user", "--unshare-all", "--die-with-parent", "--uid", uid, "--gid", uid];
    words.into_iter().chain(["--hostname", host]).map(OsString::from).collect()
}

#[expect(clippy::disallowed_methods, reason = "this is the sandbox that everything else has to go through")]
fn start(program: &[OsString]) -> Command {
    let mut command = Command::new(&program[0]);
    command.args(&program[1..]);
    command
}
