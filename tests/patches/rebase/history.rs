//! A tiny project's history as a real repository: an old and a new commit of upstream, and a queue upon the old one.

use crate::support::scenario::Content;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use xtask::digest::GitId;
use xtask::patches;
use xtask::recipe::Source;

/// What a commit does to the files. A text on one line stands for as many lines as it has letters.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Change {
    pub subject: String,
    pub files: BTreeMap<String, String>,
    pub links: BTreeMap<String, String>,
    /// Path to octal digits.
    pub modes: BTreeMap<String, String>,
    pub remove: Vec<String>,
    /// From and to; before all else.
    pub rename: BTreeMap<String, String>,
}

impl Change {
    fn make(&self, root: &Path) {
        for (from, to) in &self.rename {
            fs_err::create_dir_all(root.join(to).parent().unwrap()).unwrap();
            fs_err::rename(root.join(from), root.join(to)).unwrap();
        }
        for path in &self.remove {
            fs_err::remove_file(root.join(path)).unwrap();
        }
        let letters = |text: &String| match text.contains('\n') {
            true => text.clone(),
            false => text.chars().map(|c| format!("{c}\n")).collect(),
        };
        let files = self.files.iter().map(|(path, text)| (path.clone(), letters(text))).collect();
        for path in self.files.keys().chain(self.links.keys()) {
            // Where a folder was, a file may come.
            let _ = fs_err::remove_dir(root.join(path));
        }
        Content { files, links: self.links.clone(), modes: self.modes.clone(), ..Content::default() }.write(root);
    }
}

/// What the real `git rebase` made of the queue.
pub struct Rebased {
    pub conflicts: Vec<String>,
    /// The unmerged files at the first of them, as `git status` says it.
    pub unmerged: Option<String>,
    pub dropped: Vec<String>,
    pub tree: String,
}

pub struct History {
    path: PathBuf,
}

impl History {
    /// Tags `old` and `new`, and a branch `queue`.
    pub fn make(path: &Path, old: &Change, upstream: &[Change], queue: &[Change]) -> History {
        fs_err::create_dir_all(path).unwrap();
        let history = History::at(path);
        history.git(&["init", "-q", "-b", "main"]);
        history.commit("old", old);
        history.git(&["tag", "old"]);
        upstream.iter().for_each(|change| history.commit(&change.subject, change));
        history.git(&["tag", "new"]);
        history.git(&["checkout", "-q", "-b", "queue", "old"]);
        queue.iter().for_each(|change| history.commit(&change.subject, change));
        history
    }

    /// A repository that is there.
    pub fn at(path: &Path) -> History {
        History { path: path.to_owned() }
    }

    fn commit(&self, subject: &str, change: &Change) {
        change.make(&self.path);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", subject]);
    }

    /// The commit and tree of a tag as a pin.
    pub fn source(&self, tag: &str) -> Source {
        let tree = GitId::try_from(self.git(&["rev-parse", &format!("{tag}^{{tree}}")])).unwrap();
        let (commit, release) = (Some(self.id(tag)), tag.to_owned());
        Source {
            commit,
            tree: Some(tree),
            sha256: None,
            folder: None,
            epoch: None,
            release,
            license: None,
            signed_by: None,
            debian: None,
            queue: None,
            origins: Vec::new(),
            bundle: Vec::new(),
        }
    }

    pub fn id(&self, tag: &str) -> GitId {
        GitId::try_from(self.git(&["rev-parse", tag])).unwrap()
    }

    /// The queue's files by name; a name is the commit's subject.
    pub fn patches(&self) -> BTreeMap<String, Vec<u8>> {
        let folder = crate::support::scratch();
        let to = folder.path().to_str().unwrap();
        let form = ["format-patch", "-q", "-o", to, "--zero-commit", "--no-stat", "--no-signature", "-k", "-M"];
        self.git(&[&form[..], &["--binary", "--full-index", "old..queue"]].concat());
        let mut patches = BTreeMap::new();
        for entry in fs_err::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            // Git counts them before the name: `0001-0101-….patch`.
            let name = path.file_name().unwrap().to_str().unwrap()[5..].to_owned();
            patches.insert(name, fs_err::read(path).unwrap());
        }
        patches
    }

    /// Rebases the queue, leaving out what conflicts.
    pub fn rebased(&self) -> Rebased {
        let subjects = |range: &str| -> Vec<String> {
            self.git(&["log", "--reverse", "--format=%s", range]).lines().map(str::to_owned).collect()
        };
        self.git(&["tag", "asked", "queue"]);
        let mut conflicts = Vec::new();
        let mut done = self.run(&["rebase", "-q", "new", "queue"]).is_ok();
        let mut unmerged = None;
        while !done {
            unmerged = unmerged.or_else(|| Some(self.unmerged()));
            conflicts.extend(subjects("REBASE_HEAD~1..REBASE_HEAD"));
            done = self.run(&["rebase", "--skip"]).is_ok();
        }
        let mut dropped = subjects("old..asked");
        let kept = subjects("new..queue");
        dropped.retain(|subject| !kept.contains(subject) && !conflicts.contains(subject));
        Rebased { conflicts, unmerged, dropped, tree: self.git(&["rev-parse", "queue^{tree}"]) }
    }

    pub fn unmerged(&self) -> String {
        let status = self.git(&["status", "--porcelain"]);
        let lines = status.lines().filter(|line| line[..2].contains('U') || ["AA", "DD"].contains(&&line[..2]));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// What git printed; it must go well.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.run(arguments).unwrap_or_else(|error| panic!("git {arguments:?}: {error}"))
    }

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = patches::git(&self.path);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "A. Packager");
            command.env(format!("GIT_{role}_EMAIL"), "packager@example.org");
            command.env(format!("GIT_{role}_DATE"), "2024-05-06T07:08:09Z");
        }
        let output = command.env("GIT_EDITOR", "true").args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}
