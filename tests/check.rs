//! Artifacts that were tampered with: what is changed in a good folder, and what `check` says to it, in `check/findings.txt`.
//!
//! The sums are made anew after every change but the first ones, as whoever tampers would: each lie has to be found by what it
//! contradicts.

use crate::package::{job, packed};
use crate::support::scenario::{Content, recipe};
use crate::support::{expect, root, scratch};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use xtask::check;
use xtask::digest::{Hash, KeyBuilder};
use xtask::inspection;
use xtask::package::{MANIFEST, SUMS, seal};
use xtask::papers::attribution::Attribution;
use xtask::papers::{self, BOM, PROVENANCE};
use xtask::recipe::Format;
use xtask::relocate::{Layer, lay_over};
use xtask::tree::Manifest;

const TAR: &str = "xen-4.17.5+72-1-x86_64.tar.zst";
const DEB: &str = "xen-tools_4.17.5+72-1_amd64.deb";

/// A folder of artifacts: the tarball, and the tools as a Debian package.
fn artifacts(at: &Path) {
    let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    let content = Content {
        files: text(&[
            ("boot/xen.gz", "xen"),
            ("etc/xen/xl.conf", "autoballoon=1\n"),
            ("usr/lib/xen-4.17/__pycache__/it.pyc", "compiled"),
            ("usr/lib/xen-4.17/bin/it", "it\n"),
            ("usr/share/man/man1/it.1", "what it does\n"),
        ]),
        links: text(&[("usr/lib/xen-4.17/bin/other", "it")]),
        folders: Vec::new(),
        modes: text(&[("usr/lib/xen-4.17/bin/it", "755")]),
    };
    let (staged, work, into) = (at.join("staged"), at.join("work"), at.join("dist"));
    for folder in [&staged, &work, &into] {
        fs_err::create_dir(folder).unwrap();
    }
    content.write(&staged);
    let mut job = job(&recipe(&[]));
    let layer = Layer { step: "tools".to_owned(), manifest: Manifest::of(&staged).unwrap(), root: staged };
    let tree = lay_over(&job.recipe, &[layer], &work).unwrap();
    let facts = inspection::facts(&tree, &[]).unwrap();
    let mut packed = packed(&job, &tree, &facts, &into);
    // In the form of Debian's, whatever their writer does.
    let deb = deb(&entries(&fs_err::read(into.join(TAR)).unwrap()));
    fs_err::write(into.join(DEB), &deb).unwrap();
    packed.artifacts.push(xtask::package::Artifact {
        name: DEB.to_owned(),
        size: deb.len() as u64,
        sha256: Hash::of(&deb),
    });
    job.recipe.formats.insert(Format::Tar);
    let key = KeyBuilder::new("test/1").finish();
    let attribution = Attribution::new(&job, &tree, &facts, &[], &Default::default()).unwrap();
    let subject = papers::Subject { job: &job, key: &key, attribution: &attribution, bundles: &[] };
    papers::write(&subject, &mut packed, &into).unwrap();
    seal(&packed.artifacts, &into).unwrap();
}

/// An entry of a tarball, as far as these tests change it.
#[derive(Clone)]
struct Entry {
    header: tar::Header,
    path: String,
    content: Vec<u8>,
}

fn entries(tar_zst: &[u8]) -> Vec<Entry> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(tar_zst).unwrap());
    let read = |entry: std::io::Result<tar::Entry<_>>| {
        let mut entry = entry.unwrap();
        let (path, mut content) = (entry.path().unwrap().to_string_lossy().into_owned(), Vec::new());
        entry.read_to_end(&mut content).unwrap();
        Entry { header: entry.header().clone(), path, content }
    };
    archive.entries().unwrap().map(read).collect()
}

fn tarball(entries: &[Entry]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = entry.header.clone();
        header.set_size(entry.content.len() as u64);
        tar.append_data(&mut header, &entry.path, entry.content.as_slice()).unwrap();
    }
    zstd::encode_all(tar.into_inner().unwrap().as_slice(), 1).unwrap()
}

