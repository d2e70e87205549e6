//! The laws of relocation. A case in `tests/relocate` is what each step staged, with what the recipe says otherwise than
//! `support/recipe.toml`; beside it stands the tree that comes out, or the error.

use crate::support::expect::golden;
use crate::support::scenario::{self, Content, Edit};
use crate::support::{cases, scratch};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use xtask::fault;
use xtask::relocate::{DISPATCHER_SCRIPT, Layer, Relocated, lay_over};
use xtask::tree::{Kind, Manifest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    recipe: Vec<Edit>,
    step: BTreeMap<String, Content>,
}

fn layers(steps: &BTreeMap<String, Content>, at: &Path) -> Vec<Layer> {
    let layer = |(step, content): (&String, &Content)| {
        let root = at.join(step);
        fs_err::create_dir(&root).unwrap();
        content.write(&root);
        Layer { step: step.clone(), manifest: Manifest::of(&root).unwrap(), root }
    };
    steps.iter().map(layer).collect()
}

fn listing(tree: &Relocated) -> String {
    let mut text = String::new();
    for entry in &tree.manifest().entries {
        let owner = tree.owners().get(&entry.path).map_or("", String::as_str);
        let line = match &entry.kind {
            Kind::Directory { mode } => format!("{mode:04o} {}/", entry.path),
            Kind::File { mode, .. } => format!("{mode:04o} {}", entry.path),
            Kind::Symlink { target } => format!("link {} -> {target}", entry.path),
        };
        text += format!("{line}  {owner}").trim_end();
        text += "\n";
    }
    text
}

#[test]
fn steps_become_one_tree_or_all_that_is_wrong_is_said() {
    for path in cases("relocate", "toml") {
        let case: Case = toml::from_str(&fs_err::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let folder = scratch();
        let work = folder.path().join("work");
        fs_err::create_dir(&work).unwrap();
        let layers = layers(&case.step, folder.path());
        let outcome = match lay_over(&scenario::recipe(&case.recipe), &layers, &work) {
            Ok(tree) => {
                assert_eq!(Manifest::of(&work).unwrap(), *tree.manifest(), "{}", path.display());
                listing(&tree)
            }
            Err(error) => {
                assert_eq!(Manifest::of(&work).unwrap().entries, [], "{}: nothing half-made", path.display());
                fault::render(&error) + "\n"
            }
        };
        golden(&path.with_extension("txt"), &outcome);
    }
}

fn one_step(content: Content, folder: &Path) -> Vec<Layer> {
    layers(&BTreeMap::from([("tools".to_owned(), content)]), folder)
}

fn text(path: &str, content: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(path.to_owned(), content.to_owned())])
}

#[test]
fn every_time_is_the_recipes_epoch() {
    let folder = scratch();
    let work = folder.path().join("work");
    fs_err::create_dir(&work).unwrap();
    let content = Content {
        files: text("etc/xen/xl.conf", "x"),
        links: text("etc/xen/link", "xl.conf"),
        folders: vec!["var/lib/xen".to_owned()],
        ..Content::default()
    };
    let recipe = scenario::recipe(&[]);
    let tree = lay_over(&recipe, &one_step(content, folder.path()), &work).unwrap();
    for entry in &tree.manifest().entries {
        let metadata = fs_err::symlink_metadata(work.join(&entry.path)).unwrap();
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (recipe.epoch as i64, 0), "{}", entry.path);
    }
}

