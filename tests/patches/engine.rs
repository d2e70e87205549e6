//! The engine beside `git apply`: the same patches apply, and they give the same files; what was applied exactly can be taken
//! back.

use crate::support::scratch;
use git2::{DiffOptions, Repository, Tree};
use proptest::prelude::*;
use std::path::Path;
use xtask::patches::apply::{Direction, Misfit, Offset, apply};
use xtask::patches::content::{self, Base, File, Files, Folder, Mode};
use xtask::patches::diff::Diff;
use xtask::patches::{Patch, diff};

/// A source of one file.
struct Only<'a>(&'a [u8]);

impl Base for Only<'_> {
    fn file(&self, path: &str) -> anyhow::Result<Option<File>> {
        Ok((path == "f").then(|| File { mode: Mode::Plain, bytes: self.0.into() }))
    }

    fn below(&self, _folder: &str) -> anyhow::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

fn patch(text: &[u8]) -> Patch {
    Patch::of(text.to_vec(), "p".to_owned()).unwrap_or_else(|error| panic!("{error}\n{}", shown(text)))
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// The file `f` with these bytes after the patch.
fn ours(before: &[u8], patch: &Patch, direction: Direction) -> Result<(Vec<u8>, Vec<Offset>), Misfit> {
    let base = Only(before);
    let mut files = Files::over(&base);
    let offsets = apply(&mut files, patch, direction).unwrap()?;
    let after = files.get("f").unwrap().map_or(Vec::new(), |file| file.bytes.to_vec());
    Ok((after, offsets))
}

/// The same by git.
fn gits(folder: &Path, before: &[u8], text: &[u8], direction: Direction) -> Option<Vec<u8>> {
    fs_err::write(folder.join("f"), before).unwrap();
    fs_err::write(folder.join("p"), text).unwrap();
    let mut git = xtask::patches::git(folder);
    git.args(["apply", "--whitespace=nowarn"]);
    if direction == Direction::Reverse {
        git.arg("-R");
    }
    let output = git.arg("p").output().unwrap();
    output.status.success().then(|| fs_err::read(folder.join("f")).unwrap())
}

/// What leads from one text to the other, with so many lines of context.
fn difference(before: &[u8], after: &[u8], context: u32) -> Vec<u8> {
    let mut options = DiffOptions::new();
    options.context_lines(context);
    let name = Some(Path::new("f"));
    let mut patch = git2::Patch::from_buffers(before, name, after, name, Some(&mut options)).unwrap();
    patch.to_buf().unwrap().to_vec()
}

/// Lines of few kinds, so that a hunk finds itself in several places.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0..2u8, 0..40)
}

/// A text of such lines; the last may have no end.
fn text(lines: &[u8], ended: bool) -> Vec<u8> {
    let mut text: Vec<u8> = lines.iter().flat_map(|line| [b'a' + line, b'\n']).collect();
    if !ended {
        text.pop();
    }
    text
}

/// Where, how many lines go, and which come.
type Edit = (prop::sample::Index, usize, Vec<u8>);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = (any::<prop::sample::Index>(), 0..3usize, prop::collection::vec(0..3u8, 0..3));
    prop::collection::vec(edit, 1..4)
}

fn edited(lines: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut lines = lines.to_vec();
    for (at, gone, come) in edits {
        let at = at.index(lines.len() + 1);
        let end = (at + gone).min(lines.len());
        lines.splice(at..end, come.iter().copied());
    }
    lines
}

