//! The form of queues: `lint/<case>/*.patch` beside the findings in `lint/<case>.txt`, and the verb itself.

use crate::support::run::run;
use crate::support::{cases, expect, root, scratch, shown};
use xtask::cmd;
use xtask::patches::lint::{self, File};

#[test]
fn findings_are_as_written_down() {
    for golden in cases("patches/lint", "txt") {
        let case = golden.file_stem().unwrap().to_str().unwrap();
        let read = |path: &std::path::PathBuf| File {
            path: shown(path).replace("tests/patches/lint/", ""),
            text: fs_err::read(path).unwrap(),
        };
        let files: Vec<File> = cases(&format!("patches/lint/{case}"), "patch").iter().map(read).collect();
        expect::golden(&golden, &lint::render(&lint::queue(&files)));
    }
}

#[test]
fn the_queues_of_this_project_have_no_findings() {
    let (patches, findings) = cmd::patch::lint::check(&root(), None).unwrap();
    assert!(findings.is_empty(), "{}", lint::render(&findings));
    assert!(patches >= 12, "{patches} patches");
}

#[test]
fn the_verb_tells_everything_at_once() {
    let folder = scratch();
    let checkout = fs_err::canonicalize(folder.path()).unwrap();
    fs_err::create_dir_all(checkout.join("toolchains")).unwrap();
    for (from, to) in [
        ("tests/cli/recipes", "recipes"),
        ("tests/patches/lint/clean", "patches/xen-4.17.4/mini-os"),
        ("tests/patches/lint/names", "patches/xen-4.17.5+72/mini-os"),
        ("tests/patches/lint/clean", "patches/xen-4.17.5+72/minios"),
        ("tests/patches/lint/clean", "patches/xen-1.0.0/mini-os"),
    ] {
        fs_err::create_dir_all(checkout.join(to).parent().unwrap()).unwrap();
        xtask::tree::copy(&root().join(from), &checkout.join(to)).unwrap();
    }
    fs_err::write(checkout.join("patches/xen-4.17.5+72/mini-os/series"), "").unwrap();
    fs_err::create_dir(checkout.join("patches/xen-4.17.5+72/mini-os/0800-a.patch")).unwrap();

    let answer = |line: &str| run(&checkout, line, &[]).text(line);
    let lines =
        ["xtask patch lint", "xtask patch lint xen-4.17.4", "xtask patch lint xen-4.18", "xtask patch lint --json"];
    expect::golden(&root().join("tests/patches/lint/verb.answer"), &lines.map(answer).concat());
}
