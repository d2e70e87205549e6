//! `patch export`: an import of what it wrote is the same queue, byte for byte, and `git am` makes the engine's tree of it.

use super::fixture::{Fixture, QUEUE, case, files};
use crate::support::{expect, scratch};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use xtask::cli::patch::Format;
use xtask::patches::content::{Base, Folder};
use xtask::patches::export::export;
use xtask::patches::import::{Place, found, import};
use xtask::patches::mail::{Date, Mail};
use xtask::patches::{Patch, Queue, name, push};

const FORMATS: [Format; 3] = [Format::Quilt, Format::Mbox, Format::Dep3Quilt];

fn source() -> Folder {
    Folder(case("import/source"))
}

/// The patches with numbers from 1001 on.
fn queue(patches: Vec<(Mail, Vec<u8>)>) -> Queue {
    let file = |number: usize, mail: &Mail| name::file_name(1001 + u16::try_from(number).unwrap(), &mail.subject);
    let patch = |(number, (mail, diff)): (usize, (Mail, Vec<u8>))| {
        Patch::of([mail.write(), diff].concat(), format!("queue/{}", file(number, &mail))).unwrap()
    };
    Queue { patches: patches.into_iter().enumerate().map(patch).collect() }
}

/// What an export and an import into an empty queue make of it.
fn there_and_back(queue: &Queue, format: Format, folder: &Path, base: &dyn Base) -> BTreeMap<String, Vec<u8>> {
    let to = folder.join("to");
    export(queue, format, &to).unwrap();
    let found = found::find(to.to_str().unwrap()).unwrap();
    let empty = Queue::default();
    let place = Place { folder: "queue", queue: &empty, base, class: None };
    import(&place, found).unwrap_or_else(|error| panic!("{}", xtask::fault::render(&error))).files
}

#[track_caller]
fn comes_back(queue: &Queue) {
    let base = source();
    for format in FORMATS {
        let folder = scratch();
        let back = there_and_back(queue, format, folder.path(), &base);
        let names = |names: Vec<&str>| names.join("\n");
        let name = |patch: &Patch| patch.file.strip_prefix("queue/").unwrap().to_owned();
        let wanted: Vec<String> = queue.patches.iter().map(name).collect();
        assert_eq!(
            names(back.keys().map(String::as_str).collect()),
            names(wanted.iter().map(String::as_str).collect()),
            "{format:?}"
        );
        for (patch, text) in queue.patches.iter().zip(back.values()) {
            assert!(
                patch.text == *text,
                "{format:?}: {}\n{}\n\nbecame\n{}",
                patch.file,
                patch.text.escape_ascii(),
                text.escape_ascii()
            );
        }
    }
}

