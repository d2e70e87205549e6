//! The writer of .rpm files, read back by a reader; what the real rpm makes of them is for the slow tests.

use super::{job, packed, relocated};
use crate::support::compile::{Shape, compile};
use crate::support::expect::golden;
use crate::support::scenario::{Content, Edit, recipe, set_mode};
use crate::support::{root, scratch};
use rpm::{FileEntry, FileFlags, FileType, Package};
use std::collections::BTreeMap;
use std::path::Path;
use xtask::audit::Facts;
use xtask::digest::Hash;
use xtask::inspection;
use xtask::package::{Goods, pack, parcels};
use xtask::papers::attribution::Attribution;
use xtask::recipe::Recipe;
use xtask::relocate::{Layer, Relocated, lay_over};
use xtask::report::{Report, Style};
use xtask::shipment::Roots;
use xtask::tree::{Kind, Manifest};

/// Of everything that a writer has an opinion on.
const PACKAGES: &str = r#"
[[package]]
name = "xen-libs-4.17"
summary = "private libraries"
description = "Libraries."
section = "libs"
files = ["usr/lib/xen-4.17/lib/*.so.*"]

[[package]]
name = "xen-dev-4.17"
summary = "what a linker reads"
description = "Links."
section = "libdevel"
files = ["usr/lib/xen-4.17/lib/*.so"]

[[package]]
name = "xen-utils-4.17"
summary = "tools"
description = "Tools."
section = "admin"
files = ["usr/lib/xen-4.17/**"]
needs = ["xen-common"]

[[package]]
name = "libxencall1"
summary = "stable library"
description = "A library."
section = "libs"
files = ["usr/lib/public/libxencall.so.1*"]
rpm = { conflicts = ["xen-libs"] }

[[package]]
name = "xen-init"
summary = "nothing that rpm takes"
description = "Init scripts."
section = "admin"
files = ["etc/init.d/**"]

[[package]]
name = "xen-common"
summary = "what series share"
description = """
One paragraph.

Another one."""
section = "admin"
files = ["**"]
services = ["xenstored.service", "xendomains.service"]
rpm = { obsoletes = ["xen-old < 4.17"], recommends = ["(xen-utils-4.17 or xen-utils-4.20)"] }
"#;

fn packages() -> Recipe {
    let head = include_str!("../support/recipe.toml");
    let old = &head[head.find("\n[[package]]").unwrap()..];
    let said = "formats = [\"rpm\"]\nrevision = 3\nmaintainer = \"A Person <a@example.org>\"\nhomepage = \"https://xen.example\"\n";
    recipe(&[
        Edit { find: old.to_owned(), put: PACKAGES.to_owned() },
        Edit { find: "architecture =".to_owned(), put: format!("{said}architecture =") },
    ])
}

fn content() -> Content {
    let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    Content {
        files: text(&[
            ("etc/init.d/xencommons", "#!/bin/sh\n"),
            ("etc/xen/xl.conf", "autoballoon=1\n"),
            ("usr/lib/systemd/system/xenstored.service", "[Unit]\n"),
            ("usr/lib/xen-4.17/lib/python/xc.cpython-311-x86_64-linux-gnu.so", "no library\n"),
            ("usr/lib/xen-4.17/sbin/tool", "#! /usr/bin/python3 -s\n"),
            ("usr/lib/xen-4.17/sbin/no tool", "#!/bin/never\n"),
            ("usr/share/man/man5/xl.cfg.5", ".TH\n"),
            ("usr/share/xen/COPYING", "do\n"),
            ("usr/share/xen/-odd %{name} \"ümlaut\"\n$(x)", "odd\n"),
        ]),
        links: text(&[
            ("usr/lib/public/libxencall.so.1", "libxencall.so.1.3"),
            ("usr/lib/xen-4.17/lib/libxencall.so", "../../public/libxencall.so.1"),
            ("usr/lib/xen-4.17/lib/libxenctrl.so", "libxenctrl.so.4.17"),
        ]),
        folders: vec!["var/lib/xen/dump".to_owned()],
        modes: text(&[("usr/lib/xen-4.17/sbin/tool", "755"), ("var/lib/xen/dump", "700")]),
    }
}

