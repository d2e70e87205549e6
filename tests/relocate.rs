//! The laws of relocation. A case in `tests/relocate` is what each step staged, with what the recipe says otherwise than
//! `support/recipe.toml`; beside it stands the tree that comes out, or the error.

use crate::support::expect::golden;
use crate::support::scenario::{self, Content, Edit};
use crate::support::{cases, scratch};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use xtask::fault;
use xtask::relocate::own::DISPATCHER_SCRIPT;
use xtask::relocate::{Layer, Relocated, lay_over};
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
