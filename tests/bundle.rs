//! The bundle's installer under this machine's shell, with bundles of a small tree: what it says and leaves in the situations of
//! `tests/bundle/*.sh` (`say` runs a command, `tree` shows a folder), and what is left of a run that is killed at any point.

use crate::package::{job, packed, relocated};
use crate::support::expect::golden;
use crate::support::scenario::{Content, Edit, recipe};
use crate::support::{cases, root, scratch};
use fs_err as fs;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use tempfile::TempDir;
use xtask::fault;
use xtask::inspection;
use xtask::package::{Goods, pack, parcels};
use xtask::papers::attribution::Attribution;
use xtask::recipe::Recipe;
use xtask::report::{Report, Style};
use xtask::shipment::Roots;
use xtask::tree::{self, Manifest};

/// `one`, `two` and `three`: revisions of 4.17; `other`: 4.20.
static BUNDLES: LazyLock<TempDir> = LazyLock::new(|| {
    let at = scratch();
    for (name, revision) in [("one", 1), ("two", 2), ("three", 3)] {
        bundle(at.path(), name, recipe_of("4.17", "4.17.5+72", revision), &content("4.17", "4.17.5+72", name));
    }
    let other = content("4.20", "4.20.3+127", "other");
    bundle(at.path(), "other", recipe_of("4.20", "4.20.3+127", 1), &other);
    at
});

fn recipe_of(series: &str, version: &str, revision: u32) -> Recipe {
    let edit = |find: &str, put: &str| Edit { find: find.to_owned(), put: put.to_owned() };
    let dispatch = format!("outside = [\"libc.so.6\"]\ndispatch = [\"usr/lib/xen-{series}/sbin/*\"]");
    let edits = [
        edit("4.17.5+72", version),
        edit("xen-4.17", &format!("xen-{series}")),
        edit("series = \"4.17\"", &format!("series = \"{series}\"")),
        edit("outside = [\"libc.so.6\"]", &dispatch),
    ];
    let mut recipe = recipe(&edits);
    recipe.revision = revision;
    recipe
}

/// What differs between the bundles: the text of tools and defaults, a library's version, and a few paths that one of them lacks.
fn content(series: &str, version: &str, name: &str) -> Content {
    let private = format!("usr/lib/xen-{series}");
    let library = if series == "4.17" { "libxencall.so.1.3" } else { "libxencall.so.1.4" };
    let default = if name == "one" { "# defaults\n" } else { "# new defaults\n" };
    let mut content = Content::default();
    let mut file = |path: &str, text: &str| drop(content.files.insert(path.to_owned(), text.to_owned()));
    file(&format!("boot/xen-{version}.gz"), &format!("the hypervisor of {name}\n"));
    file("etc/xen/README", "about these files\n");
    file("etc/xen/xl.conf", default);
    file("etc/init.d/xencommons", "#!/bin/sh\n");
    file("usr/lib/systemd/system/xenstored.service", "[Service]\n");
    file(&format!("usr/lib/public/{library}"), name);
    file("usr/share/man/man1/xl.1", name);
    file(&format!("{private}/sbin/xl"), &format!("#!/bin/sh\necho xl of {name}\n"));
    match name {
        "one" => file("etc/default/xen", "given up later\n"),
        "other" => file("usr/share/man/man1/xenwatchdogd.1", name),
        _ => file(&format!("{private}/sbin/xencons"), "#!/bin/sh\n"),
    }
    content.links.insert("usr/lib/public/libxencall.so.1".to_owned(), library.to_owned());
    content.links.insert("usr/lib/systemd/system/xencommons.service".to_owned(), "/dev/null".to_owned());
    content.folders.push("var/lib/xen/dump".to_owned());
    content.modes = [(format!("{private}/sbin/xl"), "755"), ("var/lib/xen/dump".to_owned(), "700")]
        .map(|(path, mode)| (path, mode.to_owned()))
        .into();
    content
}

/// Packs and unpacks.
fn bundle(at: &Path, name: &str, recipe: Recipe, content: &Content) {
    let work = scratch();
    let tree = relocated(&recipe, content, work.path());
    let facts = inspection::facts(&tree, &[]).unwrap();
    let into = work.path().join("artifacts");
    fs::create_dir(&into).unwrap();
    packed(&job(&recipe), &tree, &facts, &into);
    let top = format!("xen-{}-x86_64", recipe.full_version());
    let file = fs::File::open(into.join(format!("{top}.tar.zst"))).unwrap();
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).unwrap());
    archive.set_preserve_permissions(true);
    archive.unpack(work.path()).unwrap();
    fs::rename(work.path().join(top), at.join(name)).unwrap();
}

/// A copy of the bundles, and a shell in it.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Desk {
        let folder = scratch();
        tree::copy(BUNDLES.path(), folder.path()).unwrap();
        Desk { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a script, in a process group of its own.
    #[expect(clippy::disallowed_methods, reason = "bundles are installed by the shell of the machine they come to")]
    fn run(&self, script: &str, environment: &BTreeMap<&str, String>) -> (Option<i32>, String) {
        let words = root().join("tests/bundle/words");
        let script = format!(". {}\n{script}", words.display());
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(self.folder.path())
            .envs(environment)
            .process_group(0)
            .output()
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), said)
    }

    fn well(&self, script: &str) {
        let (code, said) = self.run(script, &BTreeMap::new());
        assert_eq!(code, Some(0), "{script}: {said}");
    }
}

