//! What steps record of what is linked and packed into their files, and what the bill makes of it: `linked.txt` for good records,
//! `linked-wrong.txt` for each that is refused.

use crate::package::job;
use crate::support::compile::{Shape, compile};
use crate::support::scenario::{Edit, recipe};
use crate::support::{expect, root, scratch};
use serde_json::Value;
use std::collections::BTreeMap;
use xtask::archive::Limits;
use xtask::catalog;
use xtask::debian::deb;
use xtask::digest::{Hash, KeyBuilder};
use xtask::fault::render;
use xtask::inspection;
use xtask::job::Job;
use xtask::package::{Goods, pack, parcels};
use xtask::papers::attribution::Attribution;
use xtask::papers::{self, linked::Linked};
use xtask::relocate::{Layer, lay_over};
use xtask::report::{Report, Style};
use xtask::shipment::Roots;
use xtask::toolchain::{Deb, Toolchain};
use xtask::tree::Manifest;

/// A C library, two libraries of which one is not linked in, a program, and the image that it is packed into.
const STEPS: &str = r#"
[source.musl]
sha256 = "5bcf3812c64585e270e0b3fa6ee8fd16dff7b9bc0f61375d648c64672484c4d9"
release = "1.2.5"
license = "MIT"
debian = "1:1.2.5-3"
origins = [{ debian = "pool/main/m/musl/musl_1.2.5.orig.tar.gz", sha256 = "5bcf3812c64585e270e0b3fa6ee8fd16dff7b9bc0f61375d648c64672484c4d9", size = 1 }]

[source.pcre2]
sha256 = "53922f4d0a02c577f2ea9d63f65989cd88715779eebeed879ca1d314103ee06e"
release = "10.46"
origins = [{ url = "https://pcre.example/pcre2-10.46.tar.gz", sha256 = "53922f4d0a02c577f2ea9d63f65989cd88715779eebeed879ca1d314103ee06e", size = 1 }]

[source.own]
folder = "stubdom"
license = "MIT"

[cross.partial]
base = "trixie"
sysroot = ["musl", "pcre2"]

[step.musl]
source = "musl"
toolchain = "trixie"
intermediate = true
run = "make"

[step.pcre2]
source = "pcre2"
toolchain = "trixie"
intermediate = true
run = "make"

[step.qemu]
source = "xen"
toolchain = "partial"
intermediate = true
run = "make"

[step.image]
source = "own"
toolchain = "partial"
needs = ["qemu"]
run = "make"

[step.tools]
"#;

const IMAGE: &str = "usr/lib/xen-4.17/boot/image";
const PROGRAM: &str = "usr/lib/xen-4.17/bin/static";

fn map(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|path| format!(" .text  0x0000000000401000  0x26 {path}\n")).collect();
    format!("Memory Configuration\n\nLinker script and memory map\n\nLOAD /sysroot/usr/lib/libpcre2-8.a\n{lines}")
}

fn the_job() -> Job {
    let edit = |find: &str, put: &str| Edit { find: find.to_owned(), put: put.to_owned() };
    let mut job = job(&recipe(&[
        edit("[step.tools]\n", STEPS),
        edit("epoch =", "formats = [\"deb\"]\nmaintainer = \"A <a@example.org>\"\nepoch ="),
        edit("name = \"xen-hypervisor\"", "name = \"xen-hypervisor\"\nsummary = \"s\""),
        edit("name = \"xen-tools\"", "name = \"xen-tools\"\nsummary = \"s\""),
    ]));
    let folder = job.recipe.source.get_mut("own").unwrap().folder.as_mut().unwrap();
    folder.files.insert("init/main.rs".to_owned(), (false, Hash::of(b"init")));
    let deb = |name: &str, version: &str, path: &str| Deb {
        name: name.to_owned(),
        version: version.to_owned(),
        path: path.to_owned(),
        size: 1,
        sha256: Hash::of(name.as_bytes()),
    };
    let debs = vec![deb("libgcc-14-dev", "14.2.0-19+b1", "pool/main/g/gcc-14/libgcc-14-dev_14.2.0-19+b1_amd64.deb")];
    let trixie = Toolchain { name: "trixie".to_owned(), debs, ..job.toolchain.clone() };
    job.toolchain.name = "bookworm".to_owned();
    job.toolchains.insert("trixie".to_owned(), trixie);
    job
}

