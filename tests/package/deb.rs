//! Debian packages of a small tree, read back by nothing of dpkg's: what is in them stands in `deb/packages.txt`, for people.
//!
//! Files are short texts, and what ELF files would say is data beside them: the same on every machine, whatever its compiler.

use super::{job, packed_for, relocated};
use crate::support::expect::golden;
use crate::support::scenario::{Content, Edit, recipe};
use crate::support::{root, scratch};
use fs_err as fs;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use xtask::archive;
use xtask::digest::Hash;
use xtask::elf::{Class, Elf, Hardening, Type};
use xtask::fault;
use xtask::inspection;
use xtask::job::Job;
use xtask::recipe::Recipe;
use xtask::rootfs;
use xtask::toolchain::Deb;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    content: Content,
    elf: BTreeMap<String, Said>,
    /// Package of the toolchain to control member to text.
    outside: BTreeMap<String, BTreeMap<String, String>>,
}

/// What an ELF file says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    soname: Option<String>,
    needed: Vec<String>,
    imports: BTreeSet<String>,
    #[serde(default)]
    exports: BTreeSet<String>,
}

impl Said {
    fn elf(&self) -> Elf {
        let hardening = Hardening {
            pie: true,
            relro: true,
            bind_now: true,
            stack_nx: true,
            stack_protector: true,
            fortified: true,
            text_relocations: false,
        };
        Elf {
            class: Class::Elf64,
            machine: 62,
            kind: Type::Shared,
            interpreter: None,
            soname: self.soname.clone(),
            needed: self.needed.clone(),
            rpath: Vec::new(),
            runpath: Vec::new(),
            version_needs: BTreeMap::new(),
            version_definitions: self.exports.iter().filter_map(|name| version(name)).collect(),
            hardening,
            gnu_hash_only: false,
            build_id: None,
            notes: BTreeSet::new(),
            dynamic: true,
            imports: BTreeSet::new(),
            versioned_imports: self.imports.clone(),
            versioned_exports: self.exports.clone(),
        }
    }
}

/// `VERS_1.0` of `xencall0@VERS_1.0`.
fn version(symbol: &str) -> Option<String> {
    symbol.split_once('@').map(|(_, version)| version.to_owned()).filter(|version| version != "Base")
}

fn case() -> Case {
    toml::from_str(include_str!("deb/tree.toml")).unwrap()
}

/// The usual recipe, with the packages of `deb/packages.toml` in place of its own.
fn debian(edits: &[Edit]) -> Recipe {
    let own = "[[package]]\nname = \"xen-hypervisor\"\nfiles = [\"boot/**\"]\n\n[[package]]\nname = \"xen-tools\"\nfiles = [\"**\"]\n";
    let formats = "architecture = \"x86_64\"\nformats = [\"deb\"]\nmaintainer = \"A <a@example.org>\"\nhomepage = \"https://xen.example\"";
    let mut all = vec![
        Edit { find: own.to_owned(), put: include_str!("deb/packages.toml").to_owned() },
        Edit { find: "architecture = \"x86_64\"".to_owned(), put: formats.to_owned() },
    ];
    all.extend(edits.iter().map(|edit| Edit { find: edit.find.clone(), put: edit.put.clone() }));
    recipe(&all)
}

