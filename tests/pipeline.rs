//! A tiny project through the whole pipeline, as a user runs it: from sources and a toolchain on a loopback server, in the real
//! sandbox, to artifacts. `pipeline/*.cmd` are commands in that checkout with their whole answers beside them.

use crate::papers::laws;
use crate::support::http::Server;
use crate::support::run::{Answer, run};
use crate::support::{cases, context, expect, root, sandbox_root, scratch};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use xtask::digest::Hash;
use xtask::package::{Document, What};
use xtask::papers::VERSION;
use xtask::toolchain::{Deb, Lock, Wanted};

const TOOLCHAIN: &str = r#"
architecture = "amd64"
suites = []
components = []
certificates = "none"
signers = []
packages = ["tiny-root"]
"#;

/// A checkout with the recipes of `pipeline/recipes`, and a server that has what they need.
pub struct Fixture {
    folder: tempfile::TempDir,
    server: Server,
}

impl Fixture {
    pub fn new() -> Fixture {
        let folder = scratch();
        let at = |path: &str| folder.path().join(path);
        for name in ["checkout/recipes", "checkout/toolchains", "checkout/patches", "served/pool", "root"] {
            fs_err::create_dir_all(at(name)).unwrap();
        }
        let server = Server::start(&at("served"));

        let source = tar_gz(&root().join("tests/pipeline/source"), "tiny-1.0.0");
        fs_err::write(at("served/tiny-1.0.0.tar.gz"), &source).unwrap();
        for recipe in cases("pipeline/recipes", "toml") {
            let text = fs_err::read_to_string(&recipe).unwrap();
            let text = text.replace("@SHA256@", Hash::of(&source).as_str());
            let text = text.replace("@SIZE@", &source.len().to_string()).replace("@SERVER@", &server.base());
            fs_err::write(at("checkout/recipes").join(recipe.file_name().unwrap()), text).unwrap();
        }
        xtask::tree::copy(&root().join("tests/pipeline/patches"), &at("checkout/patches")).unwrap();

        sandbox_root::make(&at("root"));
        // The links and accounts that every toolchain's root is given.
        fs_err::remove_dir_all(at("root/etc")).unwrap();
        for link in ["bin", "lib", "lib64"] {
            fs_err::remove_file(at("root").join(link)).unwrap();
        }
        let deb = deb(&at("root"));
        fs_err::write(at("served/pool/tiny-root_1_amd64.deb"), &deb).unwrap();
        fs_err::write(at("checkout/toolchains/tiny.toml"), TOOLCHAIN).unwrap();
        let lock = Lock {
            wanted: Wanted::load(&at("checkout"), "tiny").unwrap().digest(),
            snapshot: "20000101T000000Z".to_owned(),
            debs: vec![Deb {
                name: "tiny-root".to_owned(),
                version: "1".to_owned(),
                path: "pool/tiny-root_1_amd64.deb".to_owned(),
                size: deb.len() as u64,
                sha256: Hash::of(&deb),
            }],
        };
        fs_err::write(at("checkout/toolchains/tiny.lock"), lock.render("tiny")).unwrap();
        Fixture { folder, server }
    }

    pub fn checkout(&self) -> PathBuf {
        fs_err::canonicalize(self.folder.path().join("checkout")).unwrap()
    }

    /// What the server has, which may be added to.
    pub fn served(&self) -> PathBuf {
        self.folder.path().join("served")
    }

    pub fn base(&self) -> String {
        self.server.base()
    }

    pub fn run(&self, line: &str) -> Answer {
        let path = std::env::var("PATH").unwrap();
        let base = self.server.base();
        run(&self.checkout(), line, &[("PATH", path.as_str()), ("XENWRIGHT_DEBIAN_MIRROR", base.as_str())])
    }

    /// Runs what must go well.
    pub fn well(&self, line: &str) -> Answer {
        let answer = self.run(line);
        assert_eq!(answer.code, 0, "{}", answer.text(line));
        answer
    }

    fn artifact(&self, out: &str, name: &str) -> Vec<u8> {
        fs_err::read(self.checkout().join(out).join(name)).unwrap()
    }
}

fn tar(folder: &Path, prefix: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.mode(tar::HeaderMode::Deterministic);
    tar.follow_symlinks(false);
    tar.append_dir_all(prefix, folder).unwrap();
    tar.into_inner().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

pub fn tar_gz(folder: &Path, prefix: &str) -> Vec<u8> {
    gz(&tar(folder, prefix))
}

/// A package as deb(5) describes it, with nothing in its control archive, since nothing of that is read.
pub fn deb(root: &Path) -> Vec<u8> {
    let mut deb = ar::Builder::new(Vec::new());
    let control = gz(&tar::Builder::new(Vec::new()).into_inner().unwrap());
    for (name, bytes) in
        [("debian-binary", b"2.0\n".to_vec()), ("control.tar.gz", control), ("data.tar.gz", tar_gz(root, "."))]
    {
        deb.append(&ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64), bytes.as_slice()).unwrap();
    }
    deb.into_inner().unwrap()
}

