//! Roots made of small packages: what comes out, that nothing but the lock decides it, and which packages are refused.

use super::mirror::{Mirror, Package, deb, described, members, package, pool, tree};
use crate::support::{expect, root};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use xtask::debian::lock;
use xtask::digest::Hash;
use xtask::fault::{exit_code, render};
use xtask::rootfs;
use xtask::toolchain::{Deb, Toolchain};

/// A toolchain of these packages without an archive around them, unpacked into `into/root`.
fn unpack(into: &Path, packages: &[(&str, Vec<u8>)], threads: usize) -> Result<PathBuf, String> {
    let mut toolchain = Toolchain {
        name: "tools".to_owned(),
        architecture: "amd64".to_owned(),
        links: BTreeMap::from([
            ("usr/bin/awk".to_owned(), "mawk".to_owned()),
            ("bin/x/y".to_owned(), "../z".to_owned()),
        ]),
        snapshot: String::new(),
        debs: Vec::new(),
    };
    let mut files = Vec::new();
    for (name, data) in packages {
        let path = into.join(format!("{name}.deb"));
        fs::write(&path, data).unwrap();
        files.push(path);
        toolchain.debs.push(Deb {
            name: (*name).to_owned(),
            version: "1".to_owned(),
            path: format!("pool/{name}.deb"),
            size: data.len() as u64,
            sha256: Hash::of(data),
        });
    }
    let root = into.join("root");
    fs::create_dir(&root).unwrap();
    rootfs::unpack(&toolchain, &files, &root, threads, &|_| {}).map_err(|error| render(&error))?;
    Ok(root)
}

fn sample() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("base", deb(&["./bin/", "./bin/sh=shell", "./etc/rmt>/usr/sbin/rmt", "./usr/share/doc/base=text"])),
        ("base-passwd", deb(&["./usr/share/base-passwd/passwd.master=root:*:0:0::/root:/bin/sh\n"])),
        (
            "lib",
            described(
                &[
                    "./",
                    "./control=Package: lib\n",
                    "./postinst=never",
                    "./symbols=libc.so.6 lib #MINVER#\n",
                    "./triggers=never",
                ],
                &["./lib/x86_64-linux-gnu/libc.so.6=elf", "./lib64/", "./lib64/ld.so>/lib/x86_64-linux-gnu/libc.so.6"],
            ),
        ),
        ("mawk", deb(&["./usr/bin/mawk=awk", "./usr/share/doc/mawk=text"])),
    ]
}

#[test]
fn a_root_is_merged_complete_and_the_same_in_every_order() {
    let work = tempfile::tempdir().unwrap();
    let whole = tree(&unpack(work.path(), &sample(), 2).unwrap());
    expect::golden(&root().join("tests/toolchain/root.txt"), &whole);
    let mut reverse = sample();
    reverse.reverse();
    let work = tempfile::tempdir().unwrap();
    assert_eq!(tree(&unpack(work.path(), &reverse, 1).unwrap()), whole);
}

#[test]
fn a_file_in_two_packages_is_an_error_that_names_both() {
    let work = tempfile::tempdir().unwrap();
    let packages = [("one", deb(&["./bin/sh=dash"])), ("two", deb(&["./usr/bin/sh=bash"]))];
    let message = unpack(work.path(), &packages, 2).unwrap_err();
    assert!(message.contains("`usr/bin/sh` is in two packages, one and two"), "{message}");
}

