//! The Arch sets and the real pacman: packages are installed, verified, upgraded, installed beside each other and removed, on a
//! machine that has no other package but one that stands for the distribution's.

use super::{HOME, SERIES, asked};
use crate::support::root;
use fs_err as fs;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use xshell::{Shell, cmd};
use xtask::cli;
use xtask::context::Context;
use xtask::package::Tarball;
use xtask::report::{Report, Style};
use xtask::sandbox::Sandbox;
use xtask::tree::{Found, copy, walk};

/// What Xen asks of Arch Linux, by the names of Arch's packages.
const DISTRIBUTION: [&str; 16] = [
    "bash",
    "e2fsprogs",
    "glib2",
    "glibc",
    "libgcrypt",
    "libusb",
    "ncurses",
    "perl",
    "pixman",
    "python",
    "sh",
    "util-linux-libs",
    "xz",
    "yajl",
    "zlib",
    "zstd",
];

/// Local packages are not signed; their archive's own checksum is what is left.
const CONFIGURATION: &str = "[options]\nArchitecture = x86_64\nSigLevel = Never\nLocalFileSigLevel = Never\n";

/// The packages of a recipe in a revision, in a folder of their own; the paths that the machine has them at.
fn packages(stem: &str, revision: u32) -> Vec<String> {
    let name = format!("{stem}-{revision}");
    let out = HOME.join("pacman/packages").join(&name);
    let shell = Shell::new().unwrap();
    shell.change_dir(root());
    let (program, store, revision) = (env!("CARGO_BIN_EXE_xtask"), HOME.join("store"), revision.to_string());
    cmd!(shell, "{program} build {stem} --format arch --revision {revision} --store {store} --out {out}")
        .run()
        .unwrap();
    let files = walk(&out).unwrap().into_iter().map(|found| found.path);
    files.filter(|file| file.ends_with(".pkg.tar.zst")).map(|file| format!("/packages/{name}/{file}")).collect()
}

struct Machine<'a> {
    ctx: &'a Context,
    root: PathBuf,
}

