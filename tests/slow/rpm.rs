//! The .rpm sets and the real rpm: packages are checked, installed, verified, upgraded, installed beside each other and removed, in
//! a root that has nothing but what a distribution would bring.

use super::{HOME, SERIES, asked, recipe};
use crate::support::{expect, root};
use fs_err as fs;
use rpm::{Dependency, FileOptions, PackageBuilder};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use xshell::{Shell, cmd};
use xtask::cli;
use xtask::context::Context;
use xtask::report::{Report, Style};
use xtask::sandbox::Sandbox;
use xtask::tree::walk;

/// What stands in for a distribution: folders, a shell, and a systemctl that writes down how it is called.
const FOLDERS: &[&str] = &[
    "boot",
    "etc",
    "etc/bash_completion.d",
    "etc/default",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/lib/modules-load.d",
    "usr/lib/systemd",
    "usr/lib/systemd/system",
    "usr/lib64",
    "usr/sbin",
    "usr/share",
    "usr/share/man",
    "usr/share/man/man1",
    "usr/share/man/man5",
    "usr/share/man/man7",
    "usr/share/man/man8",
    "var",
    "var/lib",
    "var/log",
    "var/tmp",
];
const SYSTEMCTL: &str = "#!/bin/sh\necho \"$*\" >>/var/log/systemctl\n";
const CALLS: &str = "var/log/systemctl";

/// The packages of a recipe, in a folder of their own.
fn packages(stem: &str, revision: u32) -> PathBuf {
    let out = HOME.join("rpm").join(format!("{stem}-{revision}"));
    let shell = Shell::new().unwrap();
    shell.change_dir(root());
    let (program, store, revision) = (env!("CARGO_BIN_EXE_xtask"), HOME.join("store"), revision.to_string());
    let build = cmd!(shell, "{program} build {stem} --format rpm --revision {revision} --store {store} --out {out}");
    assert!(Command::from(build).status().unwrap().success(), "{stem} was not built");
    out
}

/// The names of the files in a folder of packages.
fn names(folder: &Path) -> Vec<String> {
    let names = walk(folder).unwrap().into_iter().map(|found| found.path);
    names.filter(|name| name.ends_with(".rpm")).collect()
}

/// Where a sandbox has them.
fn paths(folder: &Path) -> Vec<String> {
    let inside = folder.file_name().unwrap().to_str().unwrap();
    names(folder).iter().map(|name| format!("/packages/{inside}/{name}")).collect()
}

fn context() -> Context {
    let report = Report::new(Style::Plain);
    let place = cli::Place { store: Some(HOME.join("store")) };
    Context::open(&report, &place, &cli::Net::default(), &cli::Work::default()).unwrap()
}

/// A root to install into, and the rpm that does it.
struct Machine<'a> {
    ctx: &'a Context,
    /// The toolchain's root, which rpm comes from.
    toolchain: PathBuf,
    root: PathBuf,
    /// Seen as `/packages`.
    packages: PathBuf,
}