#[test]
fn a_file_that_was_changed_in_the_store_is_found_while_it_is_copied() {
    let folder = scratch();
    let work = folder.path().join("work");
    fs_err::create_dir(&work).unwrap();
    let content = Content { files: text("etc/xen/xl.conf", "autoballoon=1"), ..Content::default() };
    let layers = one_step(content, folder.path());
    fs_err::write(layers[0].root.join("etc/xen/xl.conf"), "autoballoon=0").unwrap();
    let error = fault::render(&lay_over(&scenario::recipe(&[]), &layers, &work).unwrap_err());
    for part in ["etc/xen/xl.conf", "step `tools`", "expected sha256", "store verify"] {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

/// The dispatcher with its fixed folders moved below `root`, as `name`.
fn dispatcher(root: &Path, name: &str) -> Command {
    let script = std::str::from_utf8(DISPATCHER_SCRIPT).unwrap();
    let at = |folder: &str| root.join(folder).display().to_string();
    assert!(
        script.contains("/sys/hypervisor") && script.contains("/usr/lib/xen-"),
        "the script uses other folders now"
    );
    let script = script.replace("/sys/hypervisor", &at("sys/hypervisor")).replace("/usr/lib/xen-", &at("usr/lib/xen-"));
    let path = root.join(name);
    fs_err::write(&path, script).unwrap();
    scenario::set_mode(&path, 0o755);
    // Through sh, and not by execve: another thread may be about to fork with the script still open for writing (ETXTBSY).
    let mut command = Command::new("sh");
    command.arg(path);
    command
}

/// A root with a program of two series, and what runs there.
fn xen_root(running: Option<(&str, &str)>) -> tempfile::TempDir {
    let root = scratch();
    for series in ["4.17", "4.20"] {
        let program = format!("usr/lib/xen-{series}/sbin/xl");
        let script = format!("#!/bin/sh\necho {series} \"$@\"\nexit 7\n");
        let content = Content { files: text(&program, &script), modes: text(&program, "755"), ..Content::default() };
        content.write(root.path());
    }
    if let Some((major, minor)) = running {
        let at = |name| format!("sys/hypervisor/version/{name}");
        let files = BTreeMap::from([(at("major"), format!("{major}\n")), (at("minor"), format!("{minor}\n"))]);
        Content { files, ..Content::default() }.write(root.path());
    }
    root
}

#[test]
fn the_dispatcher_starts_the_tool_of_the_running_xen() {
    for minor in ["17", "20"] {
        let root = xen_root(Some(("4", minor)));
        let output = dispatcher(root.path(), "xl").args(["create", "a b"]).output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        assert_eq!((out.as_str(), output.status.code()), (format!("4.{minor} create a b\n").as_str(), Some(7)));
    }
}

#[test]
fn the_dispatcher_says_what_is_missing() {
    for (running, name, expected) in [
        (None, "xl", ["no Xen is running", "4.17 4.20"]),
        (Some(("4", "19")), "xl", ["4.19", "4.17 4.20"]),
        (Some(("4", "17")), "xenpm", ["4.17", "no such program"]),
    ] {
        let root = xen_root(running);
        let output = dispatcher(root.path(), name).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        for part in expected.into_iter().chain([name]) {
            assert!(said.contains(part), "`{part}` is not in: {said}");
        }
        assert!(output.stdout.is_empty() && !output.status.success());
    }
}

#[test]
fn the_dispatcher_is_executable_where_it_is_shipped() {
    let folder = scratch();
    let work = folder.path().join("work");
    fs_err::create_dir(&work).unwrap();
    let content = Content {
        files: text("usr/lib/xen-4.17/sbin/xl", "xl"),
        modes: text("usr/lib/xen-4.17/sbin/xl", "755"),
        ..Content::default()
    };
    let edit =
        Edit { find: "outside = ".to_owned(), put: "dispatch = [\"usr/lib/xen-4.17/sbin/*\"]\noutside = ".to_owned() };
    lay_over(&scenario::recipe(&[edit]), &one_step(content, folder.path()), &work).unwrap();
    let through_the_link = fs_err::metadata(work.join("usr/sbin/xl")).unwrap();
    assert_eq!(through_the_link.permissions().mode() & 0o7777, 0o755);
    assert_eq!(fs_err::read(work.join("usr/sbin/xl")).unwrap(), DISPATCHER_SCRIPT);
}
