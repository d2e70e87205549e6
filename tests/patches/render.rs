//! Diffs of two trees as text: `git apply` makes the new tree of the old one and of what was rendered, and the other way round.

use crate::support::scratch;
use git2::{FileMode, Oid, Repository, Tree};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use xtask::patches::render;

pub type Content = BTreeMap<String, (FileMode, Vec<u8>)>;

/// Writes the files as a tree.
pub fn tree<'r>(repository: &'r Repository, content: &Content) -> Tree<'r> {
    let empty = repository.treebuilder(None).unwrap().write().unwrap();
    let mut update = git2::build::TreeUpdateBuilder::new();
    for (path, (mode, bytes)) in content {
        update.upsert(path.as_str(), repository.blob(bytes).unwrap(), *mode);
    }
    let id = update.create_updated(repository, &repository.find_tree(empty).unwrap()).unwrap();
    repository.find_tree(id).unwrap()
}

/// What git's own program makes of a tree and a patch.
fn applied(folder: &Path, tree: Oid, text: &[u8], reverse: bool) -> Result<String, String> {
    let run = |arguments: &[&str]| {
        let output = xtask::patches::git(folder).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()) } else { Err(said) }
    };
    fs_err::write(folder.join("patch"), text).unwrap();
    run(&["read-tree", &tree.to_string()])?;
    let direction: &[&str] = if reverse { &["-R"] } else { &[] };
    run(&[&["apply", "--cached", "--whitespace=nowarn", "--allow-empty"], direction, &["patch"]].concat())?;
    run(&["write-tree"])
}

fn leads_both_ways(old: &Content, new: &Content) {
    // `git apply -R` makes a plain file of whatever deletion it takes back, also from git's own diffs.
    let plain = old.values().all(|(mode, _)| *mode == PLAIN);
    let folder = scratch();
    let repository = Repository::init_bare(folder.path()).unwrap();
    let (old, new) = (tree(&repository, old), tree(&repository, new));
    let text = render::diff(&repository, &old, &new).unwrap();
    let shown = String::from_utf8_lossy(&text);
    assert_eq!(applied(folder.path(), old.id(), &text, false), Ok(new.id().to_string()), "{shown}");
    if plain {
        assert_eq!(applied(folder.path(), new.id(), &text, true), Ok(old.id().to_string()), "{shown}");
    }
    assert_eq!(old.id() == new.id(), text.is_empty());
    super::engine::carries(&repository, &old, &new, &text);
}

fn content(files: &[(&str, FileMode, &[u8])]) -> Content {
    files.iter().map(|(path, mode, bytes)| ((*path).to_owned(), (*mode, bytes.to_vec()))).collect()
}

const PLAIN: FileMode = FileMode::Blob;
const TEXT: &[u8] = b"1\n2\n3\n4\n5\n6\n7\n8\n9\n";
const CHANGED: &[u8] = b"1\n2\n3\n4\nfive\n6\n7\n8\n9\n";