impl Machine<'_> {
    /// An empty root below the folder of all packages.
    fn new<'a>(ctx: &'a Context, name: &str) -> Machine<'a> {
        let toolchain = xtask::toolchain::Toolchain::load(&root(), "rpm").unwrap();
        let toolchain = xtask::rootfs::obtain(ctx, &toolchain).unwrap().path;
        let packages = HOME.join("rpm");
        let root = packages.join(name);
        // No package brings what the kernel does.
        fs::create_dir_all(root.join("dev")).unwrap();
        fs::write(root.join("dev/null"), "").unwrap();
        Machine { ctx, toolchain, root, packages }
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Output {
        let sandbox = Sandbox {
            root: self.toolchain.clone(),
            writable: vec![(self.root.clone(), "/machine".to_owned())],
            readonly: vec![(self.packages.clone(), "/packages".to_owned())],
            env: BTreeMap::new(),
            cwd: "/packages".to_owned(),
            interactive: false,
            administrator: true,
            open_root: false,
        };
        let command = [&["/bin/sh", "-c", script, "rpm"], arguments].concat();
        sandbox.command(self.ctx, &command).unwrap().output().unwrap()
    }

    fn rpm(&self, arguments: &[&str]) -> Output {
        // Debian's rpm asks whoever installs whether that is meant.
        let script = "case $1 in -[eiU]) set -- --force-debian \"$@\" ;; esac; exec rpm --root /machine --dbpath /var/lib/rpm \"$@\"";
        self.run(script, arguments)
    }

    /// What rpm prints when all goes well.
    fn well(&self, arguments: &[&str]) -> String {
        let output = self.rpm(arguments);
        let said = said(&output);
        assert!(output.status.success(), "rpm {arguments:?}: {said}");
        said
    }

    /// Every path with what it is, but rpm's own database.
    fn state(&self) -> BTreeMap<String, String> {
        let found = walk(&self.root).unwrap().into_iter();
        let found = found.filter(|found| !found.path.starts_with("var/lib/rpm") && found.path != CALLS);
        found.map(|found| (found.path, format!("{:o}", found.metadata.mode()))).collect()
    }

    /// How systemctl was called since the last time.
    fn calls(&self) -> String {
        let calls = fs::read_to_string(self.root.join(CALLS)).unwrap_or_default();
        let _ = fs::remove_file(self.root.join(CALLS));
        calls
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The package that a distribution would be.
fn distribution(capabilities: &BTreeSet<String>, shell: &Path, into: &Path) {
    let mut builder = PackageBuilder::new("distribution", "1", "MIT", "noarch", "what a distribution brings");
    for folder in FOLDERS {
        builder.with_dir_entry(FileOptions::dir(format!("/{folder}")).permissions(0o755)).unwrap();
    }
    for (link, target) in [("/bin", "usr/bin"), ("/usr/bin/sh", "busybox")] {
        builder.with_symlink(FileOptions::symlink(link, target)).unwrap();
    }
    for (path, bytes) in [("/usr/bin/busybox", fs::read(shell).unwrap()), ("/usr/bin/systemctl", SYSTEMCTL.into())] {
        builder.with_file_contents(bytes, FileOptions::new(path).permissions(0o755)).unwrap();
    }
    for capability in capabilities {
        let provided = match capability.split_once(" = ") {
            Some((name, version)) => Dependency::eq(name, version),
            None => Dependency::any(capability.as_str()),
        };
        builder.provides(provided);
    }
    builder.build().unwrap().write_file(into.join("distribution.rpm")).unwrap();
}

#[test]
fn rpm_installs_verifies_upgrades_and_removes_every_package() {
    if !asked() {
        return;
    }
    let ctx = context();
    let [old, new] = SERIES;
    let (first, second, other) = (packages(old, 1), packages(old, 2), packages(new, 1));
    let machine = Machine::new(&ctx, "machine");
    let work = &machine.packages;
    let all = |verb: &str, paths: &[String]| -> Vec<String> { [&[verb.to_owned()], paths].concat() };
    let well = |arguments: &[String]| machine.well(&arguments.iter().map(String::as_str).collect::<Vec<_>>());

    // The files are whole, and say so.
    for folder in [&first, &second, &other] {
        let said = well(&all("-K", &paths(folder)));
        assert_eq!(said.lines().filter(|line| line.ends_with(": digests OK")).count(), names(folder).len(), "{said}");
    }

    // What the packages need of a distribution is what it says here, and nothing else is missing.
    let missing = |folder: &Path| -> BTreeSet<String> {
        let arguments = all("-i", &all("--test", &paths(folder)));
        let output = machine.rpm(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let text = said(&output);
        text.lines().filter_map(|line| Some(line.trim().split_once(" is needed by ")?.0.to_owned())).collect()
    };
    let mut capabilities = BTreeSet::new();
    for (stem, folder) in [(old, &first), (new, &other)] {
        let missing = missing(folder);
        let text: String = missing.iter().map(|name| format!("{name}\n")).collect();
        expect::golden(&root().join("tests/golden").join(stem).join("rpm-needs.txt"), &text);
        capabilities.extend(missing);
    }
    distribution(&capabilities, &machine.toolchain.join("usr/bin/busybox"), work);
    well(&all("-i", &["/packages/distribution.rpm".to_owned()]));
    let empty = machine.state();

    // Installed, as the packages say, and removed without a trace.
    assert_eq!(well(&all("-i", &paths(&first))), "");
    assert_eq!(well(&all("-Va", &[])), "");
    let services =
        recipe(old).package.iter().flat_map(|package| package.services.clone()).collect::<Vec<_>>().join(" ");
    assert_eq!(machine.calls(), format!("--no-reload preset {services}\n"));
    let installed: Vec<String> = recipe(old).package.iter().map(|package| package.name.clone()).collect();
    let dangling: Vec<String> = walk(&machine.root)
        .unwrap()
        .into_iter()
        .filter(|found| found.metadata.is_symlink() && !machine.root.join(&found.path).exists())
        .map(|found| found.path)
        .collect();
    assert_eq!(dangling, Vec::<String>::new());
    assert!(machine.root.join("usr/lib64/libxencall.so.1").exists());
    assert_eq!(well(&all("-e", &installed)), "");
    assert_eq!(machine.calls(), format!("--no-reload disable {services}\n"));
    assert_eq!(machine.state(), empty, "what a removal leaves");

    // Upgraded under an administrator's change; no service is touched.
    well(&all("-i", &paths(&first)));
    machine.calls();
    let (changed, program) = ("etc/default/xencommons", format!("usr/lib/xen-{}/bin/xen-detect", recipe(old).series));
    let mine = "XENSTORED=/usr/lib/xen-4.17/sbin/xenstored\n";
    fs::write(machine.root.join(changed), mine).unwrap();
    assert_eq!(well(&all("-U", &paths(&second))), "");
    assert_eq!(machine.calls(), "");
    assert_eq!(fs::read_to_string(machine.root.join(changed)).unwrap(), mine);
    let verified = said(&machine.rpm(&["-Va"]));
    assert_eq!(verified, format!("S.5....T.  c /{changed}\n"));

    // The other series beside it.
    let beside = well(&all("-U", &paths(&other)));
    let held: BTreeSet<String> = well(&all("-qa", &[])).lines().map(str::to_owned).collect();
    for stem in SERIES {
        let series = recipe(stem).series;
        assert!(held.iter().any(|name| name.starts_with(&format!("xen-utils-{series}-"))), "{held:?}");
    }
    assert_eq!(held.iter().filter(|name| name.starts_with("xen-common-")).count(), 1, "{held:?}");
    assert_eq!(fs::read_to_string(machine.root.join(changed)).unwrap(), mine, "{beside}");
    let verified = said(&machine.rpm(&["-Va"]));
    assert_eq!(verified, format!("S.5....T.  c /{changed}\n"), "{beside}");

    // What somebody does to an installed file, and to a package, is seen.
    let file = machine.root.join(&program);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, [&bytes[..], b"\n"].concat()).unwrap();
    let seen = said(&machine.rpm(&["-V", &format!("xen-utils-{}", recipe(old).series)]));
    assert_eq!(seen, format!("S.5....T.    /{program}\n"));
    let bytes = fs::read(first.join(&names(&first)[0])).unwrap();
    let page = recipe(old).homepage.unwrap();
    let header =
        bytes.windows(page.len()).position(|window| window == page.as_bytes()).expect("the header names the page");
    for (at, what) in [(header, "header"), (bytes.len() - 1, "payload")] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        fs::write(work.join("tampered.rpm"), bytes).unwrap();
        for arguments in [&["-K"][..], &["-U", "--test", "--oldpackage"]] {
            let output = machine.rpm(&[arguments, &["/packages/tampered.rpm"]].concat());
            assert!(
                !output.status.success() && said(&output).to_lowercase().contains("digest"),
                "{what}: {}",
                said(&output)
            );
        }
    }

    // All away: what the administrator wrote stays.
    let rest: Vec<String> = held.into_iter().filter(|name| !name.starts_with("distribution-")).collect();
    well(&all("-e", &rest));
    let mut left = machine.state();
    left.retain(|path, state| empty.get(path) != Some(state));
    assert_eq!(left.keys().collect::<Vec<_>>(), [&format!("{changed}.rpmnew"), &format!("{changed}.rpmsave")]);
}