#[test]
fn situations_end_as_written_down() {
    for case in cases("bundle", "sh") {
        let desk = Desk::new();
        let (code, said) = desk.run(&fs::read_to_string(&case).unwrap(), &BTreeMap::new());
        assert_eq!(code, Some(0), "{}: {said}", case.display());
        let here = fs::canonicalize(desk.folder.path()).unwrap();
        golden(&case.with_extension("txt"), &said.replace(here.to_str().unwrap(), "[HERE]"));
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_a_conflict() {
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: whoever runs this may write everywhere");
        return;
    }
    let desk = Desk::new();
    desk.well("mkdir -p root/boot root/var/lib && chmod 0555 root/boot");
    let (code, said) = desk.run("one/install --root root", &BTreeMap::new());
    assert_eq!(code, Some(1));
    assert!(said.contains("/boot: no permission to write"), "{said}");
}

/// Programs that change something, each in a folder for `$PATH` that counts calls and kills the whole group before the one whose
/// number is in `$KILL_AT`.
fn lethal_programs(at: &Path) {
    fs::create_dir(at).unwrap();
    for name in ["chmod", "cp", "ln", "mkdir", "mv", "rm", "rmdir", "touch"] {
        let real =
            ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(name)).into_iter().find(|path| path.exists());
        let real = real.unwrap_or_else(|| panic!("this machine has no {name}"));
        let script = format!(
            "#!/bin/sh\nread -r n <\"$COUNT\"\nn=$((n + 1))\necho $n >\"$COUNT\"\n[ $n != \"$KILL_AT\" ] || kill -9 0\nexec {} \"$@\"\n",
            real.display()
        );
        fs::write(at.join(name), script).unwrap();
        fs::set_permissions(at.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_run_killed_at_any_point_is_finished_or_undone() {
    // One of so many points; the slow tests take every one.
    let step = if std::env::var_os("XENWRIGHT_SLOW").is_some_and(|value| value == "1") { 1 } else { 14 };
    // What stands before, and the run that is killed.
    let situations = [
        ("", "one/install --root root"),
        ("one/install --root root", "two/install --root root"),
        ("one/install --root root; other/install --root root", "other/uninstall --root root"),
        ("one/install --root root; two/install --root root", "two/uninstall --rollback --root root"),
    ];
    for (number, (before, run)) in situations.into_iter().enumerate() {
        let desk = Desk::new();
        lethal_programs(&desk.path("lethal"));
        desk.well(&format!("mkdir -p root/usr/lib64 root/var/lib; {before}"));
        desk.well("cp -a root before");
        let [path, count, kill_at] = ["PATH", "COUNT", "KILL_AT"];
        let mut environment = BTreeMap::from([
            (path, format!("{}:{}", desk.path("lethal").display(), std::env::var("PATH").unwrap())),
            (count, desk.path("count").display().to_string()),
            (kill_at, "none".to_owned()),
        ]);
        fs::write(desk.path("count"), "0\n").unwrap();
        assert_eq!(desk.run(run, &environment).0, Some(0));
        let calls: usize = fs::read_to_string(desk.path("count")).unwrap().trim().parse().unwrap();
        assert!(calls > 20, "{run}: {calls} calls");
        let states = [Manifest::of(&desk.path("before")).unwrap(), Manifest::of(&desk.path("root")).unwrap()];
        let (mut undone, mut finished) = (0, 0);
        // Another first point in each situation: together they meet each kind of step.
        for point in (1 + number..=calls).step_by(step) {
            desk.well("rm -rf root; cp -a before root");
            fs::write(desk.path("count"), "0\n").unwrap();
            environment.insert(kill_at, point.to_string());
            assert_eq!(desk.run(run, &environment).0, None, "{run}: was not killed at {point}");
            desk.well("one/install --recover --root root >/dev/null");
            let found = Manifest::of(&desk.path("root")).unwrap();
            let state = states.iter().position(|state| *state == found);
            let differences = || states.each_ref().map(|state| state.differences(&found).join("\n")).join("\n\n");
            match state {
                Some(0) => undone += 1,
                Some(_) => finished += 1,
                None => panic!("{run}: killed at {point} of {calls}:\n{}", differences()),
            }
        }
        eprintln!("{run}: {calls} points; undone {undone} times, finished {finished} times");
        assert!(undone > 0 && finished > 0, "{run}: undone {undone} times, finished {finished} times");
    }
}

#[test]
fn a_path_that_the_list_cannot_hold_is_an_error() {
    let work = scratch();
    let recipe = recipe(&[]);
    let mut content = content("4.17", "4.17.5+72", "one");
    content.files.insert("usr/lib/xen-4.17/a name".to_owned(), String::new());
    let tree = relocated(&recipe, &content, work.path());
    let facts = inspection::facts(&tree, &[]).unwrap();
    let (job, report) = (job(&recipe), Report::new(Style::Silent));
    let parcels = parcels(&job, &tree).unwrap();
    let roots = &Roots::new();
    let goods = Goods {
        job: &job,
        tree: &tree,
        facts: &facts,
        attribution: &Attribution::default(),
        roots,
        parcels,
        report: &report,
        jobs: 1,
    };
    let Err(error) = pack(&goods, "{}\n", work.path()) else { panic!("the list was written") };
    let text = fault::render(&error);
    for part in ["packing xen-4.17.5+72 as tar", "`usr/lib/xen-4.17/a name` has white space", "relocate.drop"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}
