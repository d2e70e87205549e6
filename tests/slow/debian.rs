//! Debian's queue for Xen carried through every verb of `patch`, beside quilt, `git am` and `git rebase`. Asks a Debian mirror.

use super::{HOME, asked};
use crate::support::root;
use fs_err as fs;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use xshell::{Shell, cmd};
use xtask::cli;
use xtask::context::Context;
use xtask::patches::git;
use xtask::report::{Report, Style};
use xtask::yardstick::{self, Quilt, RECIPE, SOURCE};
use xtask::{catalog, sources, tree};

const NEXT: &str = "xen-4.20.3+127";

struct Bench {
    ctx: Context,
    /// A checkout without patches.
    checkout: PathBuf,
    /// The pristine sources of both versions.
    old: PathBuf,
    new: PathBuf,
    /// Debian's `debian/patches`.
    debian: PathBuf,
    work: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let report = Report::new(Style::Plain);
        let place = cli::Place { store: Some(HOME.join("store")) };
        let ctx = Context::open(&report, &place, &cli::Net::default(), &cli::Work::default()).unwrap();
        let source = |stem: &str| {
            let recipe = catalog::find(&root(), stem).unwrap();
            sources::obtain(&ctx, &recipe).unwrap()[SOURCE].path().to_owned()
        };
        let (old, new) = (source(RECIPE), source(NEXT));
        let work = tempfile::tempdir_in(&*HOME).unwrap();
        let checkout = work.path().join("checkout");
        for folder in ["recipes", "stubdom", "toolchains"] {
            fs::create_dir_all(checkout.join(folder)).unwrap();
            tree::copy(&root().join(folder), &checkout.join(folder)).unwrap();
        }
        let debian = yardstick::queue(&ctx).unwrap();
        Bench { ctx, checkout, old, new, debian, work }
    }

    /// Runs a verb of `patch` in the checkout: its exit code and its result.
    fn patch(&self, words: &[&str]) -> (i32, Value) {
        let shell = Shell::new().unwrap();
        shell.change_dir(&self.checkout);
        let program = env!("CARGO_BIN_EXE_xtask");
        let mut command = Command::from(cmd!(shell, "{program} patch {words...} --json"));
        if words[0] != "export" {
            command.arg("--store").arg(HOME.join("store"));
        }
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let result = events.iter().find(|event| event["event"] == "result");
        (output.status.code().unwrap(), result.or(events.last()).cloned().unwrap_or_default())
    }

    fn well(&self, words: &[&str]) -> Value {
        let (code, event) = self.patch(words);
        assert_eq!(code, 0, "patch {words:?}: {event}");
        event["result"].clone()
    }

    fn queue(&self) -> BTreeMap<String, Vec<u8>> {
        files(&self.checkout.join("patches").join(RECIPE).join(SOURCE))
    }

    /// A copy of the old source, in a folder of its own.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.work.path().join(name);
        fs::create_dir(&to).unwrap();
        tree::copy(&self.old, &to).unwrap();
        to
    }

    /// The tree that `quilt push -a` makes of the old source with a quilt directory, by git's id.
    fn quilted(&self, name: &str, queue: &Path) -> String {
        let (tree, patches) = (self.copy(name), self.work.path().join(format!("{name}-queue")));
        fs::create_dir(&patches).unwrap();
        tree::copy(queue, &patches).unwrap();
        let quilt = Quilt::locked(&self.ctx).unwrap();
        // Only what quilt itself calls an exact fit is accepted for what we wrote.
        quilt.run(&self.ctx, &tree, &patches, "quilt push -q -a").unwrap();
        fs::remove_dir_all(tree.join(".pc")).unwrap();
        sources::tree::id(&tree).unwrap().to_string()
    }

    /// A repository that holds the old source as its only commit.
    fn repository(&self, name: &str) -> PathBuf {
        let repository = self.copy(name);
        for words in [
            &["init", "-q", "-b", "master"][..],
            &["add", "-Af", "."],
            &["commit", "-q", "-m", "base"],
            &["tag", "base"],
        ] {
            run(&repository, words).unwrap();
        }
        repository
    }
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
}

/// What git said, or what it complained about.
fn run(repository: &Path, words: &[&str]) -> Result<String, String> {
    let mut command = git(repository);
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "test").env(format!("GIT_{who}_EMAIL"), "test@example.org");
    }
    let output = command.env("GIT_EDITOR", "true").args(words).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    match output.status.success() {
        true => Ok(said(&output.stdout)),
        false => Err(said(&output.stdout) + &said(&output.stderr)),
    }
}

