//! Locks made from a small signed archive, and what is refused on the way.

use super::mirror::{Mirror, date, now, package, pool};
use crate::support::key::{DAY, Key};
use fs_err as fs;
use xtask::debian::lock;
use xtask::fault::{exit_code, render};
use xtask::rootfs;
use xtask::toolchain::Toolchain;

/// A mirror whose `stable` has `tool`, which depends on `lib`.
fn mirror() -> Mirror {
    let mirror = Mirror::new(&["tool"]);
    mirror.publish(&[
        package("tool", "1.0-1", "Depends: lib (>= 2)\n", &["./usr/bin/tool=#!/bin/sh\n"]),
        package("lib", "2.1", "", &["./usr/lib/lib.so=elf"]),
    ]);
    mirror
}

#[track_caller]
fn refused(mirror: &Mirror, exit: i32, words: &[&str]) {
    let error = lock::make(&mirror.ctx(), "tools").expect_err("a lock was made");
    let text = render(&error);
    for word in words {
        assert!(text.contains(word), "`{text}` does not say `{word}`");
    }
    assert_eq!(exit_code(&error), exit, "{text}");
    assert!(!mirror.path("toolchains/tools.lock").exists());
}

#[test]
fn a_lock_names_every_package_by_its_hash_and_loads_again() {
    let mirror = mirror();
    let lock = lock::make(&mirror.ctx(), "tools").unwrap();
    let names: Vec<(&str, &str)> = lock.debs.iter().map(|deb| (&*deb.name, &*deb.version)).collect();
    assert_eq!(names, [("lib", "2.1"), ("tool", "1.0-1")]);
    let toolchain = Toolchain::load(&mirror.path(""), "tools").unwrap();
    assert_eq!(toolchain.debs, lock.debs);
    let lines = mirror.toolchain("lock").lines().filter(|line| line.contains("sha256 =")).count();
    assert_eq!(lines, 2);

    // Nothing of when or in which store it was made reaches it.
    let first = mirror.toolchain("lock");
    fs::remove_dir_all(mirror.path("store")).unwrap();
    lock::make(&mirror.ctx(), "tools").unwrap();
    assert_eq!(first, mirror.toolchain("lock"));
}

#[test]
fn a_version_that_the_mirror_does_not_have_gives_way_to_a_lower_one() {
    let mirror = Mirror::new(&["tool"]);
    let packages = || ["1.9", "1.10", "1.11"].map(|version| package("tool", version, "", &["./x=y"]));
    mirror.publish(&packages());
    mirror.remove(&pool("tool", "1.11"));
    assert_eq!(lock::make(&mirror.ctx(), "tools").unwrap().debs[0].version, "1.10");
    // A file that is there and is not the one of the index is no better.
    mirror.write(&pool("tool", "1.10"), b"short");
    assert_eq!(lock::make(&mirror.ctx(), "tools").unwrap().debs[0].version, "1.9");
}

#[test]
fn a_package_that_no_mirror_has_in_any_version_is_an_error() {
    let mirror = mirror();
    mirror.remove(&pool("lib", "2.1"));
    refused(
        &mirror,
        1,
        &["no mirror has pool/main/lib_2.1_amd64.deb", "tool 1.0-1 depends on lib (>= 2): there is no lib"],
    );
}

#[test]
fn a_changed_index_is_refused() {
    let mirror = mirror();
    let path = mirror.path("web/dists/stable/InRelease");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("Codename: rock", "Codename: sand")).unwrap();
    refused(
        &mirror,
        1,
        &["no mirror has an index of stable that can be believed", "/dists/stable/InRelease", "is bad"],
    );
}

#[test]
fn an_index_of_an_unknown_key_is_refused() {
    let mirror = mirror();
    let stranger = Key::new(now() - 100);
    let release = mirror.release(&[], &format!("Date: {}\n", date(now())));
    mirror.write("dists/stable/InRelease", stranger.sign(&release, now() - 10).as_bytes());
    refused(&mirror, 1, &["is not known", "--debian-mirror"]);
}

#[test]
fn an_expired_index_is_refused() {
    let mirror = mirror();
    let head = format!("Date: {}\nValid-Until: {}\n", date(now() - 9 * DAY), date(now() - 2 * DAY));
    mirror.publish_dated(&[], &head);
    refused(&mirror, 1, &["the index of stable has expired: it was valid until"]);
    let head = format!("Date: {}\nValid-Until: {}\n", date(now() - 9 * DAY), date(now() + 2 * DAY));
    mirror.publish_dated(&[package("tool", "1", "", &["./x=y"])], &head);
    lock::make(&mirror.ctx(), "tools").unwrap();
}

#[test]
fn an_index_of_the_future_or_without_a_date_is_refused() {
    let mirror = mirror();
    mirror.publish_dated(&[], &format!("Date: {}\n", date(now() + 3 * DAY)));
    refused(&mirror, 1, &["was made in the future", "clock"]);
    mirror.publish_dated(&[], "");
    refused(&mirror, 1, &["has no Date"]);
    mirror.publish_dated(&[], "Date: tomorrow\n");
    refused(&mirror, 1, &["Date that is no date: `tomorrow`"]);
}

#[test]
fn one_suite_cannot_pass_for_another() {
    let mirror = mirror();
    let path = mirror.path("toolchains/tools.toml");
    let text = fs::read_to_string(&path).unwrap().replace("['stable']", "['testing']");
    fs::write(&path, text).unwrap();
    let signed = fs::read(mirror.path("web/dists/stable/InRelease")).unwrap();
    mirror.write("dists/testing/InRelease", &signed);
    refused(&mirror, 1, &["the index is that of suite stable/rock, not of testing"]);
}

