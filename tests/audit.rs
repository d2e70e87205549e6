//! The laws of the audit. A case in `tests/audit` is a change to a small clean tree of real ELF files (built below by the host's
//! compiler) and to the recipe; beside it stands the report. `clean.toml` changes nothing and reports nothing.

use crate::support::compile::{Shape, compile};
use crate::support::expect::golden;
use crate::support::scenario::{Content, Edit, recipe, set_mode};
use crate::support::{cases, scratch};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use xtask::audit::coinstall::{self, Side};
use xtask::audit::{self, Facts, Offer, RULES, Verdict};
use xtask::digest::Hash;
use xtask::inspection;
use xtask::recipe::Recipe;
use xtask::tree::{Entry, Kind, Manifest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    recipe: Vec<Edit>,
    /// ELF files that are added, or stand in for one of the clean tree.
    #[serde(default)]
    elf: Vec<File>,
    #[serde(default)]
    content: Content,
    /// Bytes that are written over a file: path, offset, values.
    #[serde(default)]
    poke: Vec<(String, usize, Vec<u8>)>,
    #[serde(default)]
    remove: Vec<String>,
    /// What libraries of the distribution offer, beside the host's libc.
    #[serde(default)]
    offer: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: String,
    shape: Shape,
    source: String,
    #[serde(default)]
    flags: Vec<String>,
    /// Paths in the tree that it is linked with.
    #[serde(default)]
    with: Vec<String>,
    /// The text of a version script.
    versions: Option<String>,
}

impl File {
    fn build(&self, root: &Path) {
        let work = scratch();
        let mut flags = self.flags.clone();
        if let Some(versions) = &self.versions {
            let script = work.path().join("versions");
            fs_err::write(&script, versions).unwrap();
            flags.push(format!("-Wl,--version-script={}", script.display()));
        }
        // Libraries of the tree are found for the one that needs them; what is missing is what some cases are about.
        flags.push("-Wl,--unresolved-symbols=ignore-in-shared-libs".to_owned());
        let with: Vec<PathBuf> = self.with.iter().map(|path| root.join(path)).collect();
        let with: Vec<&Path> = with.iter().map(PathBuf::as_path).collect();
        let to = root.join(&self.path);
        if to.exists() {
            fs_err::remove_file(&to).unwrap();
        }
        compile(self.shape, &self.source, &flags, &with, &to);
        set_mode(&to, if self.shape == Shape::Program { 0o755 } else { 0o644 });
    }
}

/// The clean tree, made once: an unstable library and a stable one, a program of both, firmware, a hypervisor, a plugin.
fn clean() -> &'static Path {
    static CLEAN: OnceLock<tempfile::TempDir> = OnceLock::new();
    CLEAN
        .get_or_init(|| {
            let folder = scratch();
            let case: Case = toml::from_str(include_str!("audit/tree/clean.toml")).unwrap();
            case.apply(folder.path());
            folder
        })
        .path()
}

