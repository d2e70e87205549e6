//! Two folders of artifacts that differ in one thing, and how that is explained: `repro/<case>.txt`. Then `repro` itself, as a user
//! runs it, over a project that is reproducible and one that is not.

mod formats;

use crate::pipeline::Fixture;
use crate::support::compile::{Shape, compile};
use crate::support::{expect, root, scratch};
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use xtask::repro::causes::Clue;
use xtask::repro::report::{Proof, explanation};
use xtask::repro::{Comparison, compare};

/// A member of an archive: path, content, mode, mtime.
type Member<'a> = (&'a str, &'a [u8], u32, u64);

const README: Member = ("README", b"read me\n", 0o644, 1_700_000_000);
const TOOL: Member = ("bin/tool", b"#!/bin/sh\necho tool\n", 0o755, 1_700_000_000);

fn tar(members: &[Member]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content, mode, mtime) in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_mtime(*mtime);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

fn zst(bytes: &[u8], level: i32) -> Vec<u8> {
    zstd::encode_all(bytes, level).unwrap()
}

fn tar_zst(members: &[Member]) -> Vec<u8> {
    zst(&tar(members), 3)
}

fn gz(bytes: &[u8], time: u32) -> Vec<u8> {
    let mut gz = flate2::GzBuilder::new().mtime(time).write(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut ar = ar::Builder::new(Vec::new());
    for (name, content) in members {
        ar.append(&ar::Header::new(name.as_bytes().to_vec(), content.len() as u64), *content).unwrap();
    }
    ar.into_inner().unwrap()
}

fn compare(name: &str, first: &[u8], second: &[u8]) -> Comparison {
    let folder = scratch();
    for (side, bytes) in [("a", first), ("b", second)] {
        fs_err::create_dir(folder.path().join(side)).unwrap();
        fs_err::write(folder.path().join(side).join(name), bytes).unwrap();
    }
    let clue = Clue { what: "path of the store", first: "/first/store".into(), second: "/second/store".into() };
    compare::folders(&folder.path().join("a"), &folder.path().join("b"), &[clue], &|_, _, _| Ok(())).unwrap()
}

#[track_caller]
fn explained(case: &str, name: &str, first: &[u8], second: &[u8]) {
    let comparison = compare(name, first, second);
    assert!(!comparison.identical() && !comparison.differences.is_empty(), "{case}");
    let text: Vec<String> = comparison.differences.iter().map(explanation).collect();
    expect::golden(&root().join("tests/repro").join(case).with_extension("txt"), &(text.join("\n") + "\n"));
}

#[test]
fn what_is_the_same_is_counted() {
    let archive = tar_zst(&[README, TOOL]);
    let comparison = compare("x.tar.zst", &archive, &archive);
    assert!(comparison.identical() && comparison.differences.is_empty());
    assert_eq!((comparison.artifacts.len(), comparison.files()), (1, 2));
}

#[test]
fn a_text_is_followed_to_its_line() {
    let text = |middle: &str| format!("one\n{middle}\nthree\n").into_bytes();
    explained("line", "log", &text("a colour"), &text("a color"));
    explained("date", "log", &text("built 2026-11-20 10:00:00"), &text("built 2027-02-20 10:00:00"));
    explained("path", "log", &text("found in /first/store/x"), &text("found in /second/store/x"));
    explained("line-order", "log", b"b\na\nc\n", b"a\nb\nc\n");
    let inside = |text: &[u8]| tar_zst(&[README, ("doc/log", text, 0o644, 0)]);
    explained("line-inside", "x.tar.zst", &inside(&text("a colour")), &inside(&text("a color")));
}

#[test]
fn an_archive_is_followed_to_its_member() {
    let first = tar_zst(&[README, TOOL]);
    let (readme, content, ..) = README;
    explained("order", "x.tar.zst", &first, &tar_zst(&[TOOL, README]));
    explained("mode", "x.tar.zst", &first, &tar_zst(&[(readme, content, 0o600, 1_700_000_000), TOOL]));
    explained("mtime", "x.tar.zst", &first, &tar_zst(&[(readme, content, 0o644, 1_700_000_001), TOOL]));
    explained("missing-member", "x.tar.zst", &first, &tar_zst(&[README]));
    explained("gzip-time", "x.tar.gz", &gz(&tar(&[README]), 1_700_000_000), &gz(&tar(&[README]), 1_700_000_009));
    explained("gzip-text", "x.gz", &gz(b"one\n", 0), &gz(b"two\n", 0));
    explained("terminal", "x.tar", &tar(&[README]), &tar(&[README, ("\u{1b}[2J", b"", 0o644, 0)]));
    let deb =
        |text: &[u8]| ar(&[("debian-binary", b"2.0\n"), ("data.tar.zst", &tar_zst(&[("etc/x", text, 0o644, 0)]))]);
    explained("deb", "x.deb", &deb(b"one\n"), &deb(b"two\n"));
}

/// How a decoder words it and where packed bytes differ is a matter of its version; that both are named is not.
#[test]
fn a_truncated_archive_and_another_packing_are_named() {
    // Random enough not to be packed into the first block.
    let noise: Vec<u8> = (0..400_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let whole = tar_zst(&[README, ("noise", &noise, 0o644, 0)]);
    let comparison = compare("x.tar.zst", &whole, &whole[..whole.len() / 2]);
    let causes: Vec<&String> = comparison.differences.iter().flat_map(|difference| &difference.causes).collect();
    assert!(causes.iter().any(|cause| cause.starts_with("truncated")), "{:?}", comparison.differences);
    assert_eq!(
        comparison.differences.last().unwrap().place,
        ["x.tar.zst", "noise"],
        "it is compared as far as it goes"
    );

    let packed = |level| zst(&tar(&[README, ("noise", &noise, 0o644, 0)]), level);
    let comparison = compare("x.tar.zst", &packed(1), &packed(12));
    assert_eq!(comparison.differences.len(), 1);
    assert!(comparison.differences[0].causes[0].starts_with("packing: "), "{:?}", comparison.differences);
}

#[test]
fn an_elf_file_is_followed_to_its_section() {
    let folder = scratch();
    let built = |name: &str, text: &str| {
        let file = folder.path().join(name);
        let source = format!(
            "__attribute__((section(\".greeting\"))) const char greeting[16] = \"{text}\"; int main(void) {{ return 0; }}"
        );
        compile(Shape::Program, &source, &[], &[], &file);
        fs_err::read(file).unwrap()
    };
    let (first, second) = (built("a", "good morning"), built("b", "good evening"));
    let comparison = compare("tool", &first, &second);
    let found = |section: &str| {
        let found = comparison.differences.iter().find(|difference| difference.place == ["tool", section]);
        found.unwrap_or_else(|| panic!("no {section} in {:?}", comparison.differences))
    };
    assert_eq!(found(".greeting").offset, Some(5));
    assert!(found(".greeting").first.ends_with("|morning....|"), "{:?}", found(".greeting"));
    assert!(found(".note.gnu.build-id").causes[0].starts_with("build-id"));
    // A section that is the same on both sides is not spoken of.
    assert!(comparison.differences.iter().all(|difference| difference.place != ["tool", ".text"]));
}

#[test]
fn what_can_be_read_is_shown_as_it_is() {
    let comparison = compare("log", b"say \"no\" to 'a\\b'\tand\n", b"say \"on\" to 'a\\b'\tand\n");
    assert_eq!(comparison.differences[0].first, "say \"no\" to 'a\\b'\\tand");
}

#[test]
fn a_page_stands_alone_and_quotes_what_it_shows() {
    let comparison = compare("log", b"<script>one</script>\n", b"<script>two</script>\n");
    let proof = Proof {
        recipe: "x-1".into(),
        sides: "2 builds".into(),
        inside: false,
        varied: Vec::new(),
        fixed: Vec::new(),
        comparison,
    };
    let page = proof.html();
    assert!(page.contains("&lt;script&gt;one") && !page.contains("<script") && !page.contains("src="), "{page}");
    assert!(page.contains("x-1: <span class=\"bad\">1 difference</span>"), "{page}");
    assert!(!page.contains("http") && !page.contains("url("), "{page}");
}

fn result(events: &[Value]) -> &Value {
    &events.iter().find(|event| event["event"] == "result").expect("a result")["result"]
}

#[test]
fn a_reproducible_project_is_proved_to_be() {
    let fixture = Fixture::new();
    let answer = fixture.well("xtask repro tiny --json");
    let events = answer.events();
    let result = result(&events);
    assert_eq!((&result["identical"], result["differences"].as_array().unwrap().len()), (&Value::Bool(true), 0));
    assert_eq!(result["artifacts"].as_array().unwrap().len(), 7);
    let names = |list: &str| -> Vec<&str> {
        result[list].as_array().unwrap().iter().map(|it| it["what"].as_str().unwrap()).collect()
    };
    // Where the machine forbids it, the host name is said to be the same.
    let all = [names("varied"), names("not-varied")].concat();
    for what in [
        "path of the checkout",
        "umask",
        "time zone",
        "jobs",
        "compile cache",
        "host name",
        "processor affinity",
        "wall clock of the steps",
        "order of directories in the builder",
    ] {
        assert!(all.contains(&what), "{what}: {all:?}");
    }
    // The second build had a mask that lets nobody else read.
    let mode = |path: &str| {
        let path = fixture.checkout().join("target/repro/tiny-1.0.0").join(path);
        std::os::unix::fs::PermissionsExt::mode(&fs_err::metadata(path).unwrap().permissions()) & 0o777
    };
    assert_eq!((mode("first"), mode("second")), (0o755, 0o700));

    // The same against what stands there, and against a folder with a stranger in it.
    let first = "target/repro/tiny-1.0.0/first/dist";
    let theirs = "target/repro/tiny-1.0.0/second/dist";
    let answer = fixture.well(&format!("xtask repro tiny --against {theirs} --built --out {first}"));
    assert!(answer.stdout.ends_with("7 artifacts, 8 files inside: identical\n"), "{}", answer.stdout);
    let answer = fixture.run(&format!("xtask repro tiny --against {theirs}"));
    assert!(answer.code == 2 && answer.stderr.contains("move it elsewhere"), "{}", answer.text(""));
    fs_err::write(fixture.checkout().join(theirs).join("more"), "x").unwrap();
    let answer = fixture.run(&format!("xtask repro tiny --against {theirs} --built --out {first}"));
    assert_eq!(answer.code, 1);
    assert!(
        answer.stdout.contains("a file of 1 bytes") && answer.stderr.contains("both sides: more"),
        "{}",
        answer.text("")
    );
}

#[test]
fn what_reaches_an_artifact_is_named() {
    let fixture = Fixture::new();
    let answer = fixture.run("xtask repro leaky --html report.html");
    assert_eq!(answer.code, 1, "{}", answer.text(""));
    for part in
        ["share/when → line 1", "cause   date: ", "share/noise → line 1", "a digest: follows from another difference"]
    {
        assert!(answer.stdout.contains(part), "`{part}` is not in: {}", answer.stdout);
    }
    assert!(answer.stderr.contains("leaky-1.0.0 is not the same on both sides: SHA256SUMS, "), "{}", answer.stderr);
    let page = fs_err::read_to_string(fixture.checkout().join("report.html")).unwrap();
    assert!(page.contains("share/when<span>→</span>line 1"), "{page}");
    assert!(Path::new(&fixture.checkout()).join("target/repro/leaky-1.0.0/first/dist/SHA256SUMS").is_file());
}

#[test]
fn what_the_fixed_layout_hides_is_found_with_another() {
    let fixture = Fixture::new();
    let answer = fixture.well("xtask repro homely --json");
    assert_eq!(result(&answer.events())["inside"], Value::Bool(false));
    let answer = fixture.run("xtask repro homely --inside --json");
    assert_eq!(answer.code, 1, "{}", answer.text(""));
    let events = answer.events();
    let result = result(&events);
    let found = |member: &str| {
        let mut all = result["differences"].as_array().unwrap().iter();
        all.find(|it| it["place"].as_array().unwrap().iter().any(|at| at == member))
            .unwrap_or_else(|| panic!("{member}"))
    };
    let share = |name: &str| format!("homely-1.0.0-1-x86_64/tree/usr/lib/tiny-1.0/share/{name}");
    let pwd = found(&share("pwd"));
    assert_eq!((&pwd["first"], pwd["what"].as_str()), (&Value::from("/build"), Some("text")));
    assert!(pwd["second"].as_str().unwrap().starts_with("/elsewhere/"), "{pwd}");
    assert_eq!(found(&share("id"))["second"], "somebody");
    assert_eq!(found(&share("hostname"))["first"], "builder");
    assert_eq!(found(&share("date"))["second"], "13:30");
    assert_eq!(found(&share("umask"))["second"], "0027");

    // The fresh build beside somebody else's is the one in another world.
    let theirs = fixture.checkout().join("theirs");
    fs_err::rename(fixture.checkout().join("target/repro/homely-1.0.0/first/dist"), &theirs).unwrap();
    let answer = fixture.well("xtask repro homely --against theirs --json");
    let varied = self::result(&answer.events())["varied"].as_array().unwrap().clone();
    let umask = varied.iter().find(|it| it["what"] == "umask").unwrap();
    assert_eq!((&umask["first"], &umask["second"]), (&Value::from("077"), &Value::from("not known")));
}

#[test]
fn a_kept_store_is_used_again_in_its_own_world_only() {
    let fixture = Fixture::new();
    fixture.well("xtask repro tiny --second-store kept");
    let logs = fixture.checkout().join("kept/log");
    let count = || fs_err::read_dir(&logs).unwrap().count();
    assert!(count() > 0, "nothing was built in the kept store");
    for log in fs_err::read_dir(&logs).unwrap() {
        fs_err::remove_file(log.unwrap().path()).unwrap();
    }
    fixture.well("xtask repro tiny --second-store kept");
    assert_eq!(count(), 0, "a step was run again");
    let answer = fixture.run("xtask repro tiny --second-store kept --inside");
    assert!(answer.code == 2 && answer.stderr.contains("made in another world"), "{}", answer.text(""));
}
