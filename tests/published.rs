//! A project with a distribution's queue in a tarball, beside that distribution's package: `published/*.cmd` are commands with their
//! whole answers beside them. A loopback server stands for the distribution's mirror.

use crate::pipeline::{Fixture, deb, tar_gz, timeless};
use crate::support::{cases, context, expect, root, scratch};
use serde_json::Value;
use xtask::context::Net;
use xtask::digest::Hash;
use xtask::{fault, published, recipe};

/// Recipes that differ from `recipe.toml` in one place each.
const VARIANTS: [(&str, &str, &str); 11] = [
    ("packed", "", ""),
    ("absent", "share/greeting\"", "share/farewell\""),
    ("both", "", ""),
    (
        "differs",
        "pool/tiny_1.0.0-1_amd64.deb\"\nsha256 = \"@DEB@\"\nsize = @DEB-SIZE@",
        "pool/other.deb\"\nsha256 = \"@OTHER@\"\nsize = @OTHER-SIZE@",
    ),
    ("dropped", "pool/tiny_1.0.0-1_amd64.deb", "pool/gone_amd64.deb"),
    ("less", "path = \"patches\"", "path = \"less\""),
    ("nowhere", "path = \"patches\"", "path = \"nowhere\""),
    ("options", "path = \"patches\"", "path = \"options\""),
    ("twice", "path = \"patches\"", "path = \"twice\""),
    ("stale", "path = \"patches\"", "path = \"stale\""),
    ("tampered", "pool/tiny_1.0.0-1.debian.tar.gz", "pool/tampered.tar.gz"),
];

fn fixture() -> Fixture {
    let fixture = Fixture::new();
    let (data, work) = (root().join("tests/published"), scratch());
    let source = fs_err::read(fixture.served().join("tiny-1.0.0.tar.gz")).unwrap();
    let queue = tar_gz(&data.join("debian"), "debian");
    let package = |greeting: &str| {
        let at = work.path().join(Hash::of(greeting.as_bytes()).as_str()).join("usr/lib/tiny-1.0");
        for (path, text) in [
            ("share/greeting", greeting),
            ("bin/tiny", "#!/bin/sh\n# Says what the data says.\nexec cat /usr/lib/tiny-1.0/share/greeting\n"),
        ] {
            fs_err::create_dir_all(at.join(path).parent().unwrap()).unwrap();
            fs_err::write(at.join(path), text).unwrap();
        }
        deb(at.ancestors().nth(3).unwrap())
    };
    let (same, other) = (package("Good evening, all.\n"), package("Good evening, you.\n"));
    let mut tampered = queue.clone();
    let middle = tampered.len() / 2;
    tampered[middle] ^= 1;
    for (name, bytes) in [
        ("tiny_1.0.0-1.debian.tar.gz", &queue),
        ("tampered.tar.gz", &tampered),
        ("tiny_1.0.0-1_amd64.deb", &same),
        ("other.deb", &other),
    ] {
        fs_err::write(fixture.served().join("pool").join(name), bytes).unwrap();
    }
    // Of the pipeline's recipes one is enough: errors name all that there are.
    for name in fs_err::read_dir(fixture.checkout().join("recipes")).unwrap().map(|entry| entry.unwrap().path()) {
        if !name.ends_with("tiny-1.0.0.toml") {
            fs_err::remove_file(name).unwrap();
        }
    }
    let template = fs_err::read_to_string(data.join("recipe.toml")).unwrap();
    for (name, find, put) in VARIANTS {
        assert!(template.contains(find), "the recipe has no `{find}`");
        // Without a moment: no test asks the real archive.
        let mut text =
            template.replace("snapshot = \"20000101T000000Z\"\n", "").replace("\"packed\"", &format!("\"{name}\""));
        if !find.is_empty() {
            text = text.replace(find, put);
        }
        for (word, bytes) in [("SOURCE", &source), ("QUEUE", &queue), ("DEB", &same), ("OTHER", &other)] {
            text = text.replace(&format!("@{word}@"), Hash::of(bytes).as_str());
            text = text.replace(&format!("@{word}-SIZE@"), &bytes.len().to_string());
        }
        let text = text.replace("@SERVER@", &fixture.base());
        fs_err::write(fixture.checkout().join(format!("recipes/{name}-1.0.0.toml")), text).unwrap();
    }
    let own = fixture.checkout().join("patches/both-1.0.0/tiny");
    fs_err::create_dir_all(&own).unwrap();
    fs_err::copy(data.join("debian/patches/evening.patch"), own.join("0101-evening.patch")).unwrap();
    fixture
}