/// The usual tree with a public library, a private one that uses it, and a program that uses both.
fn tree(at: &Path) -> Relocated {
    let tree = relocated(&packages(), &content(), &at.join("plain"));
    let staged = at.join("staged");
    xtask::tree::copy(tree.path(), &staged).unwrap();
    let alone = |more: &[&str]| -> Vec<String> {
        ["-nostdlib", "-fno-stack-protector", "-Wl,--hash-style=gnu"]
            .iter()
            .chain(more)
            .map(|flag| flag.to_string())
            .collect()
    };
    let versions = at.join("versions");
    fs_err::write(&versions, "VERS_1.0 { global: call; local: *; };\n").unwrap();
    let script = format!("-Wl,--version-script={}", versions.display());
    let call = staged.join("usr/lib/public/libxencall.so.1.3");
    compile(
        Shape::Library,
        "int call(void) { return 1; }",
        &alone(&["-Wl,-soname=libxencall.so.1", &script]),
        &[],
        &call,
    );
    let control = staged.join("usr/lib/xen-4.17/lib/libxenctrl.so.4.17");
    let source = "int call(void); int control(void) { return call(); }";
    compile(Shape::Library, source, &alone(&["-Wl,-soname=libxenctrl.so.4.17"]), &[&call], &control);
    let program = staged.join("usr/lib/xen-4.17/sbin/xl");
    let source = "int call(void); int control(void); void _start(void) { call(); control(); }";
    compile(Shape::Program, source, &alone(&[]), &[&call, &control], &program);
    for file in [&call, &control, &program] {
        set_mode(file, 0o755);
    }
    let work = at.join("work");
    fs_err::create_dir(&work).unwrap();
    let layer = Layer { step: "tools".to_owned(), manifest: Manifest::of(&staged).unwrap(), root: staged };
    lay_over(&packages(), &[layer], &work).unwrap()
}

fn facts(tree: &Relocated) -> Facts {
    inspection::facts(tree, &[]).unwrap()
}

fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    super::bytes(folder).into_iter().filter(|(name, _)| name.ends_with(".rpm")).collect()
}

/// All that a package says of itself, and no digest, since compilers differ.
fn describe(name: &str, package: &Package) -> String {
    let about = &package.metadata;
    let mut text = format!("{name}\n");
    for (key, value) in [
        ("architecture", about.get_arch().unwrap()),
        ("summary", about.get_summary().unwrap()),
        ("description", about.get_description().unwrap()),
        ("licence", about.get_license().unwrap()),
        ("page", about.get_url().unwrap()),
        ("packager", about.get_packager().unwrap()),
        ("host", about.get_build_host().unwrap()),
        ("time", &about.get_build_time().unwrap().to_string()),
        ("source", about.get_source_rpm().unwrap()),
    ] {
        text += &format!("  {key}: {}\n", value.replace('\n', "\n    "));
    }
    for entry in about.get_changelog_entries().unwrap() {
        text += &format!(
            "  changelog: {} {}\n    {}\n",
            entry.timestamp,
            entry.name,
            entry.description.replace('\n', "\n    ")
        );
    }
    for (key, relations) in [
        ("provides", about.get_provides()),
        ("requires", about.get_requires()),
        ("conflicts", about.get_conflicts()),
        ("obsoletes", about.get_obsoletes()),
        ("recommends", about.get_recommends()),
    ] {
        let relations = relations.unwrap();
        text.extend(relations.iter().map(|relation| format!("  {key} {relation}\n")));
    }
    for (key, script) in [("post", about.get_post_install_script()), ("preun", about.get_pre_uninstall_script())] {
        text.extend(
            script.ok().map(|script| format!("  %{key}:\n    {}\n", script.script.trim().replace('\n', "\n    "))),
        );
    }
    let files = about.get_file_entries().unwrap();
    text.extend(files.iter().map(|file| format!("  {}\n", line(file))));
    text
}

fn line(file: &FileEntry) -> String {
    let kind = match file.file_type() {
        FileType::Dir => 'd',
        FileType::SymbolicLink => 'l',
        _ => '-',
    };
    let flags = [
        (FileFlags::CONFIG, " %config"),
        (FileFlags::NOREPLACE, " noreplace"),
        (FileFlags::DOC, " %doc"),
        (FileFlags::LICENSE, " %license"),
    ];
    let flags: String =
        flags.into_iter().filter(|(flag, _)| file.flags().contains(*flag)).map(|(_, name)| name).collect();
    let target =
        file.linkto().filter(|target| !target.is_empty()).map(|target| format!(" -> {target}")).unwrap_or_default();
    let path = file.path().display().to_string().replace('\n', "\\n");
    let (user, group) = (file.user(), file.group());
    format!("{kind}{:04o} {user}:{group} {path}{target}{flags}", file.permissions())
}