/// Prints what rpm's own generators say of what a package holds, as far as they are asked of any file: `provides` or `requires`,
/// and the capability. `$1` is the package.
const GENERATORS: &str = r#"
set -e
rpm -qlp "$1" | while read -r file; do
    if [ -f "/machine$file" ] && [ ! -L "/machine$file" ]; then echo "/machine$file"; fi
done >/tmp/files
while read -r file; do
    case $(head -c 4 "$file" | od -An -c) in *E*L*F*) echo "$file" ;; esac
done </tmp/files >/tmp/elf
while read -r file; do if [ -x "$file" ]; then echo "$file"; fi; done </tmp/files >/tmp/programs
/usr/lib/rpm/elfdeps --provides </tmp/elf | sed 's/^/provides /'
/usr/lib/rpm/elfdeps --requires </tmp/elf | sed 's/^/requires /'
/usr/lib/rpm/script.req </tmp/programs | sed 's/^/requires /'
"#;

#[test]
fn relations_are_what_rpms_own_generators_say() {
    if !asked() {
        return;
    }
    let ctx = context();
    let machine = Machine::new(&ctx, "generated");
    for stem in SERIES {
        let series = recipe(stem).series;
        let folder = packages(stem, 1);
        let all = paths(&folder);
        let install: Vec<&str> =
            ["-U", "--nodeps", "--noscripts"].into_iter().chain(all.iter().map(String::as_str)).collect();
        machine.well(&install);
        let mut compared = 0;
        for package in &all {
            let output = machine.run(GENERATORS, &[package]);
            assert!(output.status.success(), "{package}: {}", said(&output));
            let text = String::from_utf8(output.stdout).unwrap();
            // Libraries of the series are named by their package, which is what the filters of spec files are for.
            let private =
                |name: &str| name.contains(&format!(".so.{series}")) || package.contains(&format!("-{series}-"));
            for (word, query) in [("provides", "--provides"), ("requires", "--requires")] {
                let said = text.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
                let hidden = |name: &str| {
                    if word == "provides" { private(name) } else { name.contains(&format!(".so.{series}")) }
                };
                let theirs: BTreeSet<String> = said.filter(|name| !hidden(name)).map(str::to_owned).collect();
                let ours = machine.well(&["-qp", query, package]);
                // What no generator makes: what names a package with its version, what rpm itself has to be able to do, and what a
                // folder of Python's own would ask for.
                let ours = ours
                    .lines()
                    .filter(|name| !name.contains(" = ") && !name.contains(">= ") && !name.starts_with("rpmlib("));
                // A linker's link to a library needs the library, which is Fedora's generator to say.
                let ours: BTreeSet<String> = ours
                    .filter(|name| word == "provides" || !package.contains("/xen-dev-") || !name.contains(".so."))
                    .map(str::to_owned)
                    .collect();
                assert_eq!(ours, theirs, "{package} {word}");
                compared += theirs.len();
            }
        }
        assert!(compared > 100, "{compared}");
    }
}