impl Case {
    fn apply(&self, root: &Path) {
        for file in &self.elf {
            file.build(root);
        }
        for path in &self.remove {
            fs_err::remove_file(root.join(path)).unwrap();
        }
        for path in self.content.files.keys().chain(self.content.links.keys()) {
            // One that stands in for a file of the clean tree.
            let _ = fs_err::remove_file(root.join(path));
        }
        self.content.write(root);
        for (path, offset, values) in &self.poke {
            let mut bytes = fs_err::read(root.join(path)).unwrap();
            bytes[*offset..*offset + values.len()].copy_from_slice(values);
            fs_err::write(root.join(path), bytes).unwrap();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in &Manifest::of(from).unwrap().entries {
        let (here, there) = (from.join(&entry.path), to.join(&entry.path));
        match &entry.kind {
            Kind::Directory { .. } => fs_err::create_dir(there).unwrap(),
            Kind::File { .. } => drop(fs_err::copy(here, there).unwrap()),
            Kind::Symlink { target } => fs_err::os::unix::fs::symlink(target, there).unwrap(),
        }
    }
}

fn places() -> Vec<String> {
    audit::SANDBOX.iter().map(|place| place.to_string()).collect()
}

/// What the host's libc offers: the cases are about other things.
fn offer(recipe: &Recipe, more: &BTreeMap<String, BTreeSet<String>>) -> Offer {
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let mut offer = inspection::offer(&[Path::new("/")], &triplet, &recipe.relocate.outside).unwrap();
    assert!(offer.libraries.contains_key("libc.so.6"), "the host's libc was not found");
    offer.libraries.extend(more.clone());
    offer
}

/// The recipe is for the host, whose compiler made the files.
fn host_recipe(edits: &[Edit]) -> Recipe {
    let mut recipe = recipe(edits);
    let host = std::env::consts::ARCH;
    recipe.architecture = xtask::recipe::Architecture::ALL
        .into_iter()
        .find(|architecture| architecture.gnu() == host)
        .unwrap_or_else(|| panic!("no architecture is called {host}"));
    recipe
}

fn facts(case: &Case) -> Facts {
    let folder = scratch();
    copy(clean(), folder.path());
    case.apply(folder.path());
    let manifest = Manifest::of(folder.path()).unwrap();
    let owners = manifest.entries.iter().filter(|entry| !matches!(entry.kind, Kind::Directory { .. }));
    let owners = owners.map(|entry| (entry.path.clone(), "tools".to_owned())).collect();
    inspection::facts_of(folder.path(), &manifest, &owners, &places()).unwrap()
}

fn judge(case: &Case) -> (Verdict, String) {
    let recipe = host_recipe(&case.recipe);
    let facts = facts(case);
    let verdict = audit::audit(&recipe, &facts, &offer(&recipe, &case.offer)).unwrap();
    let json = verdict.json(&recipe, &facts);
    (verdict, json)
}

fn read(path: &Path) -> Case {
    toml::from_str(&fs_err::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Without what differs between the hosts that tests run on.
fn portable(text: &str) -> String {
    [
        ("/lib64/ld-linux-x86-64.so.2", "[LOADER]"),
        ("/lib/ld-linux-aarch64.so.1", "[LOADER]"),
        ("for X86_64", "for [HOST]"),
        ("for AARCH64", "for [HOST]"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (found, shown)| text.replace(found, shown))
}

/// Every case with its verdict, judged once.
fn verdicts() -> &'static [(PathBuf, Verdict)] {
    static VERDICTS: OnceLock<Vec<(PathBuf, Verdict)>> = OnceLock::new();
    VERDICTS
        .get_or_init(|| cases("audit", "toml").into_iter().map(|path| (path.clone(), judge(&read(&path)).0)).collect())
}

#[test]
fn each_broken_law_is_reported_and_nothing_else() {
    for (path, verdict) in verdicts() {
        golden(&path.with_extension("txt"), &portable(&verdict.text()));
        // A case that breaks nothing would prove nothing.
        let quiet = path.file_stem().is_some_and(|name| name == "clean" || name == "allowed");
        assert_eq!(verdict.good(), quiet, "{}: {}", path.display(), verdict.text());
    }
}

#[test]
fn every_rule_has_a_case() {
    // The law of co-installation has two trees and a test of its own.
    let mut seen = BTreeSet::from(["co-installation"]);
    seen.extend(verdicts().iter().flat_map(|(_, verdict)| &verdict.findings).map(|finding| finding.rule));
    let missing: Vec<&str> = RULES.iter().map(|rule| rule.name).filter(|name| !seen.contains(name)).collect();
    assert!(missing.is_empty(), "no case in tests/audit breaks {}", missing.join(", "));
}

#[test]
fn what_is_allowed_is_kept_with_its_reason() {
    let path = crate::support::root().join("tests/audit/allowed.toml");
    let (verdict, json) = judge(&read(&path));
    assert!(verdict.good(), "{}", verdict.text());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(0));
    assert_eq!(json["allowed"][0]["rule"], "dangling-link");
    assert_eq!(json["allowed"][0]["path"], "etc/xen/qemu");
    assert_eq!(json["allowed"][0]["reason"], "the distribution's QEMU is there");
    assert_eq!(json["elf"]["usr/lib/xen-4.17/lib/libxenctrl.so.4.17.0"]["soname"], "libxenctrl.so.4.17");
    assert_eq!(json["recipe"], "xen-4.17.5+72");
}

#[test]
fn bounds_are_kept_with_what_was_measured() {
    let (_, json) = judge(&read(&crate::support::root().join("tests/audit/bounds.toml")));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let kernel = "usr/lib/xen-4.17/boot/stub-kernel";
    let files = serde_json::json!({ kernel: 5, "usr/lib/xen-4.17/boot/stub-rootfs": 4 });
    let first = serde_json::json!({ "bound": 8, "bytes": 9, "reason": "both are read in one go", "files": files });
    assert_eq!(json["bounds"][0], first);
    let second = serde_json::json!({ "bound": 5, "bytes": 5, "reason": "exactly so much", "files": { kernel: 5 } });
    assert_eq!(json["bounds"][1], second);
}

fn file(path: &str, text: &str, mode: u32) -> Entry {
    let kind = Kind::File { mode, size: text.len() as u64, sha256: Hash::of(text.as_bytes()) };
    Entry { path: path.to_owned(), kind }
}

fn link(path: &str, target: &str) -> Entry {
    Entry { path: path.to_owned(), kind: Kind::Symlink { target: target.to_owned() } }
}

fn folder(path: &str) -> Entry {
    Entry { path: path.to_owned(), kind: Kind::Directory { mode: 0o755 } }
}

#[test]
fn two_series_may_differ_only_where_both_say_so() {
    let edit = |find: &str, put: &str| Edit { find: find.to_owned(), put: put.to_owned() };
    let old = recipe(&[]);
    let new = recipe(&[edit("4.17.5+72", "4.20.3+127"), edit("4.17", "4.20")]);
    let strict = recipe(&[edit("4.17.5+72", "4.20.3+127"), edit("4.17", "4.20"), edit("\"etc/**\", ", "")]);
    let one = Manifest {
        entries: vec![
            folder("etc"),
            file("etc/xl.conf", "old", 0o644),
            folder("usr"),
            file("usr/mode", "same", 0o644),
            link("usr/same", "x"),
            link("usr/target", "a"),
            folder("usr/was-folder"),
            file("usr/xen-4.17", "old", 0o644),
        ],
    };
    let other = Manifest {
        entries: vec![
            Entry { path: "etc".to_owned(), kind: Kind::Directory { mode: 0o700 } },
            file("etc/xl.conf", "new", 0o644),
            folder("usr"),
            file("usr/mode", "same", 0o755),
            link("usr/same", "x"),
            link("usr/target", "b"),
            link("usr/was-folder", "elsewhere"),
            file("usr/xen-4.20", "new", 0o644),
        ],
    };
    let found = |b: &Recipe| -> Vec<String> {
        let findings = coinstall::check((&old, &one), (b, &other)).unwrap();
        findings.iter().map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
    };
    let common = found(&new);
    assert_eq!(
        common,
        [
            "usr/mode: xen-4.17.5+72 has it with mode 644, xen-4.20.3+127 with mode 755",
            "usr/target: xen-4.17.5+72 has a link to a, xen-4.20.3+127 a link to b",
            "usr/was-folder: xen-4.17.5+72 has a folder, xen-4.20.3+127 a link to elsewhere",
        ]
    );
    assert!(found(&strict)[0].starts_with("etc/xl.conf: xen-4.17.5+72 has a file (sha256 "), "one side is not enough");
}

/// A newer Xen whose common library lost a version that the older one's programs ask for.
const LOSSY: &str = r#"
recipe = [{ find = "4.17.5+72", put = "4.20.3+127" }, { find = "4.17", put = "4.20" }]
remove = ["usr/lib/xen-4.17/sbin/xl", "usr/lib/xen-4.17/lib/xenfsimage/fat/fsimage.so"]

[[elf]]
path = "usr/lib/public/libxencall.so.1.3"
shape = "library"
source = "int xencall_open(void) { return 1; }"
flags = ["-Wl,-soname,libxencall.so.1"]
versions = "VERS_1.0 { global: xencall_open; local: *; };"
"#;

#[test]
fn the_higher_versions_libraries_serve_the_lower_ones_programs() {
    let found = |other: &str| -> Vec<String> {
        let (old, new): (Case, Case) = (toml::from_str("").unwrap(), toml::from_str(other).unwrap());
        let (old_recipe, new_recipe) = (host_recipe(&old.recipe), host_recipe(&new.recipe));
        let (old_facts, new_facts) = (facts(&old), facts(&new));
        let offer = offer(&old_recipe, &BTreeMap::new());
        let old = Side { recipe: &old_recipe, facts: &old_facts, offer: &offer };
        let new = Side { recipe: &new_recipe, facts: &new_facts, offer: &offer };
        let findings = coinstall::libraries(old, new);
        assert_eq!(findings, coinstall::libraries(new, old), "the order of the two says nothing");
        findings.iter().map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
    };
    let lost = found(LOSSY);
    assert_eq!(
        lost,
        ["usr/lib/xen-4.17/sbin/xl: xen-4.17.5+72, beside xen-4.20.3+127: asks libxencall.so.1 for VERS_1.3, which \
          usr/lib/public/libxencall.so.1.3 does not define"]
    );
    let kept = LOSSY.split("[[elf]]").next().unwrap();
    assert_eq!(found(kept), [""; 0]);
}

#[test]
fn a_name_that_is_no_text_does_not_get_as_far_as_the_audit() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = scratch();
    fs_err::write(folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
    let error = Manifest::of(folder.path()).unwrap_err().to_string();
    assert!(error.contains("not UTF-8"), "{error}");
}

#[test]
fn a_libc_of_the_toolchain_is_read_inside_its_root() {
    let root = scratch();
    let content = Content {
        // The link is absolute, and must not be looked up in the host.
        links: BTreeMap::from([("usr/lib/x/libc.so.6".to_owned(), "/usr/lib/real/libc-2.36.so".to_owned())]),
        ..Content::default()
    };
    content.write(root.path());
    let versions = "GLIBC_2.2.5 { global: f; };\nGLIBC_2.36 { global: g; };\nGLIBC_PRIVATE { global: h; local: *; };\n";
    let file = File {
        path: "usr/lib/real/libc-2.36.so".to_owned(),
        shape: Shape::Library,
        source: "int f(void) { return 1; }\nint g(void) { return 2; }\nint h(void) { return 3; }\n".to_owned(),
        flags: vec!["-nostdlib".to_owned()],
        with: Vec::new(),
        versions: Some(versions.to_owned()),
    };
    file.build(root.path());
    let offer = inspection::offer(&[root.path()], "x", &["libc.so.6".to_owned(), "libm.so.6".to_owned()]).unwrap();
    let expected = BTreeSet::from(["GLIBC_2.2.5".to_owned(), "GLIBC_2.36".to_owned()]);
    assert_eq!(offer.libraries, BTreeMap::from([("libc.so.6".to_owned(), expected)]));
}