/// The records of a good build, by step and file.
fn records() -> BTreeMap<(&'static str, &'static str), String> {
    let qemu = map(&[
        "/sysroot/bin/../usr/lib/crt1.o",
        "/usr/lib/gcc/x86_64-linux-gnu/14/crtbeginT.o",
        "softmmu/main.o",
        "/sysroot/usr/lib/libc.a(printf.o)",
    ]);
    BTreeMap::from([
        (("qemu", "usr/bin/qemu"), qemu),
        (("image", IMAGE), "/in/qemu/usr/bin/qemu\n/build/init/main.rs\n".to_owned()),
        (("image", PROGRAM), map(&["main.o", "/sysroot/usr/lib/libc.a(printf.o)"])),
    ])
}

fn linked(records: &BTreeMap<(&str, &str), String>) -> Result<Linked, String> {
    let made: [(&str, &[&str]); 5] = [
        ("musl", &["usr/lib/crt1.o", "usr/lib/libc.a"]),
        ("pcre2", &["usr/lib/libpcre2-8.a"]),
        ("qemu", &["usr/bin/qemu", "usr/share/qemu/notes"]),
        ("image", &[IMAGE, PROGRAM, "usr/lib/xen-4.17/boot/notes"]),
        ("tools", &["usr/lib/xen-4.17/bin/tool"]),
    ];
    let mut linked = Linked::default();
    for (step, files) in made {
        let digest = |file: &str| file.ends_with("notes").then(|| Hash::of(b"notes"));
        let files = files.iter().map(|file| (file.to_string(), digest(file))).collect();
        let of_step = records.iter().filter(|((name, _), _)| *name == step);
        let texts = of_step.map(|((_, about), text)| (about.to_string(), text.clone())).collect();
        linked.add(step, files, &texts).map_err(|error| render(&error))?;
    }
    Ok(linked)
}

/// What files are made of, the bill, and the package's field; or what is said of wrong records.
fn bill(records: &BTreeMap<(&str, &str), String>) -> Result<(Attribution, Value, String), String> {
    let folder = scratch();
    let at = |path: &str| folder.path().join(path);
    for name in ["image/usr/lib/xen-4.17/boot", "tools/usr/lib/xen-4.17/bin", "work", "into", "unpacked"] {
        fs_err::create_dir_all(at(name)).unwrap();
    }
    fs_err::write(at("image").join(IMAGE), "image").unwrap();
    // A copy of what qemu made.
    fs_err::write(at("image/usr/lib/xen-4.17/boot/notes"), "notes").unwrap();
    fs_err::write(at("tools/usr/lib/xen-4.17/bin/tool"), "tool").unwrap();
    let flags = ["-static", "-nostdlib"].map(str::to_owned);
    compile(Shape::Program, "void _start(void) { for (;;) {} }", &flags, &[], &at("image").join(PROGRAM));

    let job = the_job();
    let layers = ["image", "tools"].map(|step| Layer {
        step: step.to_owned(),
        manifest: Manifest::of(&at(step)).unwrap(),
        root: at(step),
    });
    let tree = lay_over(&job.recipe, &layers, &at("work")).unwrap();
    let facts = inspection::facts(&tree, &[]).unwrap();
    let attribution = Attribution::new(&job, &tree, &facts, &[], &linked(records)?).map_err(|error| render(&error))?;
    let goods = Goods {
        job: &job,
        tree: &tree,
        facts: &facts,
        attribution: &attribution,
        roots: &Roots::new(),
        parcels: parcels(&job, &tree).unwrap(),
        report: &Report::new(Style::Silent),
        jobs: 2,
    };
    let mut packed = pack(&goods, "{}\n", &at("into")).unwrap();
    let package = packed.artifacts.iter().find(|artifact| artifact.name.ends_with(".deb")).unwrap();
    let control = deb::unpack(&at("into").join(&package.name), &at("unpacked"), &Limits::default(), &|_| Ok(()));
    let control = String::from_utf8(control.unwrap()["control"].clone()).unwrap();
    let field = control.lines().find(|line| line.starts_with("Static-Built-Using")).unwrap_or_default().to_owned();
    let key = KeyBuilder::new("test/1").finish();
    let subject = papers::Subject { job: &job, key: &key, attribution: &attribution, bundles: &[] };
    papers::write(&subject, &mut packed, &at("into")).unwrap();
    let text = fs_err::read_to_string(at("into").join(papers::BOM)).unwrap();
    Ok((attribution, serde_json::from_str(&text).unwrap(), field))
}

