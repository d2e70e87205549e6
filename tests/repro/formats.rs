//! Packages that differ in one thing: .deb, .rpm and Arch's .pkg.tar.zst, made by hand as their formats are described.

use super::{ar, compare, explained, gz, tar, tar_zst, zst};
use std::io::Write as _;

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(bytes).unwrap();
    xz.finish().unwrap()
}

fn deb(depends: &str, config: &[u8]) -> Vec<u8> {
    let control = format!("Package: x\nVersion: 1\nDepends: {depends}\n");
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", &xz(&tar(&[("./control", control.as_bytes(), 0o644, 0)]))),
        ("data.tar.xz", &xz(&tar(&[("./etc/x", config, 0o644, 0), ("./usr/bin/x", b"#!/bin/sh\n", 0o755, 0)]))),
    ])
}

/// cpio(5), new ASCII format.
fn cpio(members: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, (name, content, mode)) in members.iter().chain([&("TRAILER!!!", &b""[..], 0)]).enumerate() {
        let (size, length) = (content.len(), name.len() + 1);
        let fields = [number, *mode as usize, 0, 0, 1, 1_700_000_000, size, 0, 0, 0, 0, length, 0];
        bytes.extend_from_slice(b"070701");
        bytes.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// A header of rpm's file format V4: tag, type, number of values, bytes.
fn header(tags: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let (mut index, mut store) = (Vec::new(), Vec::new());
    for (tag, kind, count, value) in tags {
        let offset = u32::try_from(store.len()).unwrap();
        index.extend([*tag, *kind, offset, *count].iter().flat_map(|word| word.to_be_bytes()));
        store.extend_from_slice(value);
    }
    let mut bytes = b"\x8e\xad\xe8\x01\0\0\0\0".to_vec();
    bytes.extend([tags.len(), store.len()].iter().flat_map(|word| u32::try_from(*word).unwrap().to_be_bytes()));
    [bytes, index, store].concat()
}

fn rpm(built: u32, tool: &[u8]) -> Vec<u8> {
    let mut bytes = b"\xed\xab\xee\xdb".to_vec();
    bytes.resize(96, 0);
    bytes.extend(header(&[(269, 6, 1, b"0123456789abcdef0123456789abcdef01234567\0")]));
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend(header(&[
        (1000, 6, 1, b"x\0"),
        (1006, 4, 1, &built.to_be_bytes()),
        (1117, 8, 2, b"x\0y\0"),
        (5999, 7, 2, b"\x01\x02"),
    ]));
    let files = cpio(&[("./usr/bin", b"", 0o040_755), ("./usr/bin/x", tool, 0o100_755), ("./y", b"x", 0o120_777)]);
    bytes.extend(zst(&files, 3));
    bytes
}

fn arch(version: &str) -> Vec<u8> {
    let info = format!("pkgname = x\npkgver = {version}\n");
    tar_zst(&[
        (".PKGINFO", info.as_bytes(), 0o644, 0),
        (".MTREE", &gz(format!("#mtree\n./x time={version}\n").as_bytes(), 0), 0o644, 0),
        ("usr/bin/x", b"x", 0o755, 0),
    ])
}

#[test]
fn a_package_is_followed_to_the_file_inside() {
    explained("deb-xz", "x.deb", &deb("libc6 (>= 2.36)", b"one\n"), &deb("libc6 (>= 2.35)", b"two\n"));
    explained("rpm", "x.rpm", &rpm(1_700_000_000, b"one\n"), &rpm(1_700_000_009, b"two\n"));
    explained("arch", "x.pkg.tar.zst", &arch("1-1"), &arch("1-2"));
    let whole = rpm(1, b"one\n");
    explained("rpm-cut", "x.rpm", &whole, &whole[..120]);
}

#[test]
fn the_files_of_a_package_are_counted_whatever_lies_around_them() {
    let files = |name: &str, bytes: &[u8]| compare(name, bytes, bytes).files();
    // debian-binary and control are files of a .deb too; a header of an .rpm is none.
    assert_eq!(files("x.deb", &deb("", b"")), 4);
    assert_eq!(files("x.rpm", &rpm(1, b"")), 2);
    assert_eq!(files("x.pkg.tar.zst", &arch("1")), 3);
    assert_eq!(files("x.txt", b"text"), 0);
}

#[test]
fn a_hostile_package_is_an_explained_difference() {
    let whole = rpm(1, b"one\n");
    for at in 96..whole.len() {
        let mut hostile = whole.clone();
        hostile[at] ^= 0xff;
        assert!(!compare("x.rpm", &whole, &hostile).differences.is_empty(), "{at}");
    }
}
