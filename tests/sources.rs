//! Sources from origins of every kind, well or not, all on this machine.

mod download;
mod git;
mod obtain;
mod tree;

use crate::support::http::{Server, Trouble};
use fs_err as fs;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use xtask::context::{Context, Net};
use xtask::digest::Hash;
use xtask::download::{Line, Patience, Wanted};
use xtask::report::{Report, Style};
use xtask::store::Store;

/// A machine of its own: a store, a mirror folder, and a web server over another folder.
struct World {
    folder: TempDir,
    server: Server,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        for name in ["store", "mirror", "web"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let server = Server::start(&folder.path().join("web"));
        World { folder, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A context whose mirror folder is not asked.
    fn ctx(&self) -> Context {
        Context {
            root: self.path(""),
            store: Store::open(&self.path("store")).unwrap(),
            net: Net { debian: vec![self.server.base()], line: Arc::new(Line::new(patience())), ..Net::default() },
            report: Report::new(Style::Silent),
            jobs: 1,
            ccache: false,
        }
    }

    fn mirrored(&self) -> Context {
        let mut ctx = self.ctx();
        ctx.net.mirrors.push(self.path("mirror"));
        ctx
    }

    /// The blob that the server has under `/name`.
    fn wanted(&self, name: &str, bytes: &[u8]) -> Wanted {
        fs::write(self.path("web").join(name), bytes).unwrap();
        Wanted {
            name: name.to_owned(),
            sha256: Hash::of(bytes),
            size: bytes.len() as u64,
            urls: vec![self.server.url(&format!("/{name}"))],
        }
    }

    fn trouble(&self, name: &str, trouble: Trouble) {
        self.server.trouble(&format!("/{name}"), trouble);
    }

    /// True if the store holds nothing of the blob, neither whole nor in part.
    fn is_gone(&self, wanted: &Wanted) -> bool {
        let store = Store::open(&self.path("store")).unwrap();
        store.blob(&wanted.sha256).is_none() && !store.partial(&wanted.sha256).exists()
    }
}

/// A hundredth of what a user waits.
fn patience() -> Patience {
    Patience {
        connect: Duration::from_millis(500),
        stall: Duration::from_millis(300),
        quiet: Duration::from_millis(600),
        probe: Duration::from_millis(500),
        pause: Duration::from_millis(5),
    }
}

/// Bytes that are not all alike.
fn bytes(count: usize) -> Vec<u8> {
    (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// The whole story of an error, as the user sees it.
fn story<T>(result: anyhow::Result<T>) -> String {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => xtask::fault::render(&error),
    }
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    let mut missing = String::new();
    for part in parts.iter().filter(|part| !text.contains(**part)) {
        writeln!(missing, "  {part}").unwrap();
    }
    assert!(missing.is_empty(), "{text}\ndoes not say:\n{missing}");
}

/// Runs git with nobody's configuration and gives what it prints.
#[expect(clippy::disallowed_methods, reason = "the test compares with git itself")]
fn run_git(at: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(at)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "core.autocrlf=false"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
