//! What is read, and what is refused at which line.

use super::*;

const MAIL: &[u8] = b"From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n\
Subject: [PATCH] x\n\n--- a line of prose\n---\n a.c | 2 +-\n\n\
diff --git a/a.c b/a.c\nindex 1234567..89abcde 100644\n--- a/a.c\n+++ b/a.c\n@@ -3,2 +3,2 @@ main() \n one\n--- two\n+++ three\n\
diff --git a/old b/new\nsimilarity index 100%\nrename from old\nrename to new\n\
diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\\ No newline at end of file\n-- \n2.39\n";

fn error(text: &[u8]) -> String {
    read(text).map(|diff| diff.files).expect_err("it was read").to_string()
}

#[test]
fn files_and_hunks_are_found_and_the_mail_is_not() {
    let diff = read(MAIL).unwrap();
    assert_eq!(diff.touches(), ["a.c", "gone", "new", "old"]);
    let [changed, renamed, gone] = diff.files.as_slice() else { panic!("{:?}", diff.files) };
    let text = |span: &Range<usize>| std::str::from_utf8(&MAIL[span.clone()]).unwrap();
    assert!(text(&(0..diff.start())).ends_with("2 +-\n\n"));
    assert!(text(&changed.span).starts_with("diff --git a/a.c") && text(&changed.span).ends_with("+++ three\n"));
    assert!(text(&gone.span).ends_with("end of file\n"));
    let hunk = &changed.hunks[0];
    assert_eq!((hunk.old_start, hunk.old_count, hunk.new_start, hunk.new_count, hunk.line), (3, 2, 3, 2, 12));
    assert_eq!((text(&hunk.heading), text(&hunk.span).lines().count()), (" main() ", 4));
    assert_eq!(changed.old_mode, Some(Mode::Plain));
    assert_eq!((renamed.moved, renamed.old.as_deref()), (Some(Moved::Rename), Some("old")));
    assert_eq!(gone.new, None);
    let body = String::from_utf8(diff.body).unwrap();
    assert!(body.contains("--- two\n+++ three\n"));
    assert!(!body.contains("prose") && !body.contains("index 1234567") && !body.contains("2.39"), "{body}");
}

#[test]
fn a_name_that_leaves_the_tree_is_refused_with_its_line() {
    for (name, why) in [
        ("a/../../etc/passwd", "leaves"),
        ("a//etc/passwd", "leaves"),
        ("a/x/.git/config", "git's own"),
        ("a/.GiT", "git's own"),
        ("/etc/passwd", "leaves"),
        ("\"a/x\\000y\"", "zero byte"),
        ("\"a/x\\351\"", "is not UTF-8"),
        ("f", "no leading folder"),
    ] {
        let plain = error(format!("--- {name}\n+++ {name}\n@@ -1 +1 @@\n-a\n+b\n").as_bytes());
        assert!(plain.starts_with("line 1: ") && plain.contains(why), "{plain}");
        let git = error(format!("diff --git {name} {name}\nold mode 100644\nnew mode 100755\n").as_bytes());
        assert!(git.starts_with("line 1: ") && git.contains(why), "{git}");
    }
    for word in ["rename", "copy"] {
        for name in ["../x", "/x", "x/.git/hooks/y", "x/./y", "x//y"] {
            let text = format!("diff --git a/x b/x\nsimilarity index 100%\n{word} from x\n{word} to {name}\n");
            assert!(error(text.as_bytes()).starts_with("line 4: "), "{name}");
        }
    }
    assert!(error(b"diff --git a/\xe9 b/\xe9\nold mode 100644\nnew mode 100755\n").contains("is not UTF-8"));
}

#[test]
fn quoted_names_and_blanks_are_read() {
    for (names, old, new) in [
        ("\"a/\\303\\251\" \"b/\\303\\251\"", "é", "é"),
        ("\"a/\\303\\251\" b/e", "é", "e"),
        ("a/e \"b/\\303\\251\"", "e", "é"),
        ("\"a/x\\\" y\" \"b/x\\\" y\"", "x\" y", "x\" y"),
        ("a/f g h b/f g h", "f g h", "f g h"),
    ] {
        let text = format!("diff --git {names}\nold mode 100644\nnew mode 100755\n");
        let file = read(text.as_bytes()).unwrap().files.remove(0);
        assert_eq!((file.old.as_deref(), file.new.as_deref()), (Some(old), Some(new)), "{names}");
        assert_eq!((file.old_mode, file.new_mode), (Some(Mode::Plain), Some(Mode::Executable)));
    }
    // Only the lines below say where the second name begins.
    let text = b"diff --git a/f g b/h i\nsimilarity index 100%\nrename from f g\nrename to h i\n";
    assert_eq!(read(text).unwrap().touches(), ["f g", "h i"]);
    assert_eq!(error(b"diff --git a/f g b/h i\nold mode 100644\n"), "line 1: `diff --git` without two names");
}

