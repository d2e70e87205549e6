//! The laws of the artifacts: same tree, same bytes; readable by the tools that people have; in their place whole or not at all.

mod deb;
mod rpm;

use crate::support::expect::golden;
use crate::support::scenario::{Content, Edit, recipe};
use crate::support::{context, root, scratch};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::audit::Facts;
use xtask::builder::{self, Inputs, Staged};
use xtask::context::Context;
use xtask::digest::Hash;
use xtask::fault;
use xtask::inspection;
use xtask::job::Job;
use xtask::package::{Document, Goods, Packed, Tarball, install, pack, parcels, seal};
use xtask::papers::attribution::Attribution;
use xtask::patches::{Patch, Queue};
use xtask::plan::Plan;
use xtask::recipe::Recipe;
use xtask::relocate::{Layer, Relocated, lay_over};
use xtask::report::{Report, Style};
use xtask::shipment::{self, Roots};
use xtask::toolchain::Toolchain;
use xtask::tree::Manifest;

/// Longer than the 100 bytes that a tar header has for a name.
const LONG: &str = "usr/lib/xen-4.17/lib/python/xen/a-name-that-does-not-fit-into-the-header-of-an-entry-of-a-tarball/and-goes-on-below/it.py";

fn content() -> Content {
    let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    Content {
        files: text(&[
            ("boot/xen-4.17.5+72.gz", "xen"),
            ("etc/xen/xl.conf", "autoballoon=1\n"),
            ("usr/lib/xen-4.17/sbin/xl", "#!/bin/sh\n"),
            (LONG, "pass\n"),
        ]),
        links: text(&[
            ("boot/xen-4.17.gz", "xen-4.17.5+72.gz"),
            ("usr/lib/xen-4.17/long.py", &format!("../../../{LONG}")),
        ]),
        folders: vec!["etc/xen/scripts".to_owned()],
        modes: text(&[("usr/lib/xen-4.17/sbin/xl", "755")]),
    }
}

pub fn relocated(recipe: &Recipe, content: &Content, at: &Path) -> Relocated {
    let (staged, work) = (at.join("staged"), at.join("work"));
    for folder in [&staged, &work] {
        fs_err::create_dir_all(folder).unwrap();
    }
    content.write(&staged);
    let layer = Layer { step: "tools".to_owned(), manifest: Manifest::of(&staged).unwrap(), root: staged };
    lay_over(recipe, &[layer], &work).unwrap()
}

/// The artifacts of the usual tree, in a folder of their own.
fn artifacts(at: &Path, recipe: &Recipe) -> PathBuf {
    let tree = relocated(recipe, &content(), &at.join("tree"));
    let into = at.join("artifacts");
    fs_err::create_dir(&into).unwrap();
    let (job, facts) = (job(recipe), inspection::facts(&tree, &[]).unwrap());
    seal(&packed(&job, &tree, &facts, &into).artifacts, &into).unwrap();
    into
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    names(folder).into_iter().map(|name| (name.clone(), fs_err::read(folder.join(name)).unwrap())).collect()
}

/// What a program of this machine prints; it is there on every Linux that can build.
#[expect(clippy::disallowed_methods, reason = "the artifacts are for other programs, so they are read by some")]
fn output(program: &str, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).env("LC_ALL", "C").env("TZ", "UTC").output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_same_tree_gives_the_same_bytes() {
    let (one, other) = (scratch(), scratch());
    let first = bytes(&artifacts(one.path(), &recipe(&[])));
    assert_eq!(names_of(&first), ["SHA256SUMS", "audit.json", "manifest.json", "xen-4.17.5+72-1-x86_64.tar.zst"]);
    assert_eq!(first, bytes(&artifacts(other.path(), &recipe(&[]))));
    let later = recipe(&[Edit { find: "epoch = 1763053103".to_owned(), put: "epoch = 1763053104".to_owned() }]);
    let again = scratch();
    assert_ne!(first, bytes(&artifacts(again.path(), &later)), "the epoch is the time of every entry");
}

fn names_of(artifacts: &BTreeMap<String, Vec<u8>>) -> Vec<&str> {
    artifacts.keys().map(String::as_str).collect()
}

