//! The verbs as a user meets them: a rebase that stops, goes on, leaves out, is given up, or is killed. `session/*.txt` hold what
//! they answer.

use super::history::{Change, History};
use crate::support::run::{Answer, run};
use crate::support::{expect, root, scratch};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    old: Change,
    upstream: Vec<Change>,
    queue: Vec<Change>,
}

/// A checkout with recipes for the old and the new sources, and the queues of the old ones.
struct Project {
    folder: tempfile::TempDir,
    tiny: History,
    /// What has been said so far.
    log: std::cell::RefCell<String>,
}

const ONTO: &str = "xtask patch rebase tiny-1 --onto tiny-2";

impl Project {
    fn new() -> Project {
        let folder = scratch();
        let cases = root().join("tests/patches/rebase");
        let told = fs_err::read_to_string(cases.join("session/sources.toml")).unwrap();
        let told: BTreeMap<String, Told> = toml::from_str(&told).unwrap();
        let checkout = folder.path().join("checkout");
        fs_err::create_dir_all(checkout.join("recipes")).unwrap();
        fs_err::create_dir_all(checkout.join("toolchains")).unwrap();
        let recipe = fs_err::read_to_string(cases.join("session/recipe.toml")).unwrap();
        let mut recipes = [("old", "1.0.0"), ("new", "2.0.0")]
            .map(|(tag, version)| (tag, version, recipe.replace("@VERSION@", version)));
        for (name, told) in &told {
            let history =
                History::make(&folder.path().join("mirror").join(name), &told.old, &told.upstream, &told.queue);
            for (tag, _, recipe) in &mut recipes {
                let source = history.source(tag);
                let upper = name.to_uppercase();
                *recipe = recipe
                    .replace(&format!("@{upper}-COMMIT@"), source.commit.unwrap().as_str())
                    .replace(&format!("@{upper}-TREE@"), source.tree.unwrap().as_str());
            }
            let queue = checkout.join("patches/tiny-1.0.0").join(name);
            fs_err::create_dir_all(&queue).unwrap();
            for (file, text) in history.patches() {
                fs_err::write(queue.join(file), text).unwrap();
            }
        }
        for (_, version, recipe) in recipes {
            fs_err::write(checkout.join(format!("recipes/tiny-{version}.toml")), recipe).unwrap();
        }
        let tiny = History::at(&folder.path().join("mirror/tiny"));
        Project { folder, tiny, log: Default::default() }
    }

    fn checkout(&self) -> PathBuf {
        fs_err::canonicalize(self.folder.path().join("checkout")).unwrap()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.checkout().join(path)
    }

    /// Runs a line, and keeps what it says.
    fn run(&self, line: &str) -> Answer {
        let path = std::env::var("PATH").unwrap();
        let mirror = self.folder.path().join("mirror");
        let whole = format!("{line} --offline --mirror {}", mirror.display());
        let answer = run(&self.checkout(), &whole, &[("PATH", path.as_str())]);
        *self.log.borrow_mut() += &(answer.text(line) + "\n");
        answer
    }

    #[track_caller]
    fn ends(&self, line: &str, code: i32) {
        let answer = self.run(line);
        assert_eq!(answer.code, code, "{}", answer.text(line));
    }

    /// The work tree of the source in conflict.
    fn work(&self) -> History {
        History::at(&self.at("target/rebase/tiny-1.0.0/tiny"))
    }

    fn write(&self, file: &str, text: &str) {
        let text: String = text.chars().map(|c| format!("{c}\n")).collect();
        fs_err::write(self.at("target/rebase/tiny-1.0.0/tiny").join(file), text).unwrap();
    }

    /// Mends the first conflict.
    fn mend(&self) {
        self.write("f", "aBcdEfghijklmno6qrstuvwxyz");
        self.work().git(&["add", "f"]);
    }

    /// Everything below `patches/`, and whether a rebase is under way.
    fn repository(&self) -> String {
        let found = xtask::tree::walk(&self.at("patches")).unwrap();
        let file = |found: xtask::tree::Found| match found.metadata.is_dir() {
            true => String::new(),
            false => {
                format!("{}: {}\n", found.path, fs_err::read_to_string(self.at("patches").join(&found.path)).unwrap())
            }
        };
        found.into_iter().map(file).collect()
    }

    fn is_under_way(&self) -> bool {
        self.at("target/rebase").join("tiny-1.0.0").exists()
    }

    fn golden(&self, name: &str) {
        expect::golden(
            &root().join("tests/patches/rebase/session").join(name),
            self.log.borrow().trim_end_matches('\n'),
        );
    }
}