impl Machine<'_> {
    fn run(&self, argv: &[&str]) -> Output {
        let sandbox = Sandbox {
            root: self.root.clone(),
            writable: Vec::new(),
            readonly: vec![(HOME.join("pacman/packages"), "/packages".to_owned())],
            env: BTreeMap::new(),
            cwd: "/".to_owned(),
            interactive: false,
            administrator: true,
            open_root: true,
        };
        sandbox.command(self.ctx, argv).unwrap().output().unwrap()
    }

    fn pacman(&self, words: &[&str], files: &[String]) -> Output {
        let files = files.iter().map(String::as_str);
        let words =
            ["pacman", "--config", "/etc/xenwright.conf", "--noconfirm"].into_iter().chain(words.iter().copied());
        self.run(&words.chain(files).collect::<Vec<_>>())
    }

    /// What pacman prints when all goes well.
    fn well(&self, words: &[&str], files: &[String]) -> String {
        let output = self.pacman(words, files);
        assert!(output.status.success(), "pacman {words:?}: {}", said(&output));
        said(&output)
    }

    /// Every path with what it is, but pacman's own.
    fn state(&self) -> BTreeMap<String, String> {
        let own = ["var/lib/pacman", "var/log/pacman.log", "var/cache", "etc/ld.so.cache"];
        let found = walk(&self.root).unwrap().into_iter();
        let found = found.filter(|found| !own.iter().any(|own| found.path.starts_with(own)));
        let size = |found: &Found| if found.metadata.is_dir() { 0 } else { found.metadata.len() };
        found.map(|found| (found.path.clone(), format!("{:o} {}", found.metadata.mode(), size(&found)))).collect()
    }

    /// Every package is as it was packed: files by kind, mode, owner, size, time and digest.
    fn verify(&self) {
        for words in [["-Q", "-k"], ["-Q", "-kk"]] {
            let said = self.well(&words, &[]);
            let well = |line: &str| {
                // What stands for the distribution has no list of its files, of which it has none.
                line.ends_with(", 0 altered files")
                    || line.ends_with(", 0 missing files")
                    || line.starts_with("distribution:")
            };
            let wrong: Vec<&str> = said.lines().filter(|line| !well(line)).collect();
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        }
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The package that stands for a distribution.
fn distribution(at: &Path) {
    let provides: String = DISTRIBUTION.iter().map(|name| format!("provides = {name}\n")).collect();
    let info =
        format!("pkgname = distribution\npkgver = 1-1\npkgdesc = stands for others\narch = any\nsize = 0\n{provides}");
    let mut tarball = Tarball::new(fs::File::create(at).unwrap(), 0, 0).unwrap();
    tarball.text(".PKGINFO", 0o644, info.as_bytes()).unwrap();
    tarball.finish().unwrap();
}

#[test]
fn pacman_installs_verifies_upgrades_and_removes_the_packages() {
    if !asked() {
        return;
    }
    let report = Report::new(Style::Plain);
    let place = cli::Place { store: Some(HOME.join("store")) };
    let ctx = Context::open(&report, &place, &cli::Net::default(), &cli::Work::default()).unwrap();
    let toolchain = xtask::toolchain::Toolchain::load(&root(), "pacman").unwrap();
    let machine = Machine { ctx: &ctx, root: HOME.join("pacman/machine") };
    fs::create_dir_all(&machine.root).unwrap();
    copy(&xtask::rootfs::obtain(&ctx, &toolchain).unwrap().path, &machine.root).unwrap();
    fs::write(machine.root.join("etc/xenwright.conf"), CONFIGURATION).unwrap();
    fs::create_dir_all(machine.root.join("var/lib/pacman")).unwrap();
    fs::create_dir_all(HOME.join("pacman/packages")).unwrap();
    distribution(&HOME.join("pacman/packages/distribution.pkg.tar.zst"));
    let [old, new] = SERIES;
    let (first, second, other) = (packages(old, 1), packages(old, 2), packages(new, 1));
    let bare = machine.state();

    // Without what it needs nothing is installed.
    let refused = machine.pacman(&["-U"], &first);
    assert!(
        !refused.status.success() && said(&refused).contains("could not satisfy dependencies"),
        "{}",
        said(&refused)
    );
    machine.well(&["-U"], &["/packages/distribution.pkg.tar.zst".to_owned()]);
    let installed = machine.well(&["-U"], &first);
    assert!(installed.contains("systemctl enable") && !installed.contains("warning"), "{installed}");
    machine.verify();

    let conf = machine.root.join("etc/xen/xl.conf");
    fs::write(&conf, "autoballoon=0\n").unwrap();
    machine.well(&["-U"], &second);
    assert_eq!(fs::read_to_string(&conf).unwrap(), "autoballoon=0\n", "the administrator's file stays");
    let versions = machine.well(&["-Q"], &[]);
    assert!(
        versions.lines().filter(|line| line.starts_with("xen-")).all(|line| line.ends_with(" 4.17.5+72-2")),
        "{versions}"
    );
    machine.well(&["-U"], &other);
    let versions = machine.well(&["-Q"], &[]);
    assert!(
        versions.contains("xen-utils-4.17 4.17.5+72-2") && versions.contains("xen-utils-4.20 4.20.3+127-1"),
        "{versions}"
    );

    // A byte that is not what was packed.
    let file = HOME.join("pacman").join(first[0].trim_start_matches('/'));
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let refused = machine.pacman(&["-U"], &first[..1]);
    assert!(!refused.status.success(), "{}", said(&refused));

    let names: Vec<String> = versions.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    machine.well(&["-R"], &names);
    let mut left = machine.state();
    // What the administrator changed is kept under another name.
    assert!(left.remove("etc/xen/xl.conf.pacsave").is_some() && left.remove("etc/xen").is_some());
    let differences: Vec<_> = left.iter().filter(|entry| bare.get(entry.0) != Some(entry.1)).collect();
    assert!(differences.is_empty() && left.len() == bare.len(), "{differences:?}");
}
