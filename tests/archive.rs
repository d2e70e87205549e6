//! Tarballs good and hostile, made here header by header: what is unpacked, or the message that refuses it.

use std::io::{Cursor, Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use tar::EntryType;
use xtask::archive::{self, Limits, Links};

/// One header and its data, with whatever name; `tar::Builder` is too well-behaved for most cases.
struct Item {
    kind: EntryType,
    name: Vec<u8>,
    link: &'static str,
    data: Vec<u8>,
    mode: u32,
}

fn item(kind: EntryType, name: &str, link: &'static str) -> Item {
    Item { kind, name: name.into(), link, data: Vec::new(), mode: 0o644 }
}

fn file(name: &str) -> Item {
    Item { data: b"data\n".to_vec(), ..item(EntryType::Regular, name, "") }
}

fn folder(name: &str) -> Item {
    item(EntryType::Directory, name, "")
}

fn symlink(name: &str, target: &'static str) -> Item {
    item(EntryType::Symlink, name, target)
}

fn hard_link(name: &str, target: &'static str) -> Item {
    item(EntryType::Link, name, target)
}

const TIME: u64 = 1_700_000_000;

fn tarball(items: &[Item]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for item in items {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..item.name.len()].copy_from_slice(&item.name);
        header.as_old_mut().linkname[..item.link.len()].copy_from_slice(item.link.as_bytes());
        header.set_entry_type(item.kind);
        header.set_size(item.data.len() as u64);
        header.set_mode(item.mode);
        header.set_mtime(TIME);
        header.set_cksum();
        builder.append(&header, &item.data[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn unpack(tar: impl Read, into: &Path, strip: usize, limits: &Limits) -> Result<(), String> {
    archive::unpack(tar, into, strip, limits).map_err(|error| format!("{error:#}"))
}

/// The message that refuses these items; nothing of them may be left beside the destination.
fn refused(items: &[Item], limits: &Limits) -> String {
    let work = tempfile::tempdir().unwrap();
    let into = work.path().join("into");
    fs_err::create_dir(&into).unwrap();
    let message = unpack(Cursor::new(tarball(items)), &into, 0, limits).expect_err("the archive was unpacked");
    let beside: Vec<_> = fs_err::read_dir(work.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside, ["into"], "{message}");
    message
}

#[test]
fn hostile_entries_are_refused_with_name_and_reason() {
    let cases: [(Vec<Item>, &str); 22] = [
        (vec![file("a/../../b")], "entry `a/../../b` is refused: a name must not have `..` in it"),
        (vec![file("../b")], "entry `../b` is refused: a name must not have `..` in it"),
        (vec![file("/etc/passwd")], "entry `/etc/passwd` is refused: a name must not be absolute"),
        (vec![symlink("l", "/etc")], "entry `l` is refused: its target `/etc` is absolute"),
        (vec![symlink("l", "..")], "entry `l` is refused: its target `..` leaves the folder it is unpacked into"),
        (
            vec![symlink("a/l", "../../b")],
            "entry `a/l` is refused: its target `../../b` leaves the folder it is unpacked into",
        ),
        (vec![symlink("l", "")], "entry `l` is refused: it is a link without a target"),
        (vec![symlink("l", ".."), file("l/b")], "entry `l/b` is refused: leaves the folder it is unpacked into"),
        // Each target stays inside by its name; only followed in turn do they leave.
        (
            vec![folder("a/b/c"), symlink("a/b/c/up", "../../.."), symlink("out", "a/b/c/up/..")],
            "entry `out` is refused: its target `a/b/c/up/..` leaves the folder it is unpacked into",
        ),
        // The same, with the link that leads out made before the one that it leads through.
        (
            vec![symlink("out", "a/b/c/up/.."), symlink("a/b/c/up", "../../..")],
            "entry `out` is refused: its target `a/b/c/up/..` leaves the folder it is unpacked into",
        ),
        (vec![hard_link("l", "../b")], "entry `l` is refused: its target `../b` leaves the folder it is unpacked into"),
        (
            vec![hard_link("l", "/etc/passwd")],
            "entry `l` is refused: its target `/etc/passwd` leaves the folder it is unpacked into",
        ),
        (
            vec![symlink("up", ".."), hard_link("l", "up/b")],
            "entry `l` is refused: its target `up/b` leaves the folder it is unpacked into",
        ),
        (vec![hard_link("l", "b"), file("b")], "entry `l` is refused: its target `b` is not in the archive before it"),
        (vec![symlink("s", "b"), hard_link("l", "s")], "entry `l` is refused: its target `s` is not a file"),
        (vec![item(EntryType::Block, "dev/sda", "")], "entry `dev/sda` is refused: it is a block device"),
        (vec![item(EntryType::Char, "dev/null", "")], "entry `dev/null` is refused: it is a character device"),
        (vec![item(EntryType::Fifo, "run/f", "")], "entry `run/f` is refused: it is a fifo"),
        (vec![file("a"), file("a")], "entry `a` is refused: something of that name is already there"),
        (vec![symlink("a", "b"), file("a")], "entry `a` is refused: something of that name is already there"),
        (vec![symlink("a", "b"), symlink("a", "c")], "entry `a` is refused: something of that name is already there"),
        (vec![file("a"), file("a/b")], "entry `a/b` is refused: goes through `a`, which is not a folder"),
    ];
    for (items, expected) in cases {
        assert_eq!(refused(&items, &Limits::default()), expected);
    }
}

#[test]
fn a_loop_of_links_is_refused_where_it_is_entered() {
    let items = [symlink("a", "b"), symlink("b", "a"), file("a/c")];
    assert_eq!(refused(&items, &Limits::default()), "entry `a/c` is refused: goes through more than 40 links");
}

#[test]
fn the_bounds_hold() {
    let few = Limits { entries: 2, ..Limits::default() };
    assert_eq!(refused(&[folder("a"), folder("b"), folder("c")], &few), "the archive has more than 2 entries");
    let small = Limits { bytes: 9, ..Limits::default() };
    assert_eq!(refused(&[file("a"), file("b")], &small), "the archive unpacks beyond 9 bytes");

    // A long name is not a way around the bound, nor is what follows the end mark.
    let long = Item { data: vec![b'a'; (1 << 20) + 1], ..item(EntryType::GNULongName, "././@LongLink", "") };
    assert_eq!(
        refused(&[long, file("b")], &Limits::default()),
        "the archive has a header of 1048577 bytes, more than 1048576"
    );
    let bomb = Cursor::new(tarball(&[])).chain(std::io::repeat(0));
    let into = tempfile::tempdir().unwrap();
    let bound = Limits { bytes: 1 << 20, ..Limits::default() };
    assert_eq!(unpack(bomb, into.path(), 0, &bound).unwrap_err(), "the archive unpacks beyond 1048576 bytes");
}

#[test]
fn modes_times_and_links_are_kept_and_set_id_is_not() {
    let into = tempfile::tempdir().unwrap();
    let items = [
        Item { mode: 0o4755, ..file("x-1/bin/tool") },
        Item { mode: 0, ..file("x-1/locked") },
        hard_link("x-1/bin/again", "x-1/bin/tool"),
        symlink("x-1/lib", "./bin/../bin"),
        folder("x-1/empty/"),
        item(EntryType::XGlobalHeader, "pax_global_header", ""),
    ];
    unpack(Cursor::new(tarball(&items)), into.path(), 1, &Limits::default()).unwrap();
    let data = |name: &str| fs_err::symlink_metadata(into.path().join(name)).unwrap();
    assert_eq!(data("bin/tool").permissions().mode() & 0o7777, 0o755);
    assert_eq!(data("locked").permissions().mode() & 0o7777, 0o400);
    assert_eq!(data("bin/again").ino(), data("bin/tool").ino());
    assert_eq!(fs_err::read_link(into.path().join("lib")).unwrap(), Path::new("./bin/../bin"));
    assert_eq!(fs_err::read_to_string(into.path().join("bin/tool")).unwrap(), "data\n");
    for name in ["bin", "bin/tool", "lib", "empty"] {
        assert_eq!(data(name).mtime(), TIME as i64, "{name}");
        assert_eq!(data(name).permissions().mode() & 0o7000, 0, "{name}");
    }
}

#[test]
fn long_names_are_read_as_gnu_and_as_pax_write_them() {
    let into = tempfile::tempdir().unwrap();
    let deep = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    builder.append_data(&mut header, format!("gnu/{deep}"), &b""[..]).unwrap();
    let pax_name = format!("pax/{deep}");
    builder.append_pax_extensions([("path", pax_name.as_bytes())]).unwrap();
    header.set_path("short").unwrap();
    header.set_cksum();
    builder.append(&header, &b""[..]).unwrap();
    unpack(Cursor::new(builder.into_inner().unwrap()), into.path(), 0, &Limits::default()).unwrap();
    assert!(into.path().join("gnu").join(&deep).is_file());
    assert!(into.path().join("pax").join(&deep).is_file());
}

#[test]
fn in_a_root_absolute_links_start_at_the_root_and_merged_folders_stay_links() {
    let into = tempfile::tempdir().unwrap();
    fs_err::create_dir_all(into.path().join("usr/bin")).unwrap();
    fs_err::os::unix::fs::symlink("usr/bin", into.path().join("bin")).unwrap();
    let rooted = Limits { links: Links::Rooted, ..Limits::default() };
    let items = [
        folder("./"),
        // Where the link is already, it stays; base-files of Debian 13 has it so.
        symlink("./bin", "usr/bin"),
        folder("./bin/"),
        file("./bin/sh"),
        symlink("./etc/alternatives/awk", "/usr/bin/mawk"),
        symlink("./data", "/srv/data"),
        folder("./srv/data"),
        file("./data/file"),
    ];
    unpack(Cursor::new(tarball(&items)), into.path(), 0, &rooted).unwrap();
    assert!(into.path().join("bin").is_symlink());
    assert!(into.path().join("usr/bin/sh").is_file());
    assert!(into.path().join("srv/data/file").is_file());
    assert_eq!(
        refused(&[symlink("a", "../etc")], &rooted),
        "entry `a` is refused: its target `../etc` leaves the folder it is unpacked into"
    );
}

#[test]
fn compression_is_known_by_its_magic_and_a_cut_is_noticed() {
    let work = tempfile::tempdir().unwrap();
    let plain: Vec<u8> = (0..100_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
    xz.write_all(&plain).unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    let packed = [("gz", gzip.finish().unwrap()), ("xz", xz.finish().unwrap()), ("zst", zstd), ("tar", plain.clone())];
    for (name, bytes) in packed {
        let path = work.path().join(name);
        fs_err::write(&path, &bytes).unwrap();
        let mut read = Vec::new();
        archive::open(&path).unwrap().read_to_end(&mut read).unwrap();
        assert!(read == plain, "{name}");
        if name != "tar" {
            fs_err::write(&path, &bytes[..bytes.len() - 3]).unwrap();
            assert!(archive::open(&path).unwrap().read_to_end(&mut read).is_err(), "{name} was cut");
        }
    }
    let path = work.path().join("bz2");
    fs_err::write(&path, b"BZh91AY&SY").unwrap();
    let error = archive::open(&path).err().unwrap();
    assert!(xtask::fault::render(&error).contains("bzip2 compression is not supported"), "{error:?}");
}

#[test]
fn a_cut_tarball_is_an_error() {
    let whole = tarball(&[file("a"), file("b")]);
    let into = tempfile::tempdir().unwrap();
    let message = unpack(&whole[..1024 + 512 + 2], into.path(), 0, &Limits::default()).unwrap_err();
    assert_eq!(message, "entry `b` is refused: the archive ends in the middle of it");
}