/// A new file with these lines.
fn adds(path: &str, lines: &[&[u8]]) -> Vec<u8> {
    let count = if lines.len() == 1 { "1".to_owned() } else { format!("1,{}", lines.len()) };
    let mut diff = format!("diff --git a/{path} b/{path}\nnew file mode 100644\n").into_bytes();
    if lines.is_empty() {
        return diff;
    }
    diff.extend(format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +{count} @@\n").bytes());
    lines.iter().for_each(|line| diff.extend([b"+", *line, b"\n"].concat()));
    diff
}

/// Authors, subjects and lines of bodies as they come, and as nobody would write them.
const AUTHORS: [&[u8]; 6] = [
    b"A User <a@example.org>",
    "J\u{fc}rgen G\u{f3}recki <j@example.org>".as_bytes(),
    b"J\xfcrgen <j@example.org>",
    b"User, A. \"Nick\" <a@example.org>",
    b"a@example.org",
    b"",
];
const SUBJECTS: [&[u8]; 10] = [
    b"x86: a subject",
    b"[xen] fix",
    b"Re: one more time",
    b"Description: of nothing",
    "gr\u{fc}n \u{2192} blau".as_bytes(),
    b"gr\xfcn",
    b"=?utf-8?q?half",
    b"../../etc/passwd",
    b". --- .",
    b"0123-numbered.patch",
];
const LINES: [&[u8]; 24] = [
    b"Because.",
    b"",
    b" ",
    b"  indented",
    b"\ttab",
    b".",
    b"..",
    b" .",
    b"key: value",
    b"std::string",
    b"Origin: upstream, commit:0123456789ab",
    b"Forwarded: no",
    b"Signed-off-by: A <a@example.org>",
    b"From: B <b@example.org>",
    b"Subject: another",
    b"Description: no",
    b"Date: Tue, 8 Oct 2024 23:32:23 +0200",
    b"Bug-Debian: https://bugs.example.org/1",
    b"(cherry picked from commit 0123456789ab)",
    b"From a Mon Sep 17 00:00:00 2001",
    b">From a Mon Sep 17 00:00:00 2001",
    b"---",
    b"diff --git a/x b/x",
    "na\u{ef}ve \u{1f600} gr\u{fc}n".as_bytes(),
];
const NOTES: [&[u8]; 5] = [
    b" a.c | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)",
    b"v2: other words",
    b"v2:\n\n - one: two\n .",
    b"The information above should follow the guidelines",
    b"",
];
const CONTENTS: [&[u8]; 7] =
    [b"one", b"", b"carriage\r", b"-- ", b"gr\xfcn", b"--- a/b", b"From a Mon Sep 17 00:00:00 2001"];

fn one_of<const N: usize>(all: [&'static [u8]; N]) -> impl Strategy<Value = &'static [u8]> {
    (0..N).prop_map(move |at| all[at])
}

fn mail() -> impl Strategy<Value = Mail> {
    let date = prop_oneof![
        Just(None),
        (0_i64..4_000_000_000, -14_i32..=14)
            .prop_map(|(seconds, hours)| Some(Date { seconds, offset_minutes: hours * 30 }))
    ];
    let body = vec(one_of(LINES), 0..8);
    (one_of(AUTHORS), date, one_of(SUBJECTS), body, one_of(NOTES)).prop_map(|(author, date, subject, body, notes)| {
        let mut mail = Mail { date, notes: notes.to_vec(), ..Mail::default() };
        mail.set_author(author);
        mail.set_message(&[subject, b"\n\n", &body.join(&b'\n')].concat());
        mail
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_queue_comes_back(patches in vec((mail(), vec(one_of(CONTENTS), 0..4)), 0..5)) {
        let patch = |(number, (mail, lines)): (usize, (Mail, Vec<&[u8]>))| (mail, adds(&format!("new/{number}"), &lines));
        comes_back(&queue(patches.into_iter().enumerate().map(patch).collect()));
    }
}

/// The queues that the data cases of import make, which hold what git's format has.
fn imported(name: &str) -> Queue {
    let folder = case("import").join(name).join("queue");
    let patch = |(file, text): (String, Vec<u8>)| Patch::of(text, format!("queue/{file}")).unwrap();
    Queue { patches: files(&folder).into_iter().map(patch).collect() }
}

#[test]
fn every_shape_of_change_comes_back() {
    for name in ["quilt", "mails", "returns", "numbers", "advisory"] {
        comes_back(&imported(name));
    }
}

/// Runs git in a work tree, as someone who has nothing configured but a name.
fn git(work: &Path, words: &[&str]) -> String {
    let mut command = xtask::patches::git(work);
    command.args(["-c", "user.name=u", "-c", "user.email=u@example.org", "-c", "core.autocrlf=false"]).args(words);
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn git_am_makes_the_engine_s_tree() {
    for name in ["quilt", "mails", "returns", "numbers", "advisory"] {
        let queue = imported(name);
        let folder = scratch();
        let (base, work, mbox) = (source(), folder.path().join("work"), folder.path().join("mbox"));
        xtask::tree::copy(&base.0, &work).unwrap();
        git(&work, &["init", "--quiet"]);
        git(&work, &["add", "--all"]);
        git(&work, &["commit", "--quiet", "--message=base"]);
        export(&queue, Format::Mbox, &mbox).unwrap();
        git(&work, &["am", "--quiet", mbox.to_str().unwrap()]);
        let gits = git(&work, &["rev-parse", "HEAD^{tree}"]);

        git(&work, &["reset", "--quiet", "--hard", &format!("HEAD~{}", queue.patches.len())]);
        push(&base, &queue).unwrap().write(&work).unwrap();
        git(&work, &["add", "--all"]);
        assert_eq!(git(&work, &["write-tree"]), gits, "{name}");
    }
}

#[test]
fn the_verb_writes_what_is_not_there_yet() {
    let fixture = Fixture::new(&case("import/source"), &case("import/quilt/queue"));
    let at = |path: &str| fixture.checkout().join(path);
    fs_err::create_dir_all(at("full/it")).unwrap();
    fs_err::create_dir_all(at("empty")).unwrap();
    fs_err::write(at("mails"), "here").unwrap();
    let mut said = String::new();
    for words in [
        "src --format quilt empty",
        "src --format dep3-quilt deep/new",
        "src --format mbox out.mbox",
        "src --format quilt full",
        "src --format mbox mails",
        "src --format mbox empty",
        "sources --format mbox other.mbox",
    ] {
        let line = format!("xtask patch export tiny {words}");
        said += &xtask_run(&fixture, &line);
    }
    expect::golden(&case("export/said.txt"), &said);
    assert_eq!(fs_err::read_to_string(at("mails")).unwrap(), "here");
    assert_eq!(files(&at("full/it")), BTreeMap::new());

    let mut quilt = files(&at("empty"));
    let series = quilt.remove("series").unwrap();
    assert_eq!(quilt, files(&at(QUEUE)));
    assert_eq!(series.iter().filter(|&&byte| byte == b'\n').count(), quilt.len());
    let text = |path: &str| String::from_utf8(fs_err::read(at(path)).unwrap()).unwrap();
    expect::golden(&case("export/mbox.txt"), &text("out.mbox"));
    expect::golden(&case("export/dep3.txt"), &text("deep/new/1001-say-it-in-a-better-way.patch"));
    // Nothing is left beside what was written.
    let names: Vec<String> = fs_err::read_dir(fixture.checkout())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(names, [""; 0]);
}

fn xtask_run(fixture: &Fixture, line: &str) -> String {
    let path = std::env::var("PATH").unwrap();
    crate::support::run::run(&fixture.checkout(), line, &[("PATH", path.as_str())]).text(line)
}