#[test]
fn a_package_says_what_it_holds_offers_and_needs() {
    let folder = scratch();
    let tree = tree(folder.path());
    let (job, facts) = (job(&packages()), facts(&tree));
    let into = folder.path().join("into");
    fs_err::create_dir(&into).unwrap();
    let listed = packed(&job, &tree, &facts, &into).artifacts;
    let mut text = String::new();
    for (name, bytes) in bytes(&into) {
        let artifact = listed.iter().find(|artifact| artifact.name == name).expect("it is listed");
        assert_eq!((&artifact.sha256, artifact.size), (&Hash::of(&bytes), bytes.len() as u64));
        let package = Package::parse(&mut bytes.as_slice()).unwrap();
        package.verify_digests().unwrap();
        text += &describe(&name, &package);
        for file in package.files().unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata.modified_at().0, 1763053103, "{}", file.metadata.path().display());
            let path = file
                .metadata
                .path()
                .strip_prefix("/")
                .unwrap()
                .to_str()
                .unwrap()
                .replace("usr/lib64", "usr/lib/public");
            if let Kind::File { sha256, .. } = &facts.entries[&path].kind {
                assert_eq!(file.metadata.digest().unwrap().as_hex(), sha256.as_str(), "{path}");
                assert_eq!(Hash::of(file.content().unwrap_or_default()), *sha256, "{path}");
            }
        }
    }
    golden(&root().join("tests/package/rpm.txt"), &text);
}

#[test]
fn the_bytes_do_not_depend_on_what_else_is_going_on() {
    let folder = scratch();
    let tree = tree(folder.path());
    let (job, facts, report) = (job(&packages()), facts(&tree), Report::new(Style::Silent));
    let packed = |jobs: usize| {
        let into = scratch();
        let parcels = parcels(&job, &tree).unwrap();
        let goods = Goods {
            job: &job,
            tree: &tree,
            facts: &facts,
            attribution: &Attribution::default(),
            roots: &Roots::new(),
            parcels,
            report: &report,
            jobs,
        };
        pack(&goods, "{}\n", into.path()).unwrap();
        bytes(into.path())
    };
    let first = packed(1);
    assert_eq!(first.len(), 5, "{:?}", first.keys());
    assert_eq!(first, packed(4));
}

#[test]
fn a_time_that_the_clock_has_not_reached_is_the_recipes_all_the_same() {
    let folder = scratch();
    let later = "epoch = 4102444800";
    let recipe = recipe(&[Edit { find: "epoch = 1763053103".to_owned(), put: later.to_owned() }]);
    let recipe = Recipe { formats: packages().formats, package: packages().package, epoch: recipe.epoch, ..packages() };
    let tree = relocated(&recipe, &content(), folder.path());
    let into = folder.path().join("into");
    fs_err::create_dir(&into).unwrap();
    packed(&job(&recipe), &tree, &facts(&tree), &into);
    for (name, bytes) in bytes(&into) {
        let package = Package::parse(&mut bytes.as_slice()).unwrap();
        assert_eq!(package.metadata.get_build_time().unwrap(), 4102444800, "{name}");
        package.verify_digests().unwrap();
        assert!(package.metadata.get_file_entries().unwrap().iter().all(|file| file.modified_at().0 == 4102444800));
    }
}

#[test]
fn a_file_that_changed_and_a_relation_that_is_none_are_errors() {
    let folder = scratch();
    let tree = relocated(&packages(), &content(), folder.path());
    let fails = |recipe: &Recipe| {
        let (into, job, facts, report) = (scratch(), job(recipe), facts(&tree), Report::new(Style::Silent));
        let parcels = parcels(&job, &tree).unwrap();
        let goods = Goods {
            job: &job,
            tree: &tree,
            facts: &facts,
            attribution: &Attribution::default(),
            roots: &Roots::new(),
            parcels,
            report: &report,
            jobs: 1,
        };
        format!("{:#}", pack(&goods, "{}\n", into.path()).err().expect("it cannot be packed"))
    };
    let mut wrong = packages();
    let relations = wrong.package.iter_mut().find(|package| package.name == "xen-common").unwrap();
    relations
        .relations
        .values_mut()
        .for_each(|fields| drop(fields.insert("requires".to_owned(), vec!["a ~ b".to_owned()])));
    let error = fails(&wrong);
    assert!(
        error.contains("packing xen-common") && error.contains("`a ~ b` is not a relation that rpm knows"),
        "{error}"
    );
    fs_err::write(tree.path().join("etc/xen/xl.conf"), "autoballoon=0\n").unwrap();
    let error = fails(&packages());
    assert!(error.contains("packing xen-common: etc/xen/xl.conf: it changed while it was packed"), "{error}");
}