#[test]
fn a_package_that_is_not_one_is_refused_by_name() {
    let good = deb(&["./usr/bin/tool=#!/bin/sh\n"]);
    let data_start = good.windows(6).rposition(|window| window == b"\xfd7zXZ\0").unwrap();
    let mut corrupt = good.clone();
    corrupt[data_start + 40] ^= 0x55;
    let cases: [(Vec<u8>, &str); 9] = [
        (good[..good.len() - 40].to_vec(), "reading the archive"),
        (good[..100].to_vec(), "because: "),
        (corrupt, "reading the archive"),
        (b"not an archive at all".to_vec(), "reading the package"),
        (members(&[("debian-binary", b"3.0\n"), ("data.tar", b"")]), "not a Debian binary package of format 2"),
        (members(&[("debian-binary", b"2.0\n"), ("control.tar", b"")]), "it has no member data.tar"),
        (
            members(&[("debian-binary", b"2.0\n"), ("data.tar.bz2", b"BZh91AY&SY")]),
            "bzip2 compression is not supported",
        ),
        (
            members(&[("debian-binary", b"2.0\n"), ("control.tar.bz2", b"BZh91AY&SY")]),
            "bzip2 compression is not supported",
        ),
        (deb(&["./up>../../etc", "./up/passwd=x"]), "entry `up/passwd` is refused: leaves the folder"),
    ];
    for (data, reason) in cases {
        let work = tempfile::tempdir().unwrap();
        let message = unpack(work.path(), &[("tool", data)], 1).expect_err(reason);
        assert!(message.contains("unpacking package tool 1"), "{message}");
        assert!(message.contains(reason), "`{message}` does not say `{reason}`");
    }
}

fn locked(packages: &[Package]) -> (Mirror, Toolchain) {
    let mirror = Mirror::new(&["tool"]);
    mirror.publish(packages);
    lock::make(&mirror.ctx(), "tools").unwrap();
    let toolchain = Toolchain::load(&mirror.path(""), "tools").unwrap();
    (mirror, toolchain)
}

#[test]
fn a_root_is_made_once_and_then_found_without_a_mirror() {
    let (mirror, toolchain) = locked(&[package("tool", "1", "", &["./usr/bin/tool=#!/bin/sh\n"])]);
    let made = rootfs::obtain(&mirror.ctx(), &toolchain).unwrap();
    assert_eq!(made.key, toolchain.key());
    assert!(made.path.join("bin/tool").is_file());
    let mut ctx = mirror.ctx();
    ctx.net.offline = true;
    assert_eq!(rootfs::obtain(&ctx, &toolchain).unwrap().path, made.path);
}

#[test]
fn a_package_that_vanished_is_an_error_with_every_place_and_the_cure() {
    let (mirror, toolchain) = locked(&[package("tool", "1", "", &["./usr/bin/tool=#!/bin/sh\n"])]);
    mirror.remove(&pool("tool", "1"));
    let mut ctx = mirror.ctx();
    ctx.net.snapshot = Some(format!("{}/snapshot", mirror.server.base()));
    let error = rootfs::obtain(&ctx, &toolchain).unwrap_err();
    let text = render(&error);
    let base = mirror.server.base();
    for word in [
        "package tool 1 of toolchain tools (pool/main/tool_1_amd64.deb)",
        &format!("{base}/pool/main/tool_1_amd64.deb: 404"),
        &format!("{base}/snapshot/{}/pool/main/tool_1_amd64.deb: 404", toolchain.snapshot),
        "--debian-mirror URL",
        "cargo xtask toolchain lock tools",
    ] {
        assert!(text.contains(word), "`{text}` does not say `{word}`");
    }
    assert_eq!(exit_code(&error), 3);
    assert!(ctx.store.tree(&toolchain.key()).unwrap().is_none());

    // The snapshot archive has it under the moment that the lock names.
    let data = deb(&["./usr/bin/tool=#!/bin/sh\n"]);
    mirror.write(&format!("snapshot/{}/pool/main/tool_1_amd64.deb", toolchain.snapshot), &data);
    let mut ctx = mirror.ctx();
    ctx.net.snapshot = Some(format!("{base}/snapshot"));
    assert!(rootfs::obtain(&ctx, &toolchain).is_ok());
}

#[test]
fn a_package_with_other_bytes_is_not_even_opened() {
    let (mirror, toolchain) = locked(&[package("tool", "1", "", &["./usr/bin/tool=#!/bin/sh\n"])]);
    let mut data = fs::read(mirror.path("web").join(pool("tool", "1"))).unwrap();
    let end = data.len() - 1;
    data[end] ^= 1;
    mirror.write(&pool("tool", "1"), &data);
    let error = rootfs::obtain(&mirror.ctx(), &toolchain).unwrap_err();
    let text = render(&error);
    assert!(text.contains("expected sha256") && text.contains("tool 1"), "{text}");
    assert_eq!(exit_code(&error), 3);
}
