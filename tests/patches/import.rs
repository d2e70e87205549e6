//! `patch import`, as a user runs it: `import/<case>` has `from`, or the words in `from.txt` and the file that they name; the
//! queue that was there (`had`), the queue that is there then (`queue`), and what was answered (`said.txt`). All are for the source
//! in `import/source`.

use super::fixture::{Fixture, case, files};
use crate::support::{expect, scratch};
use std::collections::BTreeMap;
use std::path::Path;
use xtask::cli::patch::Class;
use xtask::patches::content::{Base as _, Folder};
use xtask::patches::import::{Place, found, import};
use xtask::patches::{Patch, Queue, push};

fn imports(name: &str) {
    let folder = case("import").join(name);
    let fixture = Fixture::new(&case("import/source"), &folder.join("had"));
    xtask::tree::copy(&folder, &fixture.checkout().join("in")).unwrap();
    let words = fs_err::read_to_string(folder.join("from.txt")).unwrap_or_else(|_| "from".to_owned());
    let line = format!("xtask patch import tiny src in/{}", words.trim());
    let answer = fixture.run(&line);
    expect::golden(&folder.join("said.txt"), &answer.text(&line));
    let queue = fixture.queue();
    if answer.code != 0 {
        assert_eq!(queue, files(&folder.join("had")), "{name}: a refusal changes nothing");
        return;
    }
    same_files(&folder.join("queue"), &queue);

    // What has been taken in is not taken in again.
    let again = fixture.run(&line);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(again.stdout.contains("is as it was"), "{name}: {}", again.stdout);
    assert_eq!(fixture.queue(), queue);
}

/// Compares a golden folder with files; `UPDATE_EXPECT=1` writes it instead.
fn same_files(folder: &Path, actual: &BTreeMap<String, Vec<u8>>) {
    if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        drop(fs_err::remove_dir_all(folder));
        fs_err::create_dir_all(folder).unwrap();
        actual.iter().for_each(|(name, text)| fs_err::write(folder.join(name), text).unwrap());
    }
    let expected = files(folder);
    let text = |files: &BTreeMap<String, Vec<u8>>| -> String {
        files
            .iter()
            .map(|(name, text)| format!("== {name}\n{}", text.escape_ascii().to_string().replace("\\n", "\n")))
            .collect()
    };
    assert!(expected == *actual, "{}:\n{}\n\nfound:\n{}", folder.display(), text(&expected), text(actual));
}

macro_rules! cases {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            imports($name);
        })*

        #[test]
        fn every_case_is_run() {
            let run = ["source", "range", $($name),*];
            for entry in fs_err::read_dir(case("import")).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(run.contains(&name.as_str()), "import/{name} is not run");
            }
        }
    };
}

cases! {
    a_quilt_directory_with_all_that_series_may_say: "quilt",
    mails_in_files: "mails",
    mails_in_one_file: "mbox",
    an_advisory_s_patch_goes_to_its_class: "advisory",
    mercurial_s_lines_are_a_header: "mercurial",
    carriage_returns_stay_where_the_source_has_them: "returns",
    what_the_queue_has_is_left_out: "again",
    numbers_are_kept_where_they_are_free: "numbers",
    folders_before_names_are_found_out: "guessed",
    a_class_that_is_asked_for: "class",
    a_mail_whose_file_would_lie_elsewhere: "elsewhere",
    a_hunk_that_does_not_apply: "refused-hunk",
    a_context_diff: "refused-context",
    a_name_above_the_source: "refused-outside",
    an_absolute_name: "refused-absolute",
    a_name_in_git_s_folder: "refused-git",
    a_name_through_a_link: "refused-link",
    a_hunk_that_is_cut_off: "refused-cut",
    a_series_that_leaves_its_folder: "refused-series",
    a_series_with_an_unknown_option: "refused-series-option",
    a_series_with_a_missing_file: "refused-series-missing",
    a_series_with_a_link_that_leads_out: "refused-series-link",
    a_text_without_a_diff: "refused-text",
    binary_contents_that_are_not_in_it: "refused-binary",
    a_name_that_leads_nowhere: "refused-nothing",
}