fn pairs() -> Vec<(&'static str, Content, Content)> {
    let one = |mode: FileMode, bytes: &[u8]| content(&[("f", mode, bytes)]);
    let exec = FileMode::BlobExecutable;
    vec![
        ("changed", one(PLAIN, TEXT), one(PLAIN, CHANGED)),
        ("not UTF-8", one(PLAIN, b"gr\xfc\xdfe\n"), one(PLAIN, b"Gr\xfc\xdfe\n\xff\n")),
        ("CRLF", one(PLAIN, b"a\r\nb\r\nc\r\n"), one(PLAIN, b"a\r\nB\r\nc\r\n")),
        ("CRLF becomes LF", one(PLAIN, b"a\r\nb\r\n"), one(PLAIN, b"a\nb\n")),
        ("the newline at the end goes", one(PLAIN, b"a\nb\n"), one(PLAIN, b"a\nb")),
        ("no newline at the end", one(PLAIN, b"a\nb"), one(PLAIN, b"a\nc")),
        ("mode", one(PLAIN, TEXT), one(exec, TEXT)),
        ("mode and text", one(PLAIN, TEXT), one(exec, CHANGED)),
        ("new empty file", content(&[]), one(PLAIN, b"")),
        ("new file", content(&[]), one(exec, TEXT)),
        ("empty file goes", one(PLAIN, b""), content(&[])),
        ("emptied", one(PLAIN, TEXT), one(PLAIN, b"")),
        ("link", content(&[]), one(FileMode::Link, b"over/there")),
        ("link moves", one(FileMode::Link, b"here"), one(FileMode::Link, b"there")),
        ("file becomes link", one(PLAIN, TEXT), one(FileMode::Link, b"there")),
        ("link becomes file", one(FileMode::Link, b"there"), one(exec, TEXT)),
        ("binary", one(PLAIN, b"\0\x01\x02"), one(PLAIN, b"\0\x01\x03\n")),
        ("text becomes binary", one(PLAIN, TEXT), one(PLAIN, b"1\n\0\n")),
        ("new binary", content(&[]), one(PLAIN, b"\0")),
        ("binary mode", one(PLAIN, b"\0\x01"), one(exec, b"\0\x02")),
        ("rename", one(PLAIN, TEXT), content(&[("d/g", PLAIN, TEXT)])),
        ("rename with a change", one(PLAIN, TEXT), content(&[("d/g", exec, CHANGED)])),
        ("names", content(&[]), content(&[("a b", PLAIN, TEXT), ("é \"\\\t", PLAIN, b"x\n"), ("ü", PLAIN, b"y\n")])),
        ("names with a change", content(&[("a b", PLAIN, TEXT)]), content(&[("a b", PLAIN, CHANGED)])),
        ("file becomes folder", one(PLAIN, b"x\n"), content(&[("f/g", PLAIN, b"y\n")])),
    ]
}

#[test]
fn every_shape_of_change_leads_both_ways() {
    for (name, old, new) in pairs() {
        println!("{name}");
        leads_both_ways(&old, &new);
    }
}

#[test]
fn attributes_and_configuration_change_nothing() {
    let render = |configured: bool| {
        let folder = scratch();
        let repository = Repository::init(folder.path()).unwrap();
        if configured {
            fs_err::write(folder.path().join(".gitattributes"), "f binary\ng diff=x\n").unwrap();
            fs_err::create_dir_all(repository.path().join("info")).unwrap();
            fs_err::write(repository.path().join("info/attributes"), "* -diff\n").unwrap();
            let mut config = repository.config().unwrap();
            for (key, value) in [("diff.noprefix", "true"), ("diff.renames", "false"), ("diff.x.xfuncname", "^5")] {
                config.set_str(key, value).unwrap();
            }
            config.set_i32("diff.context", 1).unwrap();
            config.set_bool("core.filemode", false).unwrap();
        }
        let old = content(&[("f", PLAIN, TEXT), ("g", PLAIN, TEXT), ("m", PLAIN, b"m\n")]);
        let new = content(&[("f", PLAIN, CHANGED), ("h", PLAIN, CHANGED), ("m", FileMode::BlobExecutable, b"m\n")]);
        render::diff(&repository, &tree(&repository, &old), &tree(&repository, &new)).unwrap()
    };
    let text = String::from_utf8(render(false)).unwrap();
    assert_eq!(text, String::from_utf8(render(true)).unwrap());
    assert!(
        text.contains("rename from g\nrename to h\n") && text.contains("old mode 100644\nnew mode 100755\n"),
        "{text}"
    );
}

pub fn any_content() -> impl Strategy<Value = Content> {
    let line = prop_oneof![
        4 => (0..4u8).prop_map(|n| vec![b'a' + n, b'\n']),
        1 => Just(b"x\r\n".to_vec()),
        1 => Just(b"\xff\n".to_vec()),
        1 => Just(b"no end".to_vec()),
    ];
    let text = prop::collection::vec(line, 0..24).prop_map(|lines| lines.concat());
    let bytes = prop_oneof![8 => text, 1 => prop::collection::vec(any::<u8>(), 1..40)];
    let mode = prop_oneof![6 => Just(PLAIN), 1 => Just(FileMode::BlobExecutable), 1 => Just(FileMode::Link)];
    let file = (mode, bytes).prop_map(|(mode, bytes)| match mode {
        FileMode::Link => (mode, b"target".to_vec()),
        _ => (mode, bytes),
    });
    prop::collection::btree_map("[fgh]|d/[fg]", file, 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_two_trees_lead_to_each_other(old in any_content(), new in any_content()) {
        leads_both_ways(&old, &new);
    }
}