/// What git lets pass and we do not, by `place.rs`: context without an end that is not the file's last line, and new lines that
/// say no place.
fn is_taken_otherwise(diff: &Diff, text: &str, direction: Direction) -> bool {
    let bare = diff.files.iter().flat_map(|file| &file.hunks).any(|hunk| match direction {
        Direction::Forward => hunk.old_count == 0,
        Direction::Reverse => hunk.new_count == 0,
    });
    let lines: Vec<&str> = text.lines().collect();
    bare || lines.windows(2).any(|pair| pair[0].starts_with(' ') && pair[1].starts_with('\\'))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn git_agrees(
        before in lines(), change in edits(), shift in edits(), ends in any::<[bool; 3]>(), context in 0..3u32, backwards in any::<bool>(),
    ) {
        let after = text(&edited(&before, &change), ends[0]);
        let target = text(&edited(&before, &shift), ends[1]);
        let before = text(&before, ends[2]);
        let text = if backwards { difference(&after, &before, context) } else { difference(&before, &after, context) };
        let direction = if backwards { Direction::Reverse } else { Direction::Forward };
        if text.is_empty() {
            return Ok(());
        }
        let patch = patch(&text);
        let folder = scratch();
        let (here, there) = (ours(&target, &patch, direction), gits(folder.path(), &target, &text, direction));
        let agree = here.as_ref().ok().map(|(here, _)| here) == there.as_ref();
        prop_assert!(
            agree || there.is_some() && is_taken_otherwise(&patch.diff, &shown(&text), direction),
            "here {:?}, git {:?}, with\n{}on\n{}", here, there, shown(&text), shown(&target),
        );
    }

    #[test]
    fn what_was_applied_exactly_can_be_taken_back(
        before in lines(), change in edits(), ends in any::<[bool; 2]>(), context in 1..4u32,
    ) {
        let after = text(&edited(&before, &change), ends[0]);
        let before = text(&before, ends[1]);
        let text = difference(&before, &after, context);
        if !text.is_empty() {
            let patch = patch(&text);
            prop_assert_eq!(ours(&before, &patch, Direction::Forward), Ok((after.clone(), Vec::new())), "{}", shown(&text));
            prop_assert_eq!(ours(&after, &patch, Direction::Reverse), Ok((before, Vec::new())), "{}", shown(&text));
        }
    }

    #[test]
    fn a_shift_is_told(before in prop::collection::vec(0..250u8, 8..40), at in any::<prop::sample::Index>(), shift in 1..9usize) {
        let line = |number: &u8| format!("line {number}\n").into_bytes();
        let whole = |lines: &[u8]| -> Vec<u8> { lines.iter().flat_map(line).collect() };
        let mut numbers: Vec<u8> = before;
        numbers.sort_unstable();
        numbers.dedup();
        prop_assume!(numbers.len() > 7);
        let mut changed = numbers.clone();
        // Neither at the beginning nor at the end, where a hunk has to be.
        changed[3 + at.index(numbers.len() - 6)] = 251;
        let text = difference(&whole(&numbers), &whole(&changed), 2);
        let mut target = vec![252; shift];
        target.extend(&numbers);
        let (after, offsets) = ours(&whole(&target), &patch(&text), Direction::Forward).unwrap();
        prop_assert_eq!(after, [whole(&vec![252; shift]), whole(&changed)].concat());
        prop_assert_eq!(offsets, [Offset { path: "f".to_owned(), hunk: 1, lines: shift as i64 }]);
    }

    #[test]
    fn nothing_panics(text in prop::collection::vec(prop::sample::select(vec![
        "diff --git a/f b/f\n", "--- a/f\n", "+++ b/f\n", "@@ -1 +1 @@\n", "@@ -0,0 +1,2 @@ x\n", "@@ -1,2 +0,0 @@\n",
        "-a\n", "+b\n", " c\n", "\\ No newline at end of file\n", "\n", "rename from f\n", "rename to g\n", "copy from f\n", "copy to h\n",
        "old mode 100644\n", "new mode 100755\n", "new file mode 120000\n", "deleted file mode 100644\n", "--- /dev/null\n", "+++ /dev/null\n",
        "GIT binary patch\n", "literal 1\n", "IcmZ\n", "index 1234567..89abcde 100644\n", "-- \n", "2.39", "é",
    ]), 0..14)) {
        if let Ok(patch) = Patch::of(text.concat().into_bytes(), "p".to_owned()) {
            for before in [&b""[..], b"a\n", b"a\nc\n", b"a"] {
                let _ = ours(before, &patch, Direction::Forward);
                let _ = ours(before, &patch, Direction::Reverse);
            }
        }
    }
}

/// Holds the engine to a diff of two trees: applied to the old it gives the new, and the other way round.
pub fn carries(repository: &Repository, old: &Tree<'_>, new: &Tree<'_>, text: &[u8]) {
    if text.is_empty() {
        return;
    }
    let patch = patch(text);
    for (from, to, direction) in [(old, new, Direction::Forward), (new, old, Direction::Reverse)] {
        let base = content::Tree { repository, tree: from.clone() };
        let wanted = content::Tree { repository, tree: to.clone() };
        let mut files = Files::over(&base);
        assert_eq!(apply(&mut files, &patch, direction).unwrap(), Ok(Vec::new()), "{direction:?}\n{}", shown(text));
        for path in patch.diff.touches() {
            assert_eq!(now(&files, &path), now(&Files::over(&wanted), &path), "{path} {direction:?}\n{}", shown(text));
        }
    }
}

/// None as well where something else than a folder is on the way.
fn now(files: &Files<'_>, path: &str) -> Option<File> {
    files.get(path).unwrap_or(None)
}

#[test]
fn a_copy_is_carried_both_ways() {
    let folder = scratch();
    let at = |name: &str| folder.path().join(name);
    fs_err::write(at("a"), "1\n2\n3\n4\n").unwrap();
    let patch = patch(
        b"diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1,4 +1,4 @@\n 1\n-2\n+two\n 3\n 4\n\
          diff --git a/a b/b\nsimilarity index 50%\ncopy from a\ncopy to b\n--- a/a\n+++ b/b\n@@ -1,4 +1,4 @@\n 1\n 2\n-3\n+three\n 4\n",
    );
    let base = Folder(folder.path().to_owned());
    let mut files = Files::over(&base);
    assert_eq!(apply(&mut files, &patch, Direction::Forward).unwrap(), Ok(Vec::new()));
    files.write(folder.path()).unwrap();
    // The copy is one of the file as it was before the patch.
    assert_eq!(fs_err::read_to_string(at("a")).unwrap(), "1\ntwo\n3\n4\n");
    assert_eq!(fs_err::read_to_string(at("b")).unwrap(), "1\n2\nthree\n4\n");

    let mut files = Files::over(&base);
    assert_eq!(apply(&mut files, &patch, Direction::Reverse).unwrap(), Ok(Vec::new()));
    files.write(folder.path()).unwrap();
    assert_eq!(fs_err::read_to_string(at("a")).unwrap(), "1\n2\n3\n4\n");
    assert!(!at("b").exists());
}

#[test]
fn a_misfit_leaves_the_files_as_they_were() {
    let base = Only(b"1\n2\n3\n");
    let mut files = Files::over(&base);
    let text = b"--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n 1\n-2\n+two\n 3\n--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n";
    let misfit = apply(&mut files, &patch(text), Direction::Forward).unwrap().unwrap_err();
    assert_eq!(misfit.to_string(), "f: is there already");
    assert!(files.changed().is_empty());
    assert_eq!(diff::read(text).unwrap().files.len(), 2);
}
