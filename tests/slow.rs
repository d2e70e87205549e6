//! The real thing: Xen built from an empty store, both series laid over each other, and their programs started there. Runs with
//! `cargo xtask test --slow` and takes the machine for more than an hour; asks a Debian mirror.

mod accelerator;
mod again;
mod boot;
mod bundle;
mod cross;
mod debian;
mod devices;
mod dpkg;
mod guests;
mod image;
mod lintian;
mod machine;
mod pacman;
mod published;
mod quilt;
mod rpm;

use crate::support::{expect, root};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};
use xshell::{Shell, cmd};
use xtask::catalog;
use xtask::digest::Hash;
use xtask::papers::BOM;
use xtask::papers::query::{Bill, Question};
use xtask::recipe::Recipe;

const SERIES: [&str; 2] = ["xen-4.17.5+72", "xen-4.20.3+127"];

/// Says what it asks for and gives false, unless the slow tests were asked for.
fn asked() -> bool {
    let asked = std::env::var_os("XENWRIGHT_SLOW").is_some_and(|value| value == "1");
    if !asked {
        eprintln!("skipped: builds Xen for more than an hour; `cargo xtask test --slow` runs it");
    }
    asked
}

/// One store for all slow tests, empty at the first of them.
static HOME: LazyLock<PathBuf> = LazyLock::new(|| {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("slow");
    if home.exists() {
        fs_err::remove_dir_all(&home).unwrap();
    }
    fs_err::create_dir_all(&home).unwrap();
    home
});

/// The artifacts of a recipe, built by the first test that asks.
fn built(stem: &str) -> PathBuf {
    packed(stem, 1)
}

/// The same in a revision; what was built is only packed again.
fn packed(stem: &str, revision: u32) -> PathBuf {
    static DONE: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());
    let out = HOME.join("dist").join(format!("{stem}-{revision}"));
    let mut done = DONE.lock().unwrap_or_else(|broken| broken.into_inner());
    let well = *done.entry(format!("{stem}-{revision}")).or_insert_with(|| {
        let shell = Shell::new().unwrap();
        shell.change_dir(root());
        let (program, store, revision) = (env!("CARGO_BIN_EXE_xtask"), HOME.join("store"), revision.to_string());
        let build = cmd!(shell, "{program} build {stem} --store {store} --out {out} --revision {revision}");
        Command::from(build).status().unwrap().success()
    });
    assert!(well, "{stem} was not built");
    out
}

fn recipe(stem: &str) -> Recipe {
    catalog::find(&root(), stem).unwrap()
}

#[test]
fn xen_is_built_from_an_empty_store_and_audited_clean() {
    if !asked() {
        return;
    }
    for stem in SERIES {
        let out = built(stem);
        let sums = fs_err::read_to_string(out.join("SHA256SUMS")).unwrap();
        let ends = |end: &str| sums.lines().filter(|line| line.ends_with(end)).count();
        let packages = [".deb", ".rpm", ".pkg.tar.zst"].map(ends);
        assert_eq!(sums.lines().count() - packages.iter().sum::<usize>(), 6, "{sums}");
        assert_eq!(packages[1], recipe(stem).package.len(), "{sums}");
        // All that is there, but the sums themselves.
        assert_eq!(sums.lines().count() + 1, fs_err::read_dir(&out).unwrap().count(), "{sums}");
        for (sum, name) in sums.lines().map(|line| line.split_once("  ").unwrap()) {
            assert_eq!(Hash::of(&fs_err::read(out.join(name)).unwrap()).as_str(), sum, "{stem}: {name}");
        }
        let audit: Value = serde_json::from_slice(&fs_err::read(out.join("audit.json")).unwrap()).unwrap();
        assert_eq!(audit["findings"].as_array().map(Vec::len), Some(0), "{stem}: {}", audit["findings"]);
        let manifest: Value = serde_json::from_slice(&fs_err::read(out.join("manifest.json")).unwrap()).unwrap();
        let asked = ["seabios >= 1.16", "ocaml", "zlib", "zlib < 1.2.13"].map(|question| embedding(&out, question));
        let oxenstored = format!("usr/lib/xen-{}/sbin/oxenstored", recipe(stem).series);
        assert!(asked[0].iter().any(|file| file.ends_with("/seabios.bin")), "{asked:?}");
        assert!(asked[1].contains(&oxenstored), "{asked:?}");
        assert!(asked[2].iter().any(|file| file.contains("/libxenguest.so.")), "{asked:?}");
        assert!(asked[3].is_empty(), "{asked:?}");
        // What is linked into what is packed is found; what was only built is not.
        let image = format!("usr/lib/xen-{}/boot/qemu-stubdom-linux-rootfs", recipe(stem).series);
        for part in ["glib", "musl", "pixman", "qemu", "seabios", "stubdom", "xen", "zlib", "libstd-rust-dev"] {
            assert!(embedding(&out, part).contains(&image), "{part} is not in the bill of {image}");
        }
        assert!(embedding(&out, "pcre2").is_empty(), "PCRE2 is built and nothing of it is linked in");
        let golden = root().join("tests/golden").join(stem);
        expect::golden(&golden.join("files.txt"), &files(&manifest));
        expect::golden(&golden.join("elf.txt"), &linkage(&audit));
    }
}