#[test]
fn other_programs_read_the_artifacts() {
    let folder = scratch();
    let artifacts = artifacts(folder.path(), &recipe(&[]));
    let checked = output("sha256sum", &["-c", "SHA256SUMS"], &artifacts);
    assert_eq!(checked, "audit.json: OK\nmanifest.json: OK\nxen-4.17.5+72-1-x86_64.tar.zst: OK\n");
    let packed = fs_err::read(artifacts.join("xen-4.17.5+72-1-x86_64.tar.zst")).unwrap();
    let mut tar = Vec::new();
    zstd::Decoder::new(packed.as_slice()).unwrap().read_to_end(&mut tar).unwrap();
    fs_err::write(folder.path().join("plain.tar"), &tar).unwrap();
    let listing = output("tar", &["-tvf", "plain.tar", "--numeric-owner", "--full-time"], folder.path());
    let installer = |line: &&str| line.ends_with("/install");
    let size = listing.lines().find(installer).and_then(|line| line.split_whitespace().nth(2)).unwrap();
    golden(&root().join("tests/package/tar.txt"), &listing.replace(size, "[SIZE]"));
    assert!(listing.lines().all(|line| line.contains(" 0/0 ") && line.contains("2025-11-13 16:58:23")), "{listing}");

    let unpacked = folder.path().join("unpacked");
    fs_err::create_dir(&unpacked).unwrap();
    output("tar", &["-xpf", "../plain.tar"], &unpacked);
    let bundle = unpacked.join("xen-4.17.5+72-1-x86_64");
    let manifest = fs_err::read_to_string(artifacts.join("manifest.json")).unwrap();
    let document = Document::from_json("manifest.json", &manifest).unwrap();
    assert_eq!(Manifest::of(&bundle.join("tree")).unwrap(), document.tree(), "the manifest says what the bundle holds");
    golden(&root().join("tests/package/contents.txt"), &fs_err::read_to_string(bundle.join("contents")).unwrap());
}

#[test]
fn the_manifest_says_whose_each_path_is() {
    let folder = scratch();
    let artifacts = artifacts(folder.path(), &recipe(&[]));
    let text = fs_err::read_to_string(artifacts.join("manifest.json")).unwrap();
    golden(&root().join("tests/package/manifest.json"), &text);
    let again = Document::from_json("manifest.json", &text).unwrap();
    assert_eq!(again.to_json(), text);
    let other = text.replace("\"format\": 1", "\"format\": 2");
    assert!(
        fault::render(&Document::from_json("old.json", &other).unwrap_err())
            .contains("old.json has format 2, expected 1")
    );
    assert!(Document::from_json("bad.json", "{").unwrap_err().to_string().contains("bad.json is no manifest"));
}

#[test]
fn a_file_that_changed_under_way_is_an_error() {
    let folder = scratch();
    let tree = relocated(&recipe(&[]), &content(), folder.path());
    for changed in ["short", "autoballoon=0\n", "autoballoon=1\nand more\n"] {
        fs_err::write(tree.path().join("etc/xen/xl.conf"), changed).unwrap();
        let mut tarball = Tarball::new(Vec::new(), 0, 0).unwrap();
        let outcome = tarball.tree(tree.path(), tree.manifest(), "");
        // What was appended is not packed, and so does no harm.
        assert_eq!(outcome.is_ok(), changed.starts_with("autoballoon=1"), "{changed}");
        if let Err(error) = outcome {
            assert!(format!("{error:#}").contains("packing etc/xen/xl.conf: it changed"), "{error:#}");
        }
    }
}

#[test]
fn artifacts_are_put_in_place_and_known_again() {
    let folder = scratch();
    let from = artifacts(folder.path(), &recipe(&[]));
    let out = folder.path().join("dist/xen");
    assert!(!install::holds(&out, &from).unwrap());
    install::install(&from, &out).unwrap();
    assert!(install::holds(&out, &from).unwrap());
    assert_eq!(bytes(&out), bytes(&from));
    assert_eq!(names(out.parent().unwrap()), ["xen"], "nothing is left beside it");
    let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&out), mode(&out.join("manifest.json"))), (0o755, 0o644));
}

#[test]
fn every_change_in_place_is_noticed_and_mended() {
    let folder = scratch();
    let from = artifacts(folder.path(), &recipe(&[]));
    let out = folder.path().join("xen");
    install::install(&from, &out).unwrap();
    let changes: &[fn(&Path)] = &[
        |out| fs_err::write(out.join("audit.json"), "{} ").unwrap(),
        |out| fs_err::remove_file(out.join("manifest.json")).unwrap(),
        |out| fs_err::write(out.join("SHA256SUMS"), "").unwrap(),
    ];
    for change in changes {
        change(&out);
        assert!(!install::holds(&out, &from).unwrap());
        let mended = install::install(&from, &out);
        if fs_err::metadata(out.join("SHA256SUMS")).unwrap().len() == 0 {
            // Without its sums the folder can no longer be told from a stranger's.
            assert!(mended.is_err());
        } else {
            assert!(install::holds(&out, &from).unwrap());
        }
    }
}

