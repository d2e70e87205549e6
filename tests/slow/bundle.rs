//! The real bundles on a distribution's root: installed, replaced, brought back, both series at once and started, taken away.

use super::{HOME, SERIES, asked, packed, recipe};
use crate::support::root;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};
use xtask::context::Context;
use xtask::sandbox::Sandbox;
use xtask::tree::{self, Manifest};

/// The unpacked bundle of a recipe in a revision.
fn bundle(stem: &str, revision: u32) -> PathBuf {
    let at = HOME.join("bundles");
    let name = format!("{stem}-{revision}-x86_64");
    if !at.join(&name).exists() {
        let file = fs_err::File::open(packed(stem, revision).join(format!("{name}.tar.zst"))).unwrap();
        let mut archive = tar::Archive::new(zstd::Decoder::new(file).unwrap());
        archive.set_preserve_permissions(true);
        archive.unpack(&at).unwrap();
    }
    at.join(name)
}

/// Runs a bundle's script on the machine in `folder` and gives all that it said.
fn run(bundle: &Path, script: &str, options: &[&str], folder: &Path) -> String {
    let script = bundle.join(script);
    let shell = Shell::new().unwrap();
    cmd!(shell, "{script} --root {folder} {options...}").read().unwrap()
}

#[test]
fn bundles_are_installed_replaced_brought_back_and_taken_away() {
    if !asked() {
        return;
    }
    let [old, new] = SERIES;
    let (one, two, other) = (bundle(old, 1), bundle(old, 2), bundle(new, 1));
    // What a machine would have under it: the distribution that the tools were linked for, with what QEMU asks for.
    let net = xtask::cli::Net::default();
    let place = xtask::cli::Place { store: Some(HOME.join("store")) };
    let report = xtask::report::Report::new(xtask::report::Style::Plain);
    let ctx = Context::open(&report, &place, &net, &xtask::cli::Work::default()).unwrap();
    let toolchain = xtask::toolchain::Toolchain::load(&root(), "guest").unwrap();
    let distribution = xtask::rootfs::obtain(&ctx, &toolchain).unwrap();
    let machine = HOME.join("machine");
    fs_err::create_dir_all(&machine).unwrap();
    tree::copy(&distribution.path, &machine).unwrap();
    let bare = Manifest::of(&machine).unwrap();

    let said = run(&one, "install", &[], &machine);
    assert!(!said.contains("warning"), "every library is there: {said}");
    assert!(starts(&ctx, &machine, &[old]).is_empty(), "{:?}", starts(&ctx, &machine, &[old]));
    let first = Manifest::of(&machine).unwrap();
    run(&two, "install", &[], &machine);
    assert!(first != Manifest::of(&machine).unwrap());
    run(&two, "uninstall", &["--rollback"], &machine);
    assert_eq!(first.differences(&Manifest::of(&machine).unwrap()), Vec::<String>::new(), "all is as it was");

    run(&other, "install", &[], &machine);
    assert!(starts(&ctx, &machine, &[old, new]).is_empty(), "{:?}", starts(&ctx, &machine, &[old, new]));
    run(&other, "uninstall", &[], &machine);
    assert_eq!(first.differences(&Manifest::of(&machine).unwrap()), Vec::<String>::new(), "4.20 leaves nothing");
    run(&one, "uninstall", &[], &machine);
    assert_eq!(bare.differences(&Manifest::of(&machine).unwrap()), Vec::<String>::new(), "4.17 leaves nothing");
}

/// What is wrong with the installed series when they are started there, without a Xen.
fn starts(ctx: &Context, machine: &Path, stems: &[&str]) -> Vec<String> {
    let sandbox = Sandbox {
        root: machine.to_owned(),
        writable: Vec::new(),
        readonly: Vec::new(),
        env: BTreeMap::new(),
        cwd: "/tmp".to_owned(),
        interactive: false,
        administrator: false,
        open_root: false,
    };
    let series: Vec<String> = stems.iter().map(|stem| recipe(stem).series).collect();
    let mut arguments = vec!["/bin/sh", "-c", include_str!("../coinstall/check"), "check"];
    arguments.extend(series.iter().map(String::as_str));
    let output = sandbox.command(ctx, &arguments).unwrap().output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.success(), said.is_empty(), "{said}");
    said.lines().map(str::to_owned).collect()
}