#[test]
fn an_index_that_is_not_the_signed_one_is_refused() {
    let mirror = mirror();
    let path = mirror.path("web/dists/stable/main/binary-amd64/Packages.xz");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    refused(&mirror, 3, &["stable-main-amd64-Packages.xz", "expected sha256"]);
}

#[test]
fn a_mirror_that_does_not_answer_is_a_missing_source() {
    let mirror = mirror();
    let mut ctx = mirror.ctx();
    ctx.net.debian = vec![crate::support::http::refusing()];
    let error = lock::make(&ctx, "tools").unwrap_err();
    assert_eq!(exit_code(&error), 3);
    ctx.net.debian = vec![crate::support::http::refusing(), mirror.server.base()];
    assert!(lock::make(&ctx, "tools").is_ok(), "the second mirror has all");
    ctx.net.offline = true;
    let error = lock::make(&ctx, "tools").unwrap_err();
    assert_eq!(exit_code(&error), 3);
    assert!(render(&error).contains("offline"));
}

#[test]
fn a_lock_that_answers_another_list_is_stale() {
    let mirror = mirror();
    lock::make(&mirror.ctx(), "tools").unwrap();
    let path = mirror.path("toolchains/tools.toml");
    let text = fs::read_to_string(&path).unwrap();

    // Links and comments are none of the lock's business.
    fs::write(&path, format!("# why\n{text}[links]\n'usr/bin/cc' = 'gcc'\n")).unwrap();
    let linked = Toolchain::load(&mirror.path(""), "tools").unwrap();
    fs::write(&path, &text).unwrap();
    let plain = Toolchain::load(&mirror.path(""), "tools").unwrap();
    assert_ne!(linked.key(), plain.key());

    fs::write(&path, text.replace("[\"tool\"]", "[\"tool\", \"lib\"]")).unwrap();
    let error = Toolchain::load(&mirror.path(""), "tools").unwrap_err();
    let text = render(&error);
    assert!(text.contains("is stale") && text.contains("cargo xtask toolchain lock tools"), "{text}");
    assert_eq!(exit_code(&error), 2);
}

#[test]
fn a_toolchain_is_plain_data_without_surprises() {
    let mirror = mirror();
    let path = mirror.path("toolchains/tools.toml");
    let text = fs::read_to_string(&path).unwrap();
    let cases = [
        (format!("recommends = true\n{text}"), "unknown field `recommends`"),
        (text.replace("suites = ['stable']", "suites = 'stable'"), "invalid type: string"),
        (format!("{text}[links]\n'../cc' = 'gcc'\n"), "link `../cc` is not a path below the root"),
    ];
    for (text, reason) in cases {
        fs::write(&path, text).unwrap();
        let error = Toolchain::load(&mirror.path(""), "tools").unwrap_err();
        let text = render(&error);
        assert!(text.contains(reason) && text.contains("tools.toml"), "{text}");
        assert_eq!(exit_code(&error), 2);
    }
    let error = Toolchain::load(&mirror.path(""), "bookwurm").unwrap_err();
    assert!(render(&error).contains("known toolchains: tools"));

    // Nor does a lock name anything that leaves the mirror or the folder in which the root describes its packages.
    fs::write(&path, &text).unwrap();
    lock::make(&mirror.ctx(), "tools").unwrap();
    let path = mirror.path("toolchains/tools.lock");
    let text = fs::read_to_string(&path).unwrap();
    for (whole, hostile, reason) in [
        ("name = \"lib\"", "name = \"../lib\"", "`../lib` is not the name of a package"),
        ("path = \"pool/", "path = \"pool/../", "of lib is not a path below a mirror"),
    ] {
        fs::write(&path, text.replacen(whole, hostile, 1)).unwrap();
        let error = Toolchain::load(&mirror.path(""), "tools").unwrap_err();
        assert!(render(&error).contains(reason) && render(&error).contains("tools.lock"), "{}", render(&error));
        assert_eq!(exit_code(&error), 2);
    }
}

#[test]
fn a_verified_lock_is_one_that_the_world_still_answers() {
    let mirror = mirror();
    lock::make(&mirror.ctx(), "tools").unwrap();
    lock::verify(&mirror.ctx(), "tools").unwrap();

    // One package is changed in the store, the other vanished; a newer one took its place in the index.
    let ctx = mirror.ctx();
    let toolchain = Toolchain::load(&mirror.path(""), "tools").unwrap();
    let tool = &rootfs::fetch(&ctx, &toolchain).unwrap()[1];
    let lib = ctx.store.blob(&toolchain.debs[0].sha256).unwrap();
    fs::remove_file(lib).unwrap();
    fs::set_permissions(tool, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(tool, "other bytes").unwrap();
    mirror.remove(&pool("lib", "2.1"));
    mirror.publish(&[package("tool", "1.0-1", "", &["./usr/bin/tool=#!/bin/sh\n"]), package("lib", "2.2", "", &[])]);
    let error = lock::verify(&ctx, "tools").unwrap_err();
    let text = render(&error);
    for finding in [
        "tool 1.0-1: ",
        "in the store was changed",
        "lib 2.1: no mirror has it: http://127.0.0.1",
        "404",
        "lib 2.1: no index of stable lists it any more",
        "help: delete what was changed: it will be brought again; run `cargo xtask toolchain lock tools`",
    ] {
        assert!(text.contains(finding), "`{text}` does not say `{finding}`");
    }
    assert_eq!(exit_code(&error), 1);

    let mut ctx = ctx;
    ctx.net.offline = true;
    let text = render(&lock::verify(&ctx, "tools").unwrap_err());
    assert!(text.contains("lib 2.1: not in the store, and not asked for (offline)"), "{text}");
    assert!(text.contains("run it again without `--offline`"), "{text}");
}