fn deb(all: &[Entry]) -> Vec<u8> {
    let at = |entry: &Entry| entry.path.split_once("/tree/").map_or(entry.path.clone(), |(_, path)| path.to_owned());
    let ours = all.iter().map(|entry| Entry { path: format!("./{}", at(entry)), ..entry.clone() });
    let ours = ours.filter(|entry| entry.path.starts_with("./etc") || entry.path.starts_with("./usr"));
    let ours: Vec<Entry> = ours.filter(|entry| !entry.path.contains("__pycache__")).map(page).collect();
    let mut ar = ar::Builder::new(Vec::new());
    for (name, bytes) in [("debian-binary", b"2.0\n".to_vec()), ("data.tar.zst", tarball(&ours))] {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        header.set_mode(0o100644);
        ar.append(&header, bytes.as_slice()).unwrap();
    }
    ar.into_inner().unwrap()
}

/// As Debian has manual pages.
fn page(entry: Entry) -> Entry {
    if !entry.path.ends_with(".1") {
        return entry;
    }
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&entry.content).unwrap();
    Entry { path: format!("{}.gz", entry.path), content: gz.finish().unwrap(), ..entry }
}

/// Rewrites the tarball's entries.
fn repack(dist: &Path, change: impl FnOnce(&mut Vec<Entry>)) {
    let mut entries = entries(&fs_err::read(dist.join(TAR)).unwrap());
    change(&mut entries);
    fs_err::write(dist.join(TAR), tarball(&entries)).unwrap();
}

/// Rewrites the content of the Debian package.
fn redeb(dist: &Path, change: impl FnOnce(&mut Vec<Entry>)) {
    let mut entries = entries(&fs_err::read(dist.join(TAR)).unwrap());
    change(&mut entries);
    fs_err::write(dist.join(DEB), deb(&entries)).unwrap();
}

fn entry<'e>(entries: &'e mut [Entry], end: &str) -> &'e mut Entry {
    entries.iter_mut().find(|entry| entry.path.ends_with(end)).unwrap()
}

fn replace(dist: &Path, name: &str, from: &str, to: &str) {
    let text = fs_err::read_to_string(dist.join(name)).unwrap();
    assert!(text.contains(from), "{name} has no {from}");
    fs_err::write(dist.join(name), text.replacen(from, to, 1)).unwrap();
}

fn reseal(dist: &Path) {
    let sums: BTreeMap<String, Hash> = fs_err::read_dir(dist)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with(SUMS))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), Hash::of(&fs_err::read(&path).unwrap())))
        .collect();
    let lines: String = sums.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
    fs_err::write(dist.join(SUMS), lines).unwrap();
}

