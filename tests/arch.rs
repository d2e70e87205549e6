//! Arch Linux's packages of a small tree: what describes them, and that the same tree gives the same bytes.

use crate::package::{job, relocated};
use crate::support::expect::golden;
use crate::support::scenario::{Content, Edit, recipe};
use crate::support::{root, scratch};
use fs_err as fs;
use std::collections::BTreeMap;
use std::io::Read as _;
use xtask::inspection;
use xtask::package::{Goods, pack, parcels};
use xtask::papers::attribution::Attribution;
use xtask::report::{Report, Style};
use xtask::shipment::Roots;

fn content() -> Content {
    let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    Content {
        files: text(&[
            ("boot/xen-4.17.5+72.gz", "xen"),
            ("etc/init.d/xencommons", "#!/bin/sh\n"),
            ("etc/xen/xl.conf", "autoballoon=1\n"),
            ("usr/lib/systemd/system/xenstored.service", "[Service]\n"),
            ("usr/lib/xen-4.17/bin/a b#c", "odd\n"),
            ("usr/lib/xen-4.17/bin/pygrub", "#!/usr/bin/env python3\n"),
            ("usr/lib/xen-4.17/sbin/xl", "#!/bin/sh\n"),
        ]),
        links: text(&[("usr/sbin/xl", "../lib/xen-4.17/sbin/xl")]),
        folders: vec!["var/lib/xen/dump".to_owned()],
        modes: text(&[
            ("usr/lib/xen-4.17/bin/pygrub", "755"),
            ("usr/lib/xen-4.17/sbin/xl", "755"),
            ("var/lib/xen/dump", "700"),
        ]),
    }
}

/// Name to bytes of the packages.
fn packages(content: &Content) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let edit = |find: &str, put: &str| Edit { find: find.to_owned(), put: put.to_owned() };
    let recipe = recipe(&[
        edit(
            "architecture = \"x86_64\"",
            "architecture = \"x86_64\"\nformats = [\"arch\"]\nrevision = 3\nmaintainer = \"A <a@b.invalid>\"\nhomepage = \"https://xen.example\"",
        ),
        edit(
            "name = \"xen-hypervisor\"",
            "name = \"xen-hypervisor\"\nsummary = \"the hypervisor\"\ndescription = \"It.\"\nsection = \"kernel\"",
        ),
        edit(
            "name = \"xen-tools\"",
            "name = \"xen-tools\"\nsummary = \"the tools\"\ndescription = \"Them.\"\nsection = \"admin\"\nneeds = [\"xen-hypervisor\"]\nservices = [\"xenstored.service\"]\narch = { conflicts = [\"xen\"], optdepends = [\"qemu: for guests\"] }",
        ),
    ]);
    let work = scratch();
    let tree = relocated(&recipe, content, work.path());
    let facts = inspection::facts(&tree, &[]).unwrap();
    let (job, report) = (job(&recipe), Report::new(Style::Silent));
    let parcels = parcels(&job, &tree).unwrap();
    let into = work.path().join("into");
    fs::create_dir(&into).unwrap();
    let (roots, jobs) = (&Roots::new(), 2);
    let goods = Goods {
        job: &job,
        tree: &tree,
        facts: &facts,
        attribution: &Attribution::default(),
        roots,
        parcels,
        report: &report,
        jobs,
    };
    let packed = pack(&goods, "{}\n", &into).map_err(|error| xtask::fault::render(&error))?;
    let packages = packed.artifacts.iter().filter(|artifact| artifact.name.ends_with(".pkg.tar.zst"));
    Ok(packages.map(|artifact| (artifact.name.clone(), fs::read(into.join(&artifact.name)).unwrap())).collect())
}

#[test]
fn packages_are_described_as_pacman_reads_it() {
    let mut text = String::new();
    for (name, bytes) in packages(&content()).unwrap() {
        text += &format!("=== {name}\n");
        let mut archive = tar::Archive::new(zstd::Decoder::new(bytes.as_slice()).unwrap());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let (header, path) = (entry.header().clone(), entry.path().unwrap().display().to_string());
            let (uid, gid, time) = (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap());
            text += &format!("{:o} {uid}:{gid} {time} {path}\n", header.mode().unwrap());
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            if path == ".MTREE" {
                let mut plain = String::new();
                flate2::read::GzDecoder::new(content.as_slice()).read_to_string(&mut plain).unwrap();
                text += &plain;
            } else if path.starts_with('.') {
                text += &String::from_utf8(content).unwrap();
            }
        }
    }
    let text = text.replace(&format!("buildtoolver = {}\n", env!("CARGO_PKG_VERSION")), "buildtoolver = [VERSION]\n");
    golden(&root().join("tests/package/arch.txt"), &text);
}

#[test]
fn the_same_tree_gives_the_same_packages() {
    assert_eq!(packages(&content()), packages(&content()));
}

#[test]
fn what_arch_is_not_known_to_have_is_an_error() {
    let mut content = content();
    content.files.insert("usr/lib/xen-4.17/sbin/xl".to_owned(), "#!/usr/bin/tclsh\n".to_owned());
    let text = packages(&content).unwrap_err();
    for part in ["packing xen-tools", "usr/lib/xen-4.17/sbin/xl runs in `/usr/bin/tclsh`", "arch/relations.rs"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}