const OUT: &str = "target/dist/tiny-1.0.0";

#[test]
fn a_project_becomes_artifacts_offline_again_and_elsewhere() {
    let fixture = Fixture::new();
    fixture.well("xtask fetch tiny");
    let asked = fixture.server.seen().len();

    let first = fixture.well("xtask build tiny --offline --json");
    assert_eq!(fixture.server.seen().len(), asked, "an offline build asks nobody");
    let ended = |answer: &Answer, kind: &str| -> Vec<String> {
        let events = answer.events();
        let of_kind = |event: &&serde_json::Value| event["event"] == "begin" && event["kind"] == kind;
        events.iter().filter(of_kind).map(|event| event["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ended(&first, "step"), ["data", "tool"]);
    assert_eq!(first.events().last().unwrap()["event"], "result");

    // The artifacts are there, and are what their sums say.
    let sums = String::from_utf8(fixture.artifact(OUT, "SHA256SUMS")).unwrap();
    let named: Vec<(&str, &str)> = sums.lines().map(|line| line.split_once("  ").unwrap()).collect();
    let names: Vec<&str> = named.iter().map(|(_, name)| *name).collect();
    assert_eq!(
        names,
        [
            "audit.json",
            "bom.cdx.json",
            "manifest.json",
            "provenance.json",
            "tiny-1.0.0-1-x86_64.tar.zst",
            "tiny_1.0.0-1_amd64.buildinfo"
        ]
    );
    for (sum, name) in named {
        assert_eq!(Hash::of(&fixture.artifact(OUT, name)).as_str(), sum, "{name}");
    }
    expect::golden(
        &root().join("tests/pipeline/files.txt"),
        &files(&fixture.artifact(OUT, "tiny-1.0.0-1-x86_64.tar.zst")),
    );
    let manifest = String::from_utf8(fixture.artifact(OUT, "manifest.json")).unwrap();
    expect::golden(&root().join("tests/pipeline/manifest.json"), &manifest);
    for name in ["bom.cdx.json", "provenance.json", "tiny_1.0.0-1_amd64.buildinfo"] {
        let text = String::from_utf8(fixture.artifact(OUT, name)).unwrap();
        let text = text.replace(&fixture.server.base(), "[SERVER]").replace(VERSION, "[VERSION]");
        expect::golden(&root().join("tests/pipeline").join(name), &timeless(&without_serial(&text)));
    }
    attributed(&manifest, &fixture.artifact(OUT, "bom.cdx.json"));
    let paper = |name: &str| serde_json::from_slice(&fixture.artifact(OUT, name)).unwrap();
    assert_eq!(laws::bill(&paper("bom.cdx.json")), [""; 0]);
    let subjects: Vec<&str> = names.iter().copied().filter(|name| *name != "provenance.json").collect();
    assert_eq!(laws::statement(&paper("provenance.json"), &subjects), [""; 0]);

    // Nothing is done twice, and nothing changes.
    let again = fixture.well("xtask build tiny --offline --json --out again");
    assert!(ended(&again, "step").is_empty(), "{}", again.stdout);
    assert_eq!(fixture.artifact("again", "SHA256SUMS"), sums.as_bytes());

    // Another store and another number of jobs give the same bytes.
    fixture.well("xtask build tiny --store elsewhere --jobs 1 --out other");
    assert_eq!(fixture.artifact("other", "SHA256SUMS"), sums.as_bytes());

    // What the checkout holds is what was there, but for the outputs that were asked for.
    let mut names: Vec<String> = fs_err::read_dir(fixture.checkout())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["again", "elsewhere", "home", "other", "patches", "recipes", "target", "toolchains"]);
}

/// The serial number is made of digests that differ with the host's shell.
fn without_serial(text: &str) -> String {
    let line = |line: &str| {
        let (start, _) = line.split_once("urn:uuid:").unwrap_or((line, ""));
        if start.len() == line.len() { format!("{line}\n") } else { format!("{start}urn:uuid:[UUID]\",\n") }
    };
    text.lines().map(line).collect()
}

/// Every path of the manifest that a step staged is in the bill, and made of components that are in it too; and every file has its
/// digest there.
fn attributed(manifest: &str, bill: &[u8]) {
    let bill: serde_json::Value = serde_json::from_slice(bill).unwrap();
    let components: BTreeMap<&str, &serde_json::Value> = bill["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|component| (component["bom-ref"].as_str().unwrap(), component))
        .collect();
    assert_eq!(components.len(), bill["components"].as_array().unwrap().len(), "a reference is given once");
    let made_of: BTreeMap<&str, &serde_json::Value> = bill["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| (edge["ref"].as_str().unwrap(), &edge["dependsOn"]))
        .collect();
    let mut seen = 0;
    for item in Document::from_json("manifest.json", manifest).unwrap().entries {
        let reference = format!("file:{}", item.path);
        let Some(component) = components.get(reference.as_str()) else {
            assert!(item.step.is_none(), "{} is in no bill", item.path);
            continue;
        };
        let parts = made_of[reference.as_str()].as_array().unwrap();
        assert!(!parts.is_empty(), "{} is made of nothing", item.path);
        assert!(parts.iter().all(|part| components.contains_key(part.as_str().unwrap())), "{}: {parts:?}", item.path);
        if let What::File { sha256, .. } = item.what {
            assert_eq!(component["hashes"][0]["content"], sha256.as_str(), "{}", item.path);
        }
        seen += 1;
    }
    assert_eq!(seen, 4, "tool, greeting, dispatcher and its link");
}

/// Mode, owner, time, size and path of every entry, and what the texts say.
fn files(tar_zst: &[u8]) -> String {
    let mut text = String::new();
    let mut archive = tar::Archive::new(zstd::stream::read::Decoder::new(tar_zst).unwrap());
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        text += &format!(
            "{:?} {:o} {}:{} {} {}",
            header.entry_type(),
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mtime().unwrap(),
            entry.path().unwrap().display(),
        );
        if let Some(target) = entry.link_name().unwrap() {
            text += &format!(" -> {}", target.display());
        }
        text.push('\n');
    }
    text
}

#[test]
fn what_goes_wrong_is_answered_as_written_down() {
    let fixture = Fixture::new();
    for case in cases("pipeline", "cmd") {
        let line = fs_err::read_to_string(&case).unwrap();
        let text = fixture.run(&line).text(line.trim()).replace(&fixture.server.base(), "[SERVER]");
        expect::golden(&case.with_extension("txt"), &timeless(&text));
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a disk of a few megabytes is had in a namespace only")]
fn a_full_disk_is_named_with_its_cure_and_loses_nothing() {
    let fixture = Fixture::new();
    let store = fixture.checkout().join("small");
    fs_err::create_dir(&store).unwrap();
    let elsewhere = scratch();
    let bubblewrap = xtask::sandbox::bubblewrap(&context(elsewhere.path())).unwrap();
    let mut command = std::process::Command::new(&bubblewrap[0]);
    command.args(&bubblewrap[1..]).args(["--dev-bind", "/", "/", "--size", "4000000", "--tmpfs"]).arg(&store);
    // The second run, in the same namespace, finds what the first one had finished.
    let script = "\"$0\" fetch tiny --store \"$1\"; echo \"exit $?\"; \"$0\" store verify --store \"$1\"";
    command.args(["sh", "-c", script, env!("CARGO_BIN_EXE_xtask")]).arg(&store).current_dir(fixture.checkout());
    command.env("XENWRIGHT_DEBIAN_MIRROR", fixture.server.base());
    let output = command.output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("exit 1") && output.status.success(), "{said}{complained}");
    for part in ["No space left on device", "free some space", "store gc", "--store DIR"] {
        assert!(complained.contains(part), "`{part}` is not in: {complained}");
    }
}

/// Without what differs from run to run and from host to host: times, digests, and the size of the host's shell and libraries.
pub fn timeless(text: &str) -> String {
    let digests = |word: &str| {
        let digest = word.len() >= 12 && word.bytes().all(|b| b.is_ascii_hexdigit());
        if digest { "[DIGEST]".to_owned() } else { word.to_owned() }
    };
    let mut words = String::new();
    for piece in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let end = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len();
        words += &digests(&piece[..end]);
        words += &piece[end..];
    }
    let without_time = |line: &str| {
        if let Some((start, "B" | "KiB" | "MiB")) = line.rsplit_once(' ') {
            let start = start.rsplit_once(' ').map_or(start, |(start, _)| start);
            return format!("{start} [SIZE]\n");
        }
        // The bundle's, which grows with its installer.
        if line.starts_with(" [DIGEST] ") && line.ends_with(".tar.zst") {
            return format!(" [DIGEST] [SIZE] {}\n", line.rsplit(' ').next().unwrap_or_default());
        }
        let line = line.rsplit_once(" (").filter(|(_, time)| time.ends_with(" s)")).map_or(line, |(start, _)| start);
        let Some((start, rest)) = line.split_once(" with ").filter(|(_, rest)| rest.contains(" s of CPU")) else {
            return format!("{line}\n");
        };
        let end = rest.split_once(" s of CPU").map_or("", |(_, end)| end);
        format!("{start} with [CPU]{end}\n")
    };
    words.lines().map(without_time).collect()
}