/// The packages, in `at/artifacts`: file name to bytes.
fn packages(recipe: &Recipe, case: &Case, at: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let tree = relocated(recipe, &case.content, at);
    let mut facts = inspection::facts(&tree, &[])?;
    for (path, said) in &case.elf {
        facts.entries.get_mut(path).unwrap_or_else(|| panic!("no {path}")).elf = Some(Ok(said.elf()));
    }
    let mut job: Job = job(recipe);
    let machine = at.join("machine");
    let info = machine.join(rootfs::INFO);
    fs::create_dir_all(&info)?;
    for (name, members) in &case.outside {
        for (member, text) in members {
            fs::write(info.join(format!("{name}.{member}")), text.trim_start_matches('\n'))?;
        }
        let (version, path) = ("1:1.2.3+b1".to_owned(), format!("pool/main/x/x/{name}_1_amd64.deb"));
        job.toolchain.debs.push(Deb { name: name.clone(), version, path, size: 1, sha256: Hash::of(name.as_bytes()) });
    }
    job.toolchains.insert(job.recipe.toolchain.clone(), job.toolchain.clone());
    let into = at.join("artifacts");
    fs::create_dir(&into)?;
    packed_for(&job, &tree, &facts, &machine, &into)?;
    let names = super::names(&into).into_iter().filter(|name| name.ends_with(".deb"));
    Ok(names.map(|name| (name.clone(), fs::read(into.join(name)).unwrap())).collect())
}

/// What people are told when it cannot be packed.
fn refused(recipe: &Recipe, case: &Case) -> String {
    match packages(recipe, case, scratch().path()) {
        Err(error) => fault::render(&error),
        Ok(packages) => panic!("it was packed: {:?}", packages.keys()),
    }
}

fn usual() -> BTreeMap<String, Vec<u8>> {
    packages(&debian(&[]), &case(), scratch().path()).unwrap()
}

fn members(deb: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ar::Archive::new(deb);
    let mut found = Vec::new();
    while let Some(member) = archive.next_entry() {
        let mut member = member.unwrap();
        let header = member.header().clone();
        assert_eq!((header.mode(), header.uid(), header.gid(), header.mtime()), (0o100_644, 0, 0, 1_763_053_103));
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        found.push((String::from_utf8(header.identifier().to_vec()).unwrap(), bytes));
    }
    found
}

/// A package as people read it: control members with their content, then what is installed.
fn told(deb: &[u8]) -> String {
    let members = members(deb);
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["debian-binary", "control.tar.xz", "data.tar.xz"]);
    assert_eq!(members[0].1, b"2.0\n");
    let mut text = String::new();
    for (member, bytes) in &members[1..] {
        let mut plain = tar::Archive::new(archive::decompress(bytes.as_slice()).unwrap());
        for entry in plain.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header().clone();
            let owner = (header.username().unwrap(), header.groupname().unwrap(), header.uid().unwrap());
            assert_eq!((owner, header.mtime().unwrap()), ((Some("root"), Some("root"), 0), 1_763_053_103));
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let link = entry.link_name_bytes().map(|link| String::from_utf8(link.into_owned()).unwrap());
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let mode = header.mode().unwrap();
            match (member.as_str(), link) {
                ("control.tar.xz", _) if path == "./" => {}
                ("control.tar.xz", _) => {
                    let _ = writeln!(text, "--- {path} {mode:o}\n{}", String::from_utf8(content).unwrap().trim_end());
                }
                (_, Some(link)) => drop(writeln!(text, "{path} -> {link}")),
                (_, None) if path == "./" => text.push_str("--- installed\n"),
                (_, None) => {
                    let _ = write!(text, "{mode:o} {path}");
                    let mut unpacked = String::new();
                    let mut plain = archive::decompress(content.as_slice()).unwrap();
                    plain.read_to_string(&mut unpacked).unwrap();
                    let word = format!(" {:?}", unpacked.chars().take(30).collect::<String>());
                    text.push_str(if path.ends_with('/') { "" } else { &word });
                    text.push('\n');
                }
            }
        }
    }
    text
}

#[test]
fn the_packages_are_what_debian_asks_for() {
    let mut text = String::new();
    for (name, deb) in usual() {
        let _ = write!(text, "=== {name}\n{}\n", told(&deb));
    }
    golden(&root().join("tests/package/deb/packages.txt"), &text);
}