#[test]
fn an_older_result_is_replaced_even_through_a_link() {
    let folder = scratch();
    let old = artifacts(folder.path(), &recipe(&[]));
    let newer = scratch();
    let new = artifacts(newer.path(), &recipe(&[Edit { find: "4.17.5+72".to_owned(), put: "4.17.6".to_owned() }]));
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs_err::os::unix::fs::symlink("real", &link).unwrap();
    fs_err::create_dir(&real).unwrap();
    install::install(&old, &link).unwrap();
    let before = fs_err::metadata(&real).unwrap().ino();
    install::install(&new, &link).unwrap();
    assert_eq!(bytes(&real), bytes(&new));
    assert_ne!(fs_err::metadata(&real).unwrap().ino(), before, "the folder was exchanged as a whole");
    assert!(fs_err::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn what_no_build_put_there_is_not_touched() {
    let folder = scratch();
    let from = artifacts(folder.path(), &recipe(&[]));
    let ours = folder.path().join("ours");
    install::install(&from, &ours).unwrap();
    fs_err::write(ours.join("notes.txt"), "mine").unwrap();
    let home = folder.path().join("home");
    fs_err::create_dir(&home).unwrap();
    fs_err::write(home.join("thesis.tex"), "mine").unwrap();
    let file = folder.path().join("file");
    fs_err::write(&file, "mine").unwrap();
    for (out, named) in [(&ours, "notes.txt"), (&home, "thesis.tex"), (&file, "not a folder")] {
        let error = install::install(&from, out).unwrap_err();
        let text = fault::render(&error);
        assert!(text.contains(named) && text.contains("--out"), "{text}");
        assert_eq!(fault::exit_code(&error), 2);
    }
    assert!(!install::holds(&ours, &from).unwrap(), "a stranger's file is noticed");
    assert_eq!(fs_err::read_to_string(home.join("thesis.tex")).unwrap(), "mine");
    assert_eq!(fs_err::read_to_string(ours.join("notes.txt")).unwrap(), "mine");
}

#[test]
fn what_a_killed_run_left_is_taken_away_and_the_old_result_stands() {
    let folder = scratch();
    let from = artifacts(folder.path(), &recipe(&[]));
    let out = folder.path().join("dist/xen");
    install::install(&from, &out).unwrap();
    // As a kill in the middle of the copies leaves it: beside the result, under a name of its own.
    let half = folder.path().join("dist/.xen.new-killed");
    fs_err::create_dir(&half).unwrap();
    fs_err::write(half.join("manifest.json"), "{").unwrap();
    assert!(install::holds(&out, &from).unwrap());
    install::install(&from, &out).unwrap();
    assert_eq!(names(out.parent().unwrap()), ["xen"]);
}

/// A job of steps whose outputs are in the store already, and what the last stages need.
fn staged(ctx: &Context, recipe: &Recipe, content: &Content) -> (Job, Staged) {
    let job = job(recipe);
    for planned in &job.plan.steps {
        let fill = |root: &Path| {
            if planned.name == "tools" {
                content.write(root);
            }
            Ok(())
        };
        ctx.store.tree_or_make(&planned.key, &planned.name, fill).unwrap();
    }
    let source = |name: &str| anyhow::bail!("source {name} is not needed");
    let root = |_: &str| anyhow::bail!("no root is needed");
    let staged = builder::build(ctx, &job.plan, &Inputs { source: &source, root: &root }).unwrap();
    (job, staged)
}

/// The artifacts of a tree for a machine that offers nothing, in a folder that is there.
pub fn packed(job: &Job, tree: &Relocated, facts: &Facts, into: &Path) -> Packed {
    packed_for(job, tree, facts, Path::new("/nonexistent"), into).unwrap()
}

/// The same for a machine whose toolchain's root is `machine`.
fn packed_for(job: &Job, tree: &Relocated, facts: &Facts, machine: &Path, into: &Path) -> anyhow::Result<Packed> {
    let report = Report::new(Style::Silent);
    let parcels = parcels(job, tree)?;
    let attribution = Attribution::new(job, tree, facts, &[], &Default::default())?;
    let roots = Roots::from([(job.recipe.toolchain.clone(), machine.to_owned())]);
    let goods = Goods { job, tree, facts, attribution: &attribution, roots: &roots, parcels, report: &report, jobs: 2 };
    pack(&goods, "{}\n", into)
}

/// A recipe with empty queues and a toolchain without packages.
pub fn job(recipe: &Recipe) -> Job {
    let toolchain = Toolchain {
        name: "none".to_owned(),
        architecture: "amd64".to_owned(),
        links: BTreeMap::new(),
        snapshot: "20000101T000000Z".to_owned(),
        debs: Vec::new(),
    };
    let queues = recipe.source.keys().map(|name| (name.clone(), Queue::default())).collect();
    let plan = Plan::new(recipe, &queues, &|_| toolchain.key()).unwrap();
    let toolchains = BTreeMap::from([(recipe.toolchain.clone(), toolchain.clone())]);
    let (file, parts) = (Hash::of(b"recipe"), BTreeMap::new());
    Job { recipe: recipe.clone(), file, parts, toolchain, toolchains, queues, plan }
}

#[test]
fn a_good_tree_is_shipped_once_and_found_by_its_key() {
    let folder = scratch();
    let ctx = context(folder.path());
    let usual = recipe(&[]);
    let (usual_job, staged) = staged(&ctx, &usual, &content());
    let roots = Roots::from([(usual_job.recipe.toolchain.clone(), "/".into())]);
    let key = shipment::key(&usual_job);
    assert!(shipment::find(&ctx, &key).unwrap().is_none());
    let shipped = shipment::ship(&ctx, &usual_job, &key, &staged, &roots).unwrap();
    let again = shipment::find(&ctx, &key).unwrap().expect("it was just made");
    assert_eq!(shipped.path(), again.path());
    let out = scratch();
    let out = out.path().join("xen");
    assert!(!again.is_at(&out).unwrap());
    again.install(&out).unwrap();
    assert!(again.is_at(&out).unwrap());

    let renamed = recipe(&[Edit { find: "xen-tools".to_owned(), put: "xen-utils".to_owned() }]);
    assert_ne!(shipment::key(&job(&renamed)), key, "the package table reaches the result");
    let allowing = recipe(&[Edit {
        find: "[[package]]\nname = \"xen-hypervisor\"".to_owned(),
        put: "[[audit.allow]]\nrule = \"set-id\"\nfiles = [\"x\"]\nreason = \"r\"\n\n[[package]]\nname = \"xen-hypervisor\"".to_owned(),
    }]);
    assert_ne!(shipment::key(&job(&allowing)), key, "the audit table reaches the result");
    let mut patched = job(&usual);
    let text = b"Subject: a\n---\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n".to_vec();
    let patch = Patch::of(text, "patches/xen/xen/0101-a.patch".to_owned()).unwrap();
    patched.queues.get_mut("xen").unwrap().patches.push(patch);
    assert_ne!(shipment::key(&patched), key, "a patch's head reaches the papers");
}

#[test]
fn a_refused_tree_is_kept_for_a_look_and_is_no_result() {
    let folder = scratch();
    let ctx = context(folder.path());
    let usual = recipe(&[]);
    let mut content = content();
    content.files.insert("usr/share/xen/unversioned".to_owned(), "see /build/tools/x".to_owned());
    let (usual_job, staged) = staged(&ctx, &usual, &content);
    let roots = Roots::from([(usual_job.recipe.toolchain.clone(), "/".into())]);
    let key = shipment::key(&usual_job);
    let error = shipment::ship(&ctx, &usual_job, &key, &staged, &roots).unwrap_err();
    let text = fault::render(&error);
    assert_eq!(fault::exit_code(&error), 1);
    for part in [
        "the audit of xen-4.17.5+72 has 2 findings",
        "build-path: no file knows where it was built",
        "usr/share/xen/unversioned: mentions /build/tools/x (from step `tools`)",
        "unversioned-path:",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(shipment::find(&ctx, &key).unwrap().is_none());
    let kept = ctx.store.failed(&key);
    assert!(text.contains(&kept.display().to_string()), "{text}");
    assert!(kept.join("tree/usr/share/xen/unversioned").exists());
    let audit: serde_json::Value =
        serde_json::from_slice(&fs_err::read(kept.join("root/audit.json")).unwrap()).unwrap();
    assert_eq!(audit["findings"][0]["rule"], "build-path");
    assert_eq!(audit["findings"][1]["path"], "usr/share/xen/unversioned");
}

#[test]
fn a_private_folder_is_packed_as_one() {
    let folder = scratch();
    let mut content = content();
    content.folders.push("var/lib/xen/dump".to_owned());
    content.modes.insert("var/lib/xen/dump".to_owned(), "700".to_owned());
    let tree = relocated(&recipe(&[]), &content, folder.path());
    let mut tarball = Vec::new();
    let mut writer = Tarball::new(&mut tarball, 0, 0).unwrap();
    writer.tree(tree.path(), tree.manifest(), "").unwrap();
    writer.finish().unwrap();
    let mut archive = tar::Archive::new(zstd::Decoder::new(tarball.as_slice()).unwrap());
    let entries = archive.entries().unwrap().map(|entry| entry.unwrap());
    let modes: BTreeMap<String, u32> =
        entries.map(|entry| (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap())).collect();
    assert_eq!((modes["var/lib/xen/dump/"], modes["var/lib/xen/"]), (0o700, 0o755));
}