#[test]
fn a_file_holds_what_its_record_says_and_nothing_that_was_only_built() {
    let (attribution, bill, field) = bill(&records()).unwrap();
    assert_eq!(super::laws::bill(&bill), [""; 0]);
    let mut text = String::new();
    for component in bill["components"].as_array().unwrap() {
        let name = component["bom-ref"].as_str().unwrap();
        let word = |key: &str| component[key].as_str().unwrap_or("-").to_owned();
        if name.starts_with("source:") || name.starts_with("toolchain:") {
            let hash = component["hashes"][0]["content"].as_str().map(|hash| &hash[..8]);
            let license = component["licenses"][0]["expression"].as_str();
            let said = [word("version"), word("purl"), hash.unwrap_or("-").into(), license.unwrap_or("-").into()];
            text += &format!("{name}: {}\n", said.join(" "));
        }
    }
    for (path, parts) in &attribution.paths {
        let may: Vec<String> = parts.may_hold.iter().map(|part| format!("maybe {part}")).collect();
        let holds: Vec<String> = parts.holds.iter().cloned().chain(may).collect();
        text += &format!("{path}: {}\n", holds.join(", "));
    }
    text += &format!("{field}\n");
    expect::golden(&root().join("tests/papers/linked.txt"), &text);
}

#[test]
fn a_record_that_does_not_fit_is_refused() {
    let mut text = String::new();
    let with = |step, about, record: Option<&str>| {
        let mut records = records();
        match record {
            Some(record) => drop(records.insert((step, about), record.to_owned())),
            None => drop(records.remove(&(step, about))),
        }
        bill(&records).map(drop).expect_err("a wrong record")
    };
    for (what, said) in [
        ("a static program without one", with("image", PROGRAM, None)),
        ("of a file that is not there", with("image", "boot/nothing", Some("/build/a\n"))),
        ("that names nothing", with("image", IMAGE, Some("\n"))),
        ("of a step that it does not need", with("image", IMAGE, Some("/in/tools/usr/lib/xen-4.17/bin/tool\n"))),
        ("of what a step did not make", with("image", IMAGE, Some("/in/qemu/usr/bin/other\n"))),
        ("of what is not in the sysroot", with("qemu", "usr/bin/qemu", Some(&map(&["/sysroot/usr/lib/libz.a(a.o)"])))),
        ("of an unknown file", with("qemu", "usr/bin/qemu", Some(&map(&["/tmp/ccXYZ.o"])))),
    ] {
        text += &format!("# {what}\n{said}\n");
    }
    expect::golden(&root().join("tests/papers/linked-wrong.txt"), &text);
}

#[test]
fn every_tarball_of_debians_says_of_which_version_it_is() {
    let mut seen = 0;
    for entry in catalog::all(&root()).unwrap() {
        let recipe = catalog::load(&root(), &entry).unwrap();
        for (name, source) in recipe.source.iter().filter(|(_, source)| source.sha256.is_some()) {
            if source.pool().any(|file| file.contains(".orig.tar.")) {
                assert!(source.debian_package().is_some(), "{}: `source.{name}` has no `debian`", entry.stem());
                seen += 1;
            }
        }
    }
    // Recipes that include no part have none.
    eprintln!("{seen} sources");
}