#[test]
fn debians_queue_goes_through_every_verb() {
    if !asked() {
        return;
    }
    let bench = Bench::new();
    let series = fs::read_to_string(bench.debian.join("series")).unwrap();
    let debian = bench.debian.to_str().unwrap();

    // Imported, every patch applies, and the tree is the one that quilt makes.
    bench.well(&["import", RECIPE, SOURCE, debian]);
    assert_eq!(bench.queue().len(), series.lines().count());
    bench.well(&["status", RECIPE]);
    let wanted = bench.quilted("quilt", &bench.debian);
    assert_eq!(ours(&bench), wanted, "the tree of the imported queue is not quilt's");

    // Refreshed: all apply exactly, and the second time nothing changes.
    bench.well(&["refresh", RECIPE, SOURCE]);
    let queue = bench.queue();
    bench.well(&["refresh", RECIPE, SOURCE, "--check"]);
    bench.well(&["edit", RECIPE, SOURCE]);
    bench.well(&["refresh", RECIPE, SOURCE]);
    assert_eq!(bench.queue(), queue, "an untouched queue was changed");
    assert_eq!(ours(&bench), wanted, "refreshing changed what the queue makes");

    // Exported, other packagers' tools make the same tree of it, and it comes back as it was.
    for format in ["quilt", "dep3-quilt"] {
        let to = bench.work.path().join(format!("export-{format}"));
        bench.well(&["export", RECIPE, SOURCE, "--format", format, to.to_str().unwrap()]);
        assert_eq!(bench.quilted(&format!("{format}-tree"), &to), wanted, "{format}");
        comes_back(&bench, &to, &queue);
    }
    let mbox = bench.work.path().join("mbox");
    bench.well(&["export", RECIPE, SOURCE, "--format", "mbox", mbox.to_str().unwrap()]);
    let repository = bench.repository("am");
    run(&repository, &["am", "-q", "--keep-cr", mbox.to_str().unwrap()]).unwrap();
    assert_eq!(run(&repository, &["rev-parse", "HEAD^{tree}"]).unwrap(), wanted, "git am");
    comes_back(&bench, &mbox, &queue);
    rebases_as_git_does(&bench, &repository);
}

/// The tree that the queue makes of the old source, by git's id.
fn ours(bench: &Bench) -> String {
    let recipe = catalog::find(&bench.checkout, RECIPE).unwrap();
    let queues = xtask::patches::Queue::read_all(&bench.checkout, &recipe).unwrap();
    let checked = sources::obtain(&bench.ctx, &recipe).unwrap();
    let patched = xtask::patches::apply(&bench.ctx, &checked[SOURCE], &queues[SOURCE]).unwrap();
    sources::tree::id(patched.path()).unwrap().to_string()
}

/// Importing an export into an empty queue gives the queue.
fn comes_back(bench: &Bench, export: &Path, queue: &BTreeMap<String, Vec<u8>>) {
    fs::remove_dir_all(bench.checkout.join("patches")).unwrap();
    bench.well(&["import", RECIPE, SOURCE, export.to_str().unwrap()]);
    let back = bench.queue();
    assert_eq!(back.keys().collect::<Vec<_>>(), queue.keys().collect::<Vec<_>>(), "{}", export.display());
    for (name, text) in queue {
        assert!(back[name] == *text, "{}: {name} came back as another", export.display());
    }
}

/// What becomes of each patch on the new version agrees with what `git rebase` finds in `repository`, which holds the queue.
fn rebases_as_git_does(bench: &Bench, repository: &Path) {
    let subjects = run(repository, &["log", "--reverse", "--format=%s", "base.."]).unwrap();
    run(repository, &["checkout", "-q", "-b", "new", "base"]).unwrap();
    let folder = repository.join(".git");
    run(&bench.new, &["--git-dir", folder.to_str().unwrap(), "--work-tree", ".", "add", "-Af", "."]).unwrap();
    run(repository, &["commit", "-q", "-m", "new"]).unwrap();
    run(repository, &["reset", "-q", "--hard"]).unwrap();
    run(repository, &["clean", "-q", "-f", "-d", "-x"]).unwrap();

    // One patch after another, a conflicting one is left out, as the table has it.
    let commits = run(repository, &["rev-list", "--reverse", "base..master"]).unwrap();
    let mut git: Vec<&str> = Vec::new();
    for commit in commits.lines() {
        let before = run(repository, &["rev-parse", "HEAD^{tree}"]).unwrap();
        let outcome = match run(repository, &["rebase", "--onto", "new", &format!("{commit}^"), commit]) {
            Err(_) => {
                run(repository, &["rebase", "--abort"]).unwrap();
                run(repository, &["checkout", "-q", "new"]).unwrap();
                "conflict"
            }
            Ok(_) if run(repository, &["rev-parse", "HEAD^{tree}"]).unwrap() == before => "upstream",
            Ok(_) => "carried",
        };
        run(repository, &["checkout", "-q", "-B", "new"]).unwrap();
        git.push(outcome);
    }
    let (_, event) = bench.patch(&["rebase", RECIPE, "--onto", NEXT, "--dry-run"]);
    let rows = event["result"]["queues"][0]["patches"].as_array().unwrap_or_else(|| panic!("{event}"));
    let ours: Vec<&str> = rows
        .iter()
        .map(|row| match row["outcome"].as_str().unwrap() {
            "conflict" => "conflict",
            "upstream" => "upstream",
            _ => "carried",
        })
        .collect();
    let both = |outcomes: &[&str]| -> Vec<String> {
        subjects.lines().zip(outcomes).map(|(subject, outcome)| format!("{outcome}: {subject}")).collect()
    };
    assert_eq!(both(&ours), both(&git));
    assert!(ours.contains(&"carried"), "{event}");
}