/// The files that the bill names for a question.
fn embedding(out: &Path, question: &str) -> Vec<String> {
    let bill = fs_err::read_to_string(out.join(BOM)).unwrap();
    let matches = Bill::from_json(BOM, &bill).unwrap().answer(&Question::parse(question).unwrap());
    matches.into_iter().filter_map(|found| found.file).collect()
}

/// What is shipped: mode, step, package and path of every file, and where links point.
fn files(manifest: &Value) -> String {
    let mut text = String::new();
    for entry in manifest["entries"].as_array().unwrap().iter().filter(|entry| entry["kind"] != "directory") {
        let word = |key: &str| entry[key].as_str().unwrap_or("-").to_owned();
        text += &format!("{} {} {} {}", word("mode"), word("step"), word("package"), word("path"));
        if let Some(target) = entry["target"].as_str() {
            text += &format!(" -> {target}");
        }
        text.push('\n');
    }
    text
}

/// How what is shipped finds what it needs: SONAME, NEEDED and RUNPATH of every file that is linked dynamically.
fn linkage(audit: &Value) -> String {
    let mut text = String::new();
    for (path, elf) in audit["elf"].as_object().unwrap() {
        let words =
            |key: &str| -> Vec<&str> { elf[key].as_array().unwrap().iter().filter_map(Value::as_str).collect() };
        let (needed, runpath) = (words("needed"), words("runpath"));
        if needed.is_empty() {
            continue;
        }
        let soname = elf["soname"].as_str().map(|soname| format!(" is {soname}")).unwrap_or_default();
        let runpath = if runpath.is_empty() { String::new() } else { format!(" in {}", runpath.join(":")) };
        text += &format!("{path}{soname}\n  needs {}{runpath}\n", needed.join(" "));
    }
    text
}

#[test]
fn no_file_of_one_series_overwrites_another_outside_the_common_part() {
    if !asked() {
        return;
    }
    SERIES.iter().for_each(|stem| drop(built(stem)));
    let shell = Shell::new().unwrap();
    shell.change_dir(root());
    let (program, store, [old, new]) = (env!("CARGO_BIN_EXE_xtask"), HOME.join("store"), SERIES);
    let output = cmd!(shell, "{program} audit {old} --with {new} --offline --json --store {store}").output().unwrap();
    let last = String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned();
    let event: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(event["result"]["co-installation"], serde_json::json!([]), "{event}");
}

#[test]
fn the_newer_series_is_the_same_in_another_world() {
    if asked() {
        again::the_same(SERIES[1]);
    }
}