#[test]
fn plain_diffs_are_read() {
    let diff = read(
        b"Prose.\n\nIndex: x/f g\n=====================\n--- x.orig/f g\t2024-01-01\n+++ x/f g\t2024-01-02\n@@ -1 +1 @@\n-a\n+b\n",
    )
    .unwrap();
    assert_eq!((diff.touches(), diff.start()), (vec!["f g".to_owned()], 8));
    let diff = read(b"--- a/f.c\n+++ b/f.c~\n@@ -1 +1 @@\n-a\n+b\n").unwrap();
    assert_eq!(diff.touches(), ["f.c"]);
    for (stamp, new) in [
        ("1970-01-01 00:00:00.000000000 +0000", true),
        ("1970-01-01 01:00:00 +0100", true),
        ("1969-12-31 19:00:00 -0500", true),
        ("1970-01-01 00:00:00 +0100", false),
        ("2024-01-01 00:00:00 +0000", false),
    ] {
        let text = format!("--- a/f\t{stamp}\n+++ b/f\t2024-01-02 00:00:00 +0000\n@@ -0,0 +1 @@\n+b\n");
        assert_eq!(read(text.as_bytes()).unwrap().files[0].old.is_none(), new, "{stamp}");
    }
    // Two names without a hunk are prose, and so is a command.
    assert_eq!(error(b"diff --git is what made this\n\n"), "no diff in it");
    assert_eq!(error(b"--- a/f\n+++ b/f\n"), "no diff in it");
}

#[test]
fn what_is_not_text_is_read() {
    let ids = ["e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", "cf3f6de1a8d0a4ad6c2b8f6e3e1d2f9a0b1c2d3e"];
    let text = format!(
        "diff --git a/x b/x\nindex {}..{} 100644\nGIT binary patch\nliteral 1\nIcmZ\n\nliteral 0\nHcmV\n\n-- \n2.39\n",
        ids[0], ids[1]
    );
    let diff = read(text.as_bytes()).unwrap();
    let binary = diff.files[0].binary.clone().unwrap();
    assert_eq!(binary.ids, Some(ids.map(str::to_owned)));
    assert_eq!(&text[binary.data], "literal 1\nIcmZ\n\nliteral 0\nHcmV\n\n");
    let diff = read(b"diff --git a/x b/x\nindex 1234567..89abcde 100644\nBinary files a/x and b/x differ\n").unwrap();
    assert_eq!(
        diff.files[0].binary.as_ref().map(|binary| (binary.ids.is_none(), binary.data.is_empty())),
        Some((true, true))
    );
}

#[test]
fn what_contradicts_itself_is_refused_with_its_line() {
    let hunk = "--- a/f\n+++ b/f\n";
    for (text, wanted) in [
        ("just words\n".to_owned(), "no diff in it"),
        (format!("{hunk}@@ -1,3 +1,3 @@\n a\n"), "line 3: the hunk is cut off: 2 old and 2 new lines are missing"),
        (format!("{hunk}@@ -1 +1 @@\n-a\n+b"), "line 5: the patch is cut off in this line"),
        (format!("{hunk}@@ -1 +1 @@\n-a\n-b\n"), "line 5: the hunk at line 3 has more lines than its header says"),
        (format!("{hunk}@@ -1 +1 @@\n-a\n+b\n+c\n"), "line 6: the hunk at line 3 has more lines than its header says"),
        (format!("{hunk}@@ -1 +1 @@\n-a\n?b\n"), "line 5: not a line of a hunk"),
        (format!("{hunk}@@ -1 +1 @@\n a\n"), "line 3: the hunk changes nothing"),
        (format!("{hunk}@@ -1 +1 @@\n\\ No newline at end of file\n-a\n"), "line 4: no line stands before this"),
        (
            format!("{hunk}@@ -1,2 +1 @@\n-a\n\\ No newline at end of file\n-b\n+c\n"),
            "line 6: a line after one without an end",
        ),
        (format!("{hunk}@@ -x +1 @@\n"), "line 3: a hunk header that cannot be read"),
        (
            format!("{hunk}@@ -1,99999999999999999999 +1 @@\n-a\n"),
            "line 3: the numbers of the hunk header are too large",
        ),
        (format!("{hunk}@@ -4294967296 +1 @@\n-a\n"), "line 3: the numbers of the hunk header are too large"),
        (format!("{hunk}@@ -1 +1 @@\n-a\n+b\n\n@@ -9 +9 @@\n-a\n+b\n"), "line 7: a hunk that belongs to no file"),
        (
            "diff --git a/f b/f\n--- a/f\n+++ b/g\n@@ -1 +1 @@\n-a\n+b\n".to_owned(),
            "line 1: the header's lines name different files",
        ),
        (
            format!("diff --git a/f b/f\nnew file mode 100644\n{hunk}@@ -0,0 +1 @@\n+b\n"),
            "line 1: the header's lines name different files",
        ),
        ("--- /dev/null\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n".to_owned(), "line 1: a new file cannot have had lines"),
        ("--- a/f\n+++ /dev/null\n@@ -1 +1 @@\n-a\n+b\n".to_owned(), "line 1: a deleted file cannot have lines left"),
        ("diff --git a/f b/f\nold mode 160000\n".to_owned(), "line 2: `160000` is not the mode of a file or a link"),
        ("diff --git a/f b/g\nrename from f\n".to_owned(), "line 1: a rename or copy without both names"),
    ] {
        assert_eq!(error(text.as_bytes()), wanted, "{text}");
    }
}