#[test]
fn a_dry_run_tells_all_and_leaves_nothing() {
    let project = Project::new();
    let before = project.repository();
    project.ends(&format!("{ONTO} --dry-run"), 1);
    project.ends(&format!("{ONTO} --dry-run --source aside --json"), 0);
    assert_eq!(project.repository(), before);
    assert!(!project.is_under_way());
    project.golden("dry-run.txt");
}

#[test]
fn a_conflict_is_mended_the_next_left_out_and_all_is_saved_at_the_end() {
    let project = Project::new();
    let before = project.repository();
    project.ends(ONTO, 1);
    let work = project.work();
    assert_eq!(work.git(&["status", "--porcelain"]), "UU f\nM  h");
    let conflict = fs_err::read_to_string(project.at("target/rebase/tiny-1.0.0/tiny/f")).unwrap();
    expect::golden(&root().join("tests/patches/rebase/session/markers.txt"), &conflict);
    assert_eq!(
        work.git(&["log", "--format=%an: %s"]),
        "A. Packager: 0101-tiny-Change-b\nunknown: tiny: the source as it is pinned"
    );

    project.ends(ONTO, 2);
    project.ends("xtask patch continue tiny-1", 1);
    work.git(&["add", "f"]);
    project.ends("xtask patch continue tiny-1", 1);
    project.write("f", "aBcdEfghijklmno6qrstuvwxyz");
    project.ends("xtask patch continue tiny-1", 1);
    work.git(&["add", "f"]);
    project.ends("xtask patch continue tiny-1", 1);
    assert_eq!(work.git(&["log", "-1", "--format=%an: %s"]), "A. Packager: 0102-tiny-Change-e");
    assert_eq!(work.git(&["status", "--porcelain"]), "UU f");
    assert_eq!(project.repository(), before, "nothing changes before the end");

    project.ends("xtask patch skip tiny-1", 0);
    assert!(!project.is_under_way());
    let after = project.repository();
    let (old, new) = after.split_at(before.len());
    assert_eq!(old, before);
    *project.log.borrow_mut() += new;
    project.golden("conflicts.txt");

    // The carried queue is one like any other.
    project.ends("xtask patch rebase tiny-2 --onto tiny-1 --dry-run --source aside", 0);
}

#[test]
fn the_user_may_commit() {
    let project = Project::new();
    project.ends(ONTO, 1);
    project.mend();
    project.work().git(&["commit", "-q", "-m", "tiny: Change e, upstream's way"]);
    project.ends("xtask patch continue tiny-1", 1);
    let subjects = project.work().git(&["log", "--format=%an: %s", "base.."]);
    assert_eq!(subjects, "A. Packager: tiny: Change e, upstream's way\nA. Packager: 0101-tiny-Change-b");
    // Two commits are no patch.
    project.write("f", "aBcdEfghijklmnoPqrstuvwxyz");
    project.work().git(&["commit", "-q", "-a", "-m", "one"]);
    project.write("f", "aBcdEfghijklmnoPPqrstuvwxyz");
    project.work().git(&["commit", "-q", "-a", "-m", "another"]);
    project.ends("xtask patch continue tiny-1", 1);
    project.work().git(&["reset", "-q", "--soft", "HEAD~2"]);
    project.ends("xtask patch continue tiny-1", 0);
    assert!(project.repository().contains("Subject: tiny: Change e, upstream's way\n"), "{}", project.repository());
    project.golden("commit.txt");
}

#[test]
fn a_rebase_that_is_given_up_leaves_nothing() {
    let project = Project::new();
    let before = project.repository();
    project.ends(ONTO, 1);
    project.ends("xtask patch abort tiny-1", 0);
    assert_eq!(project.repository(), before);
    assert!(!project.is_under_way());
    project.ends("xtask patch abort tiny-1", 2);
    project.ends("xtask patch continue tiny-1", 2);
    project.golden("abort.txt");
}

#[test]
fn what_has_changed_meanwhile_is_not_carried() {
    let project = Project::new();
    project.ends(ONTO, 1);
    project.mend();
    let patch = project.at("patches/tiny-1.0.0/aside/0101-aside-Change-e.patch");
    let text = fs_err::read_to_string(&patch).unwrap();
    fs_err::write(&patch, text.replace("Subject: ", "Subject: [again] ")).unwrap();
    project.ends("xtask patch continue tiny-1", 2);
    fs_err::write(&patch, text).unwrap();
    project.ends("xtask patch continue tiny-1", 1);
    project.golden("changed.txt");
}

