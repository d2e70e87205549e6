//! `patch edit` and `patch refresh`, as a user runs them: `refresh/<case>` has the source (`before`), the `queue`, a script of git
//! commands (`edit`), what was answered (`answer.txt`) and the queue `after`, where it differs. Without a script there is no work
//! tree.

mod random;

use super::fixture::{Fixture, case, files};
use crate::support::expect;
use crate::support::run::Answer;
use std::path::Path;
use xshell::{Shell, cmd};

const WORK: &str = "target/edit/tiny-1.0.0/src";

/// Runs the script in the work tree, as a user with git would.
fn edit(work: &Path, script: &Path) {
    let shell = Shell::new().unwrap();
    shell.change_dir(work);
    let path = std::env::var("PATH").unwrap();
    let identity = ["AUTHOR", "COMMITTER"].map(|role| {
        [("NAME", "A User"), ("EMAIL", "user@example.org"), ("DATE", "2024-05-01T12:00:00+0200")]
            .map(|(what, value)| (format!("GIT_{role}_{what}"), value))
    });
    let command = cmd!(shell, "sh -e {script}").env_clear().env("PATH", path).env("HOME", work.join("nowhere"));
    // What git says of its progress is nobody's concern.
    command.envs(identity.into_iter().flatten()).env("GIT_CONFIG_NOSYSTEM", "1").quiet().output().unwrap();
}

/// Without ids of commits, which hold the clock of a rebase.
fn text(answer: &Answer, line: &str) -> String {
    let text = answer.text(line);
    let is_id = |word: &&str| word.len() == 40 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words: Vec<String> =
        text.split(' ').map(|w| if is_id(&w) { "[ID]".to_owned() } else { w.to_owned() }).collect();
    words.join(" ")
}

fn refreshes(name: &str) {
    let case = case("refresh").join(name);
    let fixture = Fixture::new(&case.join("before"), &case.join("queue"));
    let script = case.join("edit");
    if script.exists() {
        let answer = fixture.run("xtask patch edit tiny src");
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        edit(&fixture.checkout().join(WORK), &script);
    }
    let before = fixture.queue();
    let line = "xtask patch refresh tiny src";
    let checked = fixture.run(&format!("{line} --check"));
    assert_eq!(fixture.queue(), before, "--check changes nothing");
    let answer = fixture.run(line);
    expect::golden(&case.join("answer.txt"), &text(&answer, line));

    let after = fixture.queue();
    assert_eq!(checked.code, i32::from(answer.code != 0 || after != before), "{}{}", checked.stdout, checked.stderr);
    if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") && after != before {
        let folder = case.join("after");
        drop(fs_err::remove_dir_all(&folder));
        xtask::tree::copy(&fixture.checkout().join(super::fixture::QUEUE), &folder).unwrap();
    }
    let expected = if case.join("after").exists() { files(&case.join("after")) } else { before };
    let names = |files: &std::collections::BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&after), names(&expected));
    for (name, found) in &after {
        assert_eq!(String::from_utf8_lossy(found), String::from_utf8_lossy(&expected[name]), "{name}");
        assert_eq!(found, &expected[name], "{name}");
    }
    if answer.code == 0 {
        let again = fixture.run(&format!("{line} --check"));
        assert_eq!(again.code, 0, "a second refresh changes something: {}{}", again.stdout, again.stderr);
    }
}

#[test]
fn a_queue_that_was_opened_and_not_changed_keeps_every_byte() {
    refreshes("untouched");
}

#[test]
fn a_queue_whose_commits_were_all_made_anew_keeps_every_byte() {
    refreshes("replayed");
}

#[test]
fn edited_commits_change_their_files_and_no_others() {
    refreshes("edited");
}

#[test]
fn commits_whose_message_is_all_new_are_known_by_subject_or_diff() {
    refreshes("amended");
}

#[test]
fn commits_may_change_their_order_and_be_squashed() {
    refreshes("reordered");
}

#[test]
fn an_empty_queue_can_be_opened_and_filled() {
    refreshes("empty");
}

#[test]
fn a_queue_that_becomes_empty_has_no_folder() {
    let case = case("refresh/reordered");
    let fixture = Fixture::new(&case.join("before"), &case.join("queue"));
    assert_eq!(fixture.run("xtask patch edit tiny src").code, 0);
    let script = fixture.checkout().join("edit");
    fs_err::write(&script, "git reset --quiet --hard base\n").unwrap();
    edit(&fixture.checkout().join(WORK), &script);
    let answer = fixture.run("xtask patch refresh tiny src");
    assert_eq!((answer.code, answer.stdout.matches("removed\n").count()), (0, 4), "{}{}", answer.stdout, answer.stderr);
    assert!(!fixture.checkout().join(super::fixture::QUEUE).exists());
    assert_eq!(fixture.run("xtask patch refresh tiny src --check").code, 0);
}

#[test]
fn without_a_work_tree_offsets_are_taken_out() {
    refreshes("offsets");
}

#[test]
fn a_work_tree_that_is_not_ready_is_refused() {
    for name in ["dirty", "merge", "nothing", "under-way", "elsewhere", "fixup", "base", "detached"] {
        refreshes(&format!("refused/{name}"));
    }
}

#[test]
fn a_work_tree_of_another_queue_is_refused() {
    let case = case("refresh/untouched");
    let fixture = Fixture::new(&case.join("before"), &case.join("queue"));
    assert_eq!(fixture.run("xtask patch edit tiny src").code, 0);
    let first = fixture.checkout().join(super::fixture::QUEUE).join("0101-plain.patch");
    fs_err::write(&first, fs_err::read_to_string(&first).unwrap() + "\n").unwrap();
    let answer = fixture.run("xtask patch refresh tiny src");
    assert_eq!(answer.code, 1);
    assert!(answer.stderr.contains("the queue has changed"), "{}", answer.stderr);
    let answer = fixture.run("xtask patch refresh tiny src --work recipes");
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("no work tree that `patch edit` made"), "{}", answer.stderr);
}

#[test]
fn the_same_queue_has_the_same_commits_everywhere() {
    let case = case("refresh/untouched");
    let fixture = Fixture::new(&case.join("before"), &case.join("queue"));
    let line = "xtask patch edit tiny src";
    let answer = fixture.run(line);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let mut log = xtask::patches::git(&fixture.checkout().join(WORK));
    log.args(["log", "--format=%H %an <%ae> %aI%n%w(0,2,2)%B", "--name-status", "--no-renames"]);
    let log = log.output().unwrap();
    expect::golden(&case.join("edit.txt"), &(answer.stdout + "\n" + &String::from_utf8_lossy(&log.stdout)));
}

#[test]
fn a_folder_that_holds_something_is_not_overwritten() {
    let case = case("refresh/untouched");
    let fixture = Fixture::new(&case.join("before"), &case.join("queue"));
    let answer = fixture.run("xtask patch edit tiny src --work recipes");
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("recipes is not empty\n  help: "), "{}", answer.stderr);
    assert_eq!(fixture.run("xtask patch edit tiny src --work elsewhere").code, 0);
    let answer = fixture.run("xtask patch refresh tiny src --work elsewhere --check --json");
    let result = answer.events().last().unwrap()["result"].clone();
    assert_eq!(result["queue"], super::fixture::QUEUE);
    let first = serde_json::json!({
        "file": "0101-plain.patch", "was": "0101-plain.patch", "message": false, "moved-hunks": 0, "rewritten": [],
    });
    assert_eq!((&result["patches"][0], answer.code), (&first, 0));
}