type Case = (&'static str, bool, fn(&Path));

const CASES: [Case; 20] = [
    ("a flipped byte, old sums", false, |dist| {
        let mut bytes = fs_err::read(dist.join(DEB)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs_err::write(dist.join(DEB), bytes).unwrap();
    }),
    ("an artifact missing, old sums", false, |dist| fs_err::remove_file(dist.join(DEB)).unwrap()),
    ("an artifact more, old sums", false, |dist| fs_err::write(dist.join("notes"), "x").unwrap()),
    ("a line of the sums that is none", false, |dist| replace(dist, SUMS, "  audit.json", " audit.json")),
    ("an artifact missing", true, |dist| fs_err::remove_file(dist.join(DEB)).unwrap()),
    ("no provenance", true, |dist| fs_err::remove_file(dist.join(PROVENANCE)).unwrap()),
    ("an artifact more", true, |dist| fs_err::write(dist.join("notes"), "x").unwrap()),
    ("a truncated package", true, |dist| {
        let bytes = fs_err::read(dist.join(DEB)).unwrap();
        fs_err::write(dist.join(DEB), &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("the manifest tells another mode", true, |dist| {
        replace(dist, MANIFEST, r#""kind":"file","mode":"0755""#, r#""kind":"file","mode":"4755""#)
    }),
    ("the manifest tells another target", true, |dist| {
        replace(dist, MANIFEST, r#""target":"it""#, r#""target":"/bin/sh""#);
    }),
    ("the manifest leaves out a path", true, |dist| {
        let text = fs_err::read_to_string(dist.join(MANIFEST)).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains("etc/xen/xl.conf")).collect();
        fs_err::write(dist.join(MANIFEST), lines.join("\n")).unwrap();
    }),
    ("the manifest is none", true, |dist| fs_err::write(dist.join(MANIFEST), "{}").unwrap()),
    ("a file in the tarball with other content", true, |dist| {
        repack(dist, |entries| entry(entries, "etc/xen/xl.conf").content = b"autoballoon=0\n".to_vec());
    }),
    ("a file in the tarball with another mode", true, |dist| {
        repack(dist, |entries| entry(entries, "bin/it").header.set_mode(0o4755));
    }),
    ("a file in the tarball that is not root's, and of another time", true, |dist| {
        repack(dist, |entries| {
            let header = &mut entry(entries, "bin/it").header;
            header.set_uid(1000);
            header.set_mtime(1);
        });
    }),
    ("a file missing in the tarball", true, |dist| {
        repack(dist, |entries| entries.retain(|entry| !entry.path.ends_with("bin/it")));
    }),
    ("a file more in the tarball, and one twice", true, |dist| {
        repack(dist, |entries| {
            let it = entry(entries, "bin/it").clone();
            let path = it.path.replace("bin/it", "bin/extra");
            entries.extend([it.clone(), Entry { path, ..it }]);
        });
    }),
    ("a Debian package with other content, and a set-user-id program more", true, |dist| {
        redeb(dist, |entries| {
            let mut more = entry(entries, "bin/it").clone();
            more.path = more.path.replace("bin/it", "bin/su");
            more.header.set_mode(0o4755);
            entries.push(more);
            entry(entries, "etc/xen/xl.conf").content = b"autoballoon=0\n".to_vec();
            entry(entries, "man1/it.1").content = b"what it does not\n".to_vec();
        });
    }),
    ("the bill has another digest", true, |dist| {
        let wanted = Hash::of(b"it\n");
        replace(dist, BOM, wanted.as_str(), Hash::of(b"that\n").as_str());
    }),
    ("the provenance has another digest", true, |dist| {
        let deb = Hash::of(&fs_err::read(dist.join(DEB)).unwrap());
        replace(dist, PROVENANCE, deb.as_str(), Hash::of(b"other").as_str());
    }),
];

#[test]
fn a_good_folder_agrees_with_itself() {
    let folder = scratch();
    artifacts(folder.path());
    let checked = check::folder(&folder.path().join("dist")).unwrap();
    assert_eq!(checked.findings, []);
    assert_eq!((checked.artifacts, checked.opened), (7, 2));
    assert!(checked.paths > 10, "{checked:?}");
}

#[test]
fn whatever_is_tampered_with_is_found() {
    let good = scratch();
    artifacts(good.path());
    let mut text = String::new();
    for (name, sealed, tamper) in CASES {
        let folder = scratch();
        let dist = folder.path().join("dist");
        xtask::tree::copy(&good.path().join("dist"), &dist).unwrap();
        for entry in fs_err::read_dir(&dist).unwrap() {
            fs_err::set_permissions(entry.unwrap().path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        }
        tamper(&dist);
        if sealed {
            reseal(&dist);
        }
        let findings = check::folder(&dist).unwrap().findings;
        assert!(!findings.is_empty(), "{name} was not found");
        text += &format!("# {name}\n");
        for finding in findings {
            text += &format!("{}\n", short(&finding.to_string()));
        }
    }
    expect::golden(&root().join("tests/check/findings.txt"), &text);
}

/// Digests stand for content that other versions of a compressor change.
fn short(text: &str) -> String {
    let mut short = String::new();
    for piece in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let end = piece.trim_end_matches(|c: char| !c.is_ascii_hexdigit()).len();
        short += if end == 64 { "[DIGEST]" } else { &piece[..end] };
        short += &piece[end..];
    }
    short
}

#[test]
fn a_folder_without_artifacts_is_refused() {
    let folder = scratch();
    let error = check::folder(folder.path()).unwrap_err();
    let text = xtask::fault::render(&error);
    assert!(text.contains("holds no artifacts") && text.contains("target/dist"), "{text}");
    assert_eq!(xtask::fault::exit_code(&error), 2);
}