#[test]
fn wrong_words_are_answered_with_right_ones() {
    let project = Project::new();
    for words in ["--onto tiny-1", "--onto tiny-3", "--onto deadbeef", "--onto tiny-2 --source nowhere"] {
        project.ends(&format!("xtask patch rebase tiny-1 {words}"), 2);
    }
    let commit = project.tiny.id("new");
    project.ends(&format!("xtask patch rebase tiny-1 --onto {commit}"), 2);
    fs_err::create_dir_all(project.at("patches/tiny-2.0.0/aside")).unwrap();
    let name = "aside/0101-aside-Change-e.patch";
    let (from, to) = (format!("patches/tiny-1.0.0/{name}"), format!("patches/tiny-2.0.0/{name}"));
    fs_err::copy(project.at(&from), project.at(&to)).unwrap();
    project.ends(&format!("{ONTO} --source aside"), 2);
    project.ends(&format!("{ONTO} --source aside --replace"), 0);
    assert_ne!(fs_err::read(project.at(&from)).unwrap(), fs_err::read(project.at(&to)).unwrap());
    project.ends("xtask patch rebase tiny-2 --onto tiny-1 --source tiny", 0);
    let recipe = project.at("recipes/tiny-2.0.0.toml");
    let text = fs_err::read_to_string(&recipe).unwrap().replace("source.aside", "source.other");
    fs_err::write(&recipe, text.replace("\"aside\"", "\"other\"")).unwrap();
    fs_err::remove_dir_all(project.at("patches/tiny-2.0.0")).unwrap();
    project.ends(ONTO, 2);
    let patch = project.at("patches/tiny-1.0.0/tiny/0102-tiny-Change-e.patch");
    let text = fs_err::read_to_string(&patch).unwrap();
    fs_err::write(&patch, text.replace("-e\n", "-x\n")).unwrap();
    project.ends("xtask patch rebase tiny-1 --onto tiny-2 --source tiny", 1);
    fs_err::create_dir_all(project.at("target/rebase/tiny-1.0.0")).unwrap();
    fs_err::write(project.at("target/rebase/tiny-1.0.0/rebase.json"), "{ \"version\": 2 }").unwrap();
    project.ends("xtask patch continue tiny-1", 2);
    project.golden("words.txt");
}

#[test]
fn a_queue_is_carried_to_a_commit_where_it_stands() {
    let project = Project::new();
    let commit = project.tiny.id("new");
    project.ends(&format!("xtask patch rebase tiny-1 --onto {commit} --source tiny"), 1);
    project.ends("xtask patch skip tiny-1", 1);
    project.ends("xtask patch skip tiny-1", 0);
    let names: Vec<String> = xtask::tree::walk(&project.at("patches")).unwrap().into_iter().map(|f| f.path).collect();
    assert!(names.contains(&"tiny-1.0.0/tiny/0104-tiny-Change-y.patch".to_owned()), "{names:?}");
    assert!(!names.contains(&"tiny-1.0.0/tiny/0102-tiny-Change-e.patch".to_owned()), "{names:?}");
    project.golden("commit-id.txt");
}

/// Changes the file in which a rebase waits, as a kill at another moment would have left it.
fn as_killed(project: &Project, next: serde_json::Value) {
    let file = project.at("target/rebase/tiny-1.0.0/rebase.json");
    let mut state: serde_json::Value = serde_json::from_slice(&fs_err::read(&file).unwrap()).unwrap();
    state["next"] = next;
    fs_err::write(&file, state.to_string()).unwrap();
    fs_err::write(file.with_extension("json.new"), "{ cut of").unwrap();
}

#[test]
fn a_rebase_that_was_killed_while_it_made_the_work_tree_makes_it_again() {
    let project = Project::new();
    project.ends(ONTO, 1);
    for (gone, verb) in [(".git/refs", "continue"), (".git", "skip"), ("f", "skip"), ("", "continue")] {
        let gone = project.at("target/rebase/tiny-1.0.0/tiny").join(gone);
        if gone.is_dir() { fs_err::remove_dir_all(&gone) } else { fs_err::remove_file(&gone) }.unwrap();
        as_killed(&project, serde_json::json!({ "resolve": { "source": "tiny", "head": null } }));
        project.ends(&format!("xtask patch {verb} tiny-1"), 1);
        assert_eq!(project.work().git(&["status", "--porcelain"]), "UU f\nM  h", "{}", gone.display());
    }
    project.mend();
    project.ends("xtask patch continue tiny-1", 1);
    project.ends("xtask patch skip tiny-1", 0);
    assert!(!project.is_under_way());
}

#[test]
fn a_rebase_that_was_killed_while_it_saved_saves_the_rest() {
    let project = Project::new();
    project.ends(ONTO, 1);
    as_killed(&project, serde_json::json!("save"));
    project.ends(ONTO, 2);
    project.ends("xtask patch abort tiny-1", 2);
    project.ends("xtask patch continue tiny-1", 0);
    assert!(Path::exists(&project.at("patches/tiny-2.0.0/aside/0101-aside-Change-e.patch")));
    assert!(!project.is_under_way());
}