/// The text of one file in a package.
fn file(deb: &[u8], wanted: &str) -> String {
    let data = members(deb).into_iter().find(|(name, _)| name == "data.tar.xz").unwrap().1;
    let mut plain = tar::Archive::new(archive::decompress(data.as_slice()).unwrap());
    let entry =
        plain.entries().unwrap().map(|entry| entry.unwrap()).find(|entry| *entry.path_bytes() == *wanted.as_bytes());
    let mut content = Vec::new();
    entry.unwrap_or_else(|| panic!("no {wanted}")).read_to_end(&mut content).unwrap();
    let mut text = String::new();
    archive::decompress(content.as_slice()).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn documentation_says_what_the_recipe_says() {
    let packages = usual();
    let deb = &packages["xen-utils-4.17_4.17.5+72-1_amd64.deb"];
    let folder = "./usr/share/doc/xen-utils-4.17";
    let mut text = file(deb, &format!("{folder}/changelog.Debian.gz"));
    text.push_str(&file(deb, &format!("{folder}/copyright")));
    golden(&root().join("tests/package/deb/documents.txt"), &text);
}

#[test]
fn the_same_tree_gives_the_same_packages() {
    let first = usual();
    assert_eq!(first.len(), 7, "{:?}", first.keys());
    assert!(first == usual());
    let edit = Edit { find: "homepage =".to_owned(), put: "revision = 2\nhomepage =".to_owned() };
    let second = packages(&debian(&[edit]), &case(), scratch().path()).unwrap();
    assert!(second.keys().all(|name| name.contains("_4.17.5+72-2_")), "{:?}", second.keys());
    assert!(told(&second["xen-utils-4.17_4.17.5+72-2_amd64.deb"]).contains("xen-libs-4.17 (= 4.17.5+72-2)"));
}

#[test]
fn a_library_that_nobody_provides_is_an_error_with_every_user() {
    let mut lacking = case();
    lacking.outside.remove("zlib1g");
    lacking.elf.get_mut("usr/lib/xen-4.17/sbin/xl").unwrap().needed.push("libodd.so.1".to_owned());
    lacking.elf.get_mut("usr/lib/xen-4.17/sbin/oxenstored").unwrap().needed.push("libodder.so.2".to_owned());
    let said = |case: &Case| refused(&debian(&[]), case);
    let text = said(&lacking);
    assert!(text.contains("nobody provides libraries of package xen-"), "{text}");
    assert!(text.contains("libodd.so.1, which usr/lib/xen-4.17/sbin/xl needs (bookworm)"), "{text}");
    lacking.outside = case().outside;
    let text = said(&lacking);
    for part in [
        "packing xen-4.17.5+72 as deb\n  because: nobody provides libraries of package xen-utils-4.17:",
        "\n    libodder.so.2, which usr/lib/xen-4.17/sbin/oxenstored needs",
        "\n    libodd.so.1, which usr/lib/xen-4.17/sbin/xl needs",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn what_would_break_a_packages_form_is_refused() {
    let edit = |find: &str, put: &str| Edit { find: find.to_owned(), put: put.to_owned() };
    let cases = [
        (
            edit("\"https://xen.example\"", "\"https://x\\nEssential: yes\""),
            "the field Homepage of a package must be one line",
        ),
        (edit("\"bridge-utils\"", "\"bridge-utils (> )\""), "`recommends` of package xen-utils-4.17"),
        (edit("\"bridge-utils\"", "\"a b\""), "`a b` is not a relationship"),
    ];
    for (edit, reason) in cases {
        let text = refused(&debian(&[edit]), &case());
        assert!(text.contains(reason), "{text}");
    }
    let mut broken = case();
    broken.content.files.insert("usr/lib/xen-4.17/two\nlines".to_owned(), String::new());
    let text = refused(&debian(&[]), &broken);
    assert!(text.contains("has a line break, which no list of dpkg can hold"), "{text}");
    let mut damaged = case();
    damaged.outside.get_mut("libc6").unwrap().insert("symbols".to_owned(), " puts@Base 1\n".to_owned());
    let text = refused(&debian(&[]), &damaged);
    assert!(text.contains("reading the symbols file of package libc6"), "{text}");
}