#[test]
fn commands_answer_as_written_down() {
    let fixture = fixture();
    for case in cases("published", "cmd") {
        let line = fs_err::read_to_string(&case).unwrap();
        let text = fixture.run(&line).text(line.trim()).replace(&fixture.base(), "[SERVER]");
        expect::golden(&case.with_extension("txt"), &timeless(&text));
    }
}

#[test]
fn a_packed_queue_reaches_the_build_the_keys_and_the_papers() {
    let fixture = fixture();
    let plan = |recipe: &str| -> Value { fixture.well(&format!("xtask plan {recipe} --json")).events().pop().unwrap() };
    let (whole, less) = (plan("packed"), plan("less"));
    let key = |plan: &Value, step: usize| plan["result"]["steps"][step]["key"].as_str().unwrap().to_owned();
    assert_eq!(whole["result"]["steps"][0]["step"], "data");
    assert_ne!(key(&whole, 0), key(&less, 0), "a patch more is another key");
    assert_eq!(key(&whole, 1), key(&less, 1), "a patch that does not reach a step is not in its key");

    // What was fetched is enough, the published package included.
    fixture.well("xtask fetch packed");
    fixture.well("xtask build packed --offline --out out");
    let verdict = fixture.well("xtask verify --published packed --offline --json").events().pop().unwrap();
    let file = &verdict["result"]["recipes"][0]["files"][0];
    let sha256 = Hash::of(b"Good evening, all.\n");
    assert_eq!(
        (file["path"].as_str(), file["identical"].as_bool()),
        (Some("usr/lib/tiny-1.0/share/greeting"), Some(true))
    );
    for side in ["ours", "theirs"] {
        assert_eq!((file[side]["sha256"].as_str(), file[side]["size"].as_u64()), (Some(sha256.as_str()), Some(19)));
    }

    let paper = |name: &str| fs_err::read_to_string(fixture.checkout().join("out").join(name)).unwrap();
    for (name, wanted) in [
        ("bom.cdx.json", "\"pool/tiny_1.0.0-1.debian.tar.gz#debian/patches/misc/polite.diff\""),
        ("bom.cdx.json", "\"source:debian\""),
        ("provenance.json", "\"pool/tiny_1.0.0-1.debian.tar.gz#debian/patches/evening.patch\""),
        ("provenance.json", "\"source/debian\""),
    ] {
        assert!(paper(name).contains(wanted), "{name} has no {wanted}");
    }
}

/// A mirror keeps the newest packages only; the snapshot archive has them all.
#[test]
fn a_package_that_mirrors_dropped_is_asked_of_the_snapshot_archive() {
    let fixture = fixture();
    let text = fs_err::read_to_string(fixture.checkout().join("recipes/packed-1.0.0.toml")).unwrap();
    let text = text.replace("files = [\"usr", "snapshot = \"20000101T000000Z\"\nfiles = [\"usr");
    let recipe = recipe::parse("packed-1.0.0.toml", &text).unwrap();
    let folder = scratch();
    let mut ctx = context(folder.path());
    let (mirror, archive) = (format!("{}/mirror", fixture.base()), format!("{}/archive", fixture.base()));
    ctx.net = Net { debian: vec![mirror], snapshot: Some(archive), ..Net::default() };

    let error = fault::render(&published::bring(&ctx, &recipe).unwrap_err());
    let name = "pool/tiny_1.0.0-1_amd64.deb";
    for place in [format!("/mirror/{name}: 404"), format!("/archive/20000101T000000Z/{name}: 404")] {
        assert!(error.contains(&place), "{error}");
    }
    let there = fixture.served().join("archive/20000101T000000Z/pool");
    fs_err::create_dir_all(&there).unwrap();
    fs_err::copy(fixture.served().join(name), there.join("tiny_1.0.0-1_amd64.deb")).unwrap();
    published::bring(&ctx, &recipe).unwrap();
}