/// A repository whose branch `topic` has two commits upon `base`, and `merged` a merge besides.
fn repository(folder: &Path) {
    xtask::tree::copy(&case("import/source"), folder).unwrap();
    let git = |words: &[&str]| {
        let mut command = xtask::patches::git(folder);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "J\u{f6}rg").env(format!("GIT_{role}_EMAIL"), "j@example.org");
            command.env(format!("GIT_{role}_DATE"), "2024-10-08 23:32:23 +0200");
        }
        let output = command.args(words).output().unwrap();
        assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let commit = |file: &str, text: &str, message: &str| {
        fs_err::write(folder.join(file), text).unwrap();
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", message]);
    };
    git(&["init", "--quiet", "--initial-branch=base"]);
    commit("stray", "", "base");
    git(&["switch", "--quiet", "--create", "topic"]);
    commit("new", "first\n", "new: a file\n\nBecause.\n\nOrigin: vendor");
    git(&["commit", "--quiet", "--allow-empty", "--message", "nothing"]);
    commit("new", "first\nsecond\n", "new: another line");
    git(&["switch", "--quiet", "--create", "merged", "base"]);
    commit("other", "", "other");
    git(&["merge", "--quiet", "--no-edit", "topic"]);
}

#[test]
fn what_is_reversed_takes_back_what_was_done() {
    for name in ["quilt", "mails", "returns", "advisory"] {
        let from = scratch();
        let patches = files(&case("import").join(name).join("queue"));
        patches.iter().for_each(|(name, text)| fs_err::write(from.path().join(name), text).unwrap());
        let forth = patches.keys().map(|name| format!("{name}\n"));
        let back = patches.keys().rev().map(|name| format!("{name} -R\n"));
        fs_err::write(from.path().join("series"), forth.chain(back).collect::<String>()).unwrap();

        let (base, empty) = (Folder(case("import/source")), Queue::default());
        let place = Place { folder: "queue", queue: &empty, base: &base, class: Some(Class::Feature) };
        let found = found::find(from.path().to_str().unwrap()).unwrap();
        let made = import(&place, found).unwrap_or_else(|error| panic!("{name}: {}", xtask::fault::render(&error)));
        let patch = |(file, text): (String, Vec<u8>)| Patch::of(text, file).unwrap();
        let queue = Queue { patches: made.files.into_iter().map(patch).collect() };
        assert_eq!(queue.patches.len(), 2 * patches.len());
        for (path, file) in push(&base, &queue).unwrap().changed() {
            assert_eq!(*file, base.file(path).unwrap(), "{name}: {path}");
        }
    }
}

#[test]
fn commits_of_a_range_come_in_their_order() {
    let fixture = Fixture::new(&case("import/source"), Path::new("/nonexistent"));
    repository(&fixture.checkout().join("in"));
    let mut said = String::new();
    for words in ["in:base..topic", "in:base..topic", "in:base..merged", "in:base..nowhere", "home:base..topic"] {
        let line = format!("xtask patch import tiny src {words}");
        said += &fixture.run(&line).text(&line);
    }
    let folder = case("import/range");
    expect::golden(&folder.join("said.txt"), &said);
    same_files(&folder.join("queue"), &fixture.queue());
}

#[test]
fn a_line_without_end_is_refused_where_it_begins() {
    let fixture = Fixture::new(&case("import/source"), Path::new("/nonexistent"));
    let mut text = b"Subject: long\n\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-line 1\n+".to_vec();
    text.resize(32 << 20, b'x');
    fs_err::write(fixture.checkout().join("long.patch"), text).unwrap();
    let answer = fixture.run("xtask patch import tiny src long.patch");
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.starts_with("error: long.patch: line 7"), "{}", answer.stderr);
}
