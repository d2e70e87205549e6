//! What a process sees of the sandbox, and what it cannot do there.

use crate::support::compile::{Shape, compile};
use crate::support::{context, sandbox_root, scratch};
use std::path::Path;
use std::process::Output;
use xtask::context::Context;
use xtask::sandbox::Sandbox;
use xtask::sandbox::disguise::{AHEAD, Disguise};
use xtask::store::Store;

/// A sandbox of a tiny root with `/build` and `/out` writable and `/in/need` read-only.
struct Bench {
    dir: tempfile::TempDir,
    ctx: Context,
}

impl Bench {
    fn new() -> Bench {
        let dir = scratch();
        for folder in ["root", "build", "out", "need"] {
            fs_err::create_dir(dir.path().join(folder)).unwrap();
        }
        sandbox_root::make(&dir.path().join("root"));
        fs_err::write(dir.path().join("need/file"), "needed\n").unwrap();
        let ctx = context(&dir.path().join("store"));
        Bench { dir, ctx }
    }

    fn sandbox(&self) -> Sandbox {
        let host = |name: &str| self.dir.path().join(name);
        Sandbox {
            root: host("root"),
            writable: vec![(host("build"), "/build".to_owned()), (host("out"), "/out".to_owned())],
            readonly: vec![(host("need"), "/in/need".to_owned())],
            env: [("ASKED".to_owned(), "yes".to_owned())].into(),
            cwd: "/build".to_owned(),
            interactive: false,
            administrator: false,
            open_root: false,
        }
    }

    fn run(&self, script: &str) -> Output {
        let mut command = self.sandbox().command(&self.ctx, &["/bin/sh", "-c", script]).unwrap();
        // What the host's user has in his environment must not be seen.
        command.output().unwrap()
    }

    /// What a script that must succeed says.
    fn said(&self, script: &str) -> String {
        let output = self.run(script);
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{script}: {}: {complained}", output.status);
        said.into_owned()
    }
}

#[test]
fn everyone_has_the_same_user_host_folder_and_umask() {
    let bench = Bench::new();
    let said = bench.said("id -u; id -g; id -un; hostname; pwd; umask; date -d @0 +%H:%M%Z");
    assert_eq!(said, "1000\n1000\nbuilder\nbuilder\n/build\n0022\n00:00UTC\n");
}

#[test]
fn the_environment_is_what_was_asked_for_and_nothing_of_the_hosts() {
    let said = Bench::new().said("env");
    let mut names: Vec<&str> = said.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    names.retain(|name| *name != "_");
    assert_eq!(names, ["ASKED", "GIT", "HOME", "LC_ALL", "PATH", "PWD", "TZ", "WGET"]);
    assert!(said.contains("HOME=/nonexistent\n") && said.contains("PATH=/usr/sbin:/usr/bin\n"), "{said}");
}

#[test]
fn only_the_steps_own_folders_can_be_written() {
    let bench = Bench::new();
    assert_eq!(bench.said("touch /build/a /out/b /tmp/c /run/d; cat /in/need/file"), "needed\n");
    assert!(bench.dir.path().join("build/a").exists() && bench.dir.path().join("out/b").exists());
    for place in ["/new", "/usr/new", "/usr/bin/cat", "/etc/passwd", "/in/new", "/in/need/file"] {
        let output = bench.run(&format!("echo x >> {place}"));
        assert!(!output.status.success(), "{place} could be written");
        assert!(String::from_utf8_lossy(&output.stderr).contains("Read-only file system"), "{place}: {output:?}");
    }
    assert_eq!(fs_err::read_to_string(bench.dir.path().join("need/file")).unwrap(), "needed\n");
}

#[test]
fn there_is_no_network_and_no_other_process() {
    let bench = Bench::new();
    let devices = bench.said("sed -n 's/^ *\\([a-z0-9]*\\):.*/\\1/p' /proc/net/dev");
    assert_eq!(devices, "lo\n");
    let processes = bench.said("cd /proc; ls -d [0-9]*");
    // The shell and its `ls`.
    assert!(processes.lines().count() <= 2, "{processes}");
    assert!(bench.said("ls /dev").lines().all(|name| name != "kmsg" && name != "mem" && name != "kvm"));
}

#[test]
fn nothing_is_left_when_the_step_ends() {
    let bench = Bench::new();
    // The background process would write after the shell's end, if it lived.
    bench.said("(sleep 1; touch /build/late) & echo started");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(!bench.dir.path().join("build/late").exists());
}

#[test]
fn a_root_that_is_not_there_is_named() {
    let bench = Bench::new();
    let sandbox = Sandbox { root: Path::new("/nonexistent/root").to_owned(), ..bench.sandbox() };
    let error = sandbox.command(&bench.ctx, &["/bin/sh"]).unwrap_err();
    assert!(format!("{error:#}").contains("/nonexistent/root"), "{error:#}");
}

#[test]
fn a_disguised_store_shows_another_world() {
    let mut bench = Bench::new();
    let library = bench.dir.path().join("disguise.so");
    let flags = ["-nostdlib".to_owned(), format!("-DAHEAD={AHEAD}")];
    compile(Shape::Library, include_str!("../xtask/data/disguise.c"), &flags, &[], &library);
    let usual = (bench.said("date +%s"), bench.said("cd /usr/bin; ls -U"));

    let disguise = Disguise { preload: true, layout: true };
    let folder = bench.dir.path().join("disguised");
    bench.ctx.store = Store::disguised(&folder, &disguise, Some(&library)).unwrap();
    assert_eq!(Store::open(&folder).unwrap().disguise(), &disguise);
    assert_eq!(Store::open(&bench.dir.path().join("store")).unwrap().disguise(), &Disguise::default());
    let said = bench.said("pwd; id -u; id -un; hostname; umask; echo $HOME; date -d @0 +%H:%M; cat /in/need/file");
    let build = "/elsewhere/a-longer-path/to-the-sources";
    assert_eq!(said, format!("{build}\n2345\nsomebody\nanother-inner-host\n0027\n/elsewhere/home\n13:30\nneeded\n"));
    let seconds = |text: &str| text.trim().parse::<u64>().unwrap();
    let ahead = seconds(&bench.said("date +%s")) - seconds(&usual.0);
    assert!((AHEAD..AHEAD + 60).contains(&ahead), "{ahead}");
    let mut backwards: Vec<&str> = usual.1.lines().collect();
    backwards.reverse();
    let listed = bench.said("cd /usr/bin; ls -U");
    assert_eq!(listed.lines().collect::<Vec<_>>(), backwards);
    // What is made lies before now, so that nothing is from the future, and a folder can be emptied while it is read.
    bench.said("touch made; test $(stat -c %Y made) -lt $(date +%s); mkdir d; touch d/a d/b d/c; rm -r d; test ! -e d");
    assert!(bench.dir.path().join("build/made").exists());
}

#[test]
fn a_disguise_is_a_new_stores_and_no_others() {
    let dir = scratch();
    let (usual, disguised) = (dir.path().join("usual"), dir.path().join("disguised"));
    Store::open(&usual).unwrap();
    let disguise = Disguise { preload: false, layout: true };
    assert!(Store::disguised(&usual, &disguise, None).is_err());
    drop(Store::disguised(&disguised, &disguise, None).unwrap());
    // Without its disguise it is no store at all, so that nothing in it can be taken for what it is not.
    fs_err::remove_file(disguised.join("disguise.json")).unwrap();
    let error = Store::open(&disguised).err().expect("it is refused");
    assert!(format!("{error:#}").contains("disguise.json"), "{error:#}");
}
