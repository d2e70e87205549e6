//! Steps as the builder runs them: what they see, what becomes of their output, how they fail, stop and share the machine.

use crate::support::{context, expect, root, sandbox_root, scratch};
use fs_err as fs;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use xtask::builder::{self, Inputs, Staged};
use xtask::context::Context;
use xtask::digest::{Hash, Key, KeyBuilder};
use xtask::patches::{self, Queue};
use xtask::plan::Plan;
use xtask::recipe::{self, Recipe};
use xtask::relocate::relocate;
use xtask::{fault, sources};

const EPOCH: i64 = 1_000_000_000;

/// A machine of its own: a store, and a mirror folder with one small source.
struct World {
    ctx: Context,
    /// Keeps the folder, where this value made it.
    _folder: Option<tempfile::TempDir>,
}

impl World {
    fn new() -> World {
        let folder = scratch();
        let world = World::at(folder.path());
        World { _folder: Some(folder), ..world }
    }

    fn at(dir: &Path) -> World {
        let mut ctx = context(&dir.join("store"));
        ctx.net.mirrors.push(dir.join("mirror"));
        fs::create_dir_all(dir.join("mirror")).unwrap();
        fs::write(dir.join("mirror/hello-1.0.tar"), tarball()).unwrap();
        World { ctx, _folder: None }
    }

    /// A recipe with these steps.
    fn recipe(&self, steps: &str) -> Recipe {
        let tarball = tarball();
        let text = format!(
            r#"
name = "hello"
version = "1.0.0"
series = "1.0"
summary = "says hello"
license = "MIT"
epoch = {EPOCH}
toolchain = "tiny"
architecture = "x86_64"

[source.hello]
sha256 = "{sha256}"
release = "1.0"
origins = [{{ url = "http://127.0.0.1:9/hello-1.0.tar", sha256 = "{sha256}", size = {size} }}]

{steps}

[relocate]
private = "/usr/lib/hello-1.0"
public-libdir = "/usr/lib"
unstable = []
common = []
outside = []

[[package]]
name = "hello"
files = ["**"]
"#,
            sha256 = Hash::of(&tarball),
            size = tarball.len(),
        );
        recipe::parse("recipes/hello-1.0.0.toml", &text).unwrap()
    }

    fn plan(&self, steps: &str) -> Plan {
        Plan::new(&self.recipe(steps), &BTreeMap::new(), &|_| toolchain()).unwrap()
    }

    fn build(&self, steps: &str) -> anyhow::Result<Staged> {
        let recipe = self.recipe(steps);
        let checked = sources::obtain(&self.ctx, &recipe)?;
        let inputs = Inputs {
            source: &|name| patches::apply(&self.ctx, &checked[name], &Queue::default()),
            root: &|_| {
                self.ctx.store.tree_or_make(&toolchain(), "toolchain tiny", |root| {
                    sandbox_root::make(root);
                    for name in ["gcc", "ccache"] {
                        let program = root.join("usr/bin").join(name);
                        fs::write(&program, format!("#!/bin/sh\necho \"{name} $*\"\n"))?;
                        fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
                    }
                    Ok(())
                })
            },
        };
        builder::build(&self.ctx, &self.plan(steps), &inputs)
    }

    /// The error of a build that must fail, as the user sees it, without this run's paths and keys.
    fn failure(&self, steps: &str) -> String {
        let mut text = fault::render(&self.build(steps).expect_err("the build must fail"));
        for planned in self.plan(steps).steps {
            text = text.replace(planned.key.as_str(), &format!("[KEY OF {}]", planned.name));
        }
        text.replace(self.ctx.store.root().to_str().unwrap(), "[STORE]") + "\n"
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.ctx.store.root().join(folder)).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn toolchain() -> Key {
    KeyBuilder::new("test/1").field("toolchain", "tiny").finish()
}

/// The source: a script, a text and a folder that no step wants.
fn tarball() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text, mode) in [
        ("hello-1.0/say", "#!/bin/sh\necho hello\n", 0o755),
        ("hello-1.0/docs/hello.txt", "hello\n", 0o644),
        ("hello-1.0/unwanted/big", "big\n", 0o644),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(mode);
        header.set_mtime(7);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn read(staged: &Staged, step: &str, path: &str) -> String {
    fs::read_to_string(staged.outputs()[step].path.join(path)).unwrap()
}

const TWO_STEPS: &str = r#"
[step.first]
source = "hello"
paths = ["**", "!unwanted/**"]
env = { GREETING = "good day" }
run = """
./say >"$OUT/said"
echo "$GREETING" >"$OUT/greeting"
ls >"$OUT/seen"
stat -c %Y say docs . >"$OUT/times"
touch -d @5 "$OUT/old"
"""
[step.second]
source = "hello"
needs = ["first"]
run = """
cat /in/first/said >"$OUT/heard"
ls unwanted >>"$OUT/heard"
"""
"#;

#[test]
fn a_step_sees_its_filtered_source_and_what_it_needs() {
    let world = World::new();
    let staged = world.build(TWO_STEPS).unwrap();
    assert_eq!(read(&staged, "first", "said"), "hello\n");
    assert_eq!(read(&staged, "first", "greeting"), "good day\n");
    assert_eq!(read(&staged, "first", "seen"), "docs\nsay\n");
    assert_eq!(read(&staged, "first", "times"), format!("{EPOCH}\n{EPOCH}\n{EPOCH}\n"));
    assert_eq!(read(&staged, "second", "heard"), "hello\nbig\n");
    let times: Vec<i64> = fs::read_dir(&staged.outputs()["first"].path)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().mtime())
        .collect();
    assert_eq!(times, [EPOCH; 5]);
    assert!(world.names("work").is_empty());
}

const PARTIAL: &str = r#"
[cross.partial]
base = "other"
sysroot = ["headers", "library"]
[step.headers]
source = "hello"
intermediate = true
run = 'mkdir -p "$OUT/usr/include" "$OUT/bin"; echo int >"$OUT/usr/include/a.h"; cp say "$OUT/bin/speak"'
[step.library]
source = "hello"
intermediate = true
run = 'mkdir -p "$OUT/usr/lib"; echo code >"$OUT/usr/lib/a.a"; ln -s a.a "$OUT/usr/lib/b.a"'
[step.program]
source = "hello"
toolchain = "partial"
run = """
(cd /sysroot && ls bin usr/include usr/lib) >"$OUT/seen"
speak >"$OUT/said"
if echo more 2>/dev/null >>/sysroot/usr/include/a.h; then exit 1; fi
"""
"#;

#[test]
fn a_sysroot_is_what_its_steps_made_and_cannot_be_written_to() {
    let world = World::new();
    let staged = world.build(PARTIAL).unwrap();
    let seen = "bin:\nspeak\n\nusr/include:\na.h\n\nusr/lib:\na.a\nb.a\n";
    assert_eq!(read(&staged, "program", "seen"), seen);
    assert_eq!(read(&staged, "program", "said"), "hello\n");
    let work = scratch();
    let tree = relocate(&world.ctx, &world.recipe(PARTIAL), &staged, work.path()).unwrap();
    let made: Vec<&str> = tree.owners().values().map(String::as_str).filter(|owner| *owner != "dispatch").collect();
    assert_eq!(made, ["program", "program"], "what is intermediate was shipped");

    // What is in a sysroot reaches the step, and so does the toolchain.
    let key = |steps: &str| world.plan(steps).steps.into_iter().find(|step| step.name == "program").unwrap().key;
    assert_ne!(key(PARTIAL), key(&PARTIAL.replace("echo code", "echo more")));
    let plan = world.plan(PARTIAL);
    assert_eq!(plan.steps.iter().find(|step| step.name == "program").unwrap().toolchain, "other");
    assert_eq!(plan.steps.iter().find(|step| step.name == "library").unwrap().toolchain, "tiny");
}

#[test]
fn a_path_of_a_sysroot_is_made_by_one_step() {
    let world = World::new();
    let twice = PARTIAL.replace("usr/lib/a.a\"; ln", "usr/lib/a.a\"; mkdir -p \"$OUT/bin\"; : >\"$OUT/bin/speak\"; ln");
    assert_ne!(twice, PARTIAL);
    expect::golden(&root().join("tests/builder/sysroot-twice.txt"), &world.failure(&twice));
}

#[test]
fn what_is_in_the_store_is_neither_run_nor_asked_for_again() {
    let world = World::new();
    let first = world.build(TWO_STEPS).unwrap();
    let nothing = Inputs { source: &|_| panic!("no source is needed"), root: &|_| panic!("no root is needed") };
    let again = builder::build(&world.ctx, &world.plan(TWO_STEPS), &nothing).unwrap();
    assert_eq!(again.outputs()["second"].path, first.outputs()["second"].path);
}

#[test]
fn what_a_step_cost_is_on_record() {
    let world = World::new();
    let steps = r#"
[step.busy]
source = "hello"
run = "n=0; while [ $n -lt 100000 ]; do n=$((n+1)); done; (n=0; while [ $n -lt 100000 ]; do n=$((n+1)); done)"
"#;
    world.build(steps).unwrap();
    let record = world.ctx.store.record(&world.plan(steps).steps[0].key).unwrap().unwrap();
    assert_eq!(record.what, "step busy");
    let cost = record.cost.unwrap();
    assert!(cost.cpu_ms > 0 && cost.wall_ms > 0, "{cost:?}");
    assert_eq!(world.ctx.store.last_cost("busy"), Some(cost.cpu_ms));
}

#[test]
fn a_failed_step_tells_what_where_and_how_to_look() {
    let world = World::new();
    let steps = r#"
[step.broken]
source = "hello"
run = """
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21; do echo "line $n"; done
echo left >"$OUT/file"
echo 'say.c:1: error: nothing to say' >&2
exit 3
"""
"#;
    expect::golden(&root().join("tests/builder/failed.txt"), &world.failure(steps));
    let key = &world.plan(steps).steps[0].key;
    assert!(world.ctx.store.tree(key).unwrap().is_none());
    let failed = world.ctx.store.failed(key);
    assert!(failed.join("build/say").exists() && failed.join("root/file").exists() && failed.join("script").exists());
    assert!(world.names("work").is_empty());
}

#[test]
fn a_step_that_tries_the_network_is_told_so() {
    let world = World::new();
    let steps = r#"
[step.broken]
source = "hello"
run = """
echo "fatal: unable to access 'https://xen.example/': Could not resolve host: xen.example" >&2
exit 128
"""
"#;
    expect::golden(&root().join("tests/builder/network.txt"), &world.failure(steps));
}

#[test]
fn an_option_that_kconfig_dropped_is_an_error() {
    let world = World::new();
    let steps = r#"
[step.kernel]
source = "hello"
kconfig = { file = "xen/.config", options = { DEBUG = "n", XSM = "y", NR_CPUS = "64" } }
run = """
mkdir xen
sed s/64/256/ "$KCONFIG" >xen/.config
echo configured
"""
"#;
    expect::golden(&root().join("tests/builder/kconfig.txt"), &world.failure(steps));
    let good = steps.replace("s/64/256/", "s/x/x/");
    assert!(world.build(&good).is_ok());
}

#[test]
fn all_steps_share_one_jobserver() {
    let world = World::new();
    let staged = world
        .build(
            r#"
[step.only]
source = "hello"
run = """
echo "$MAKEFLAGS" | sed 's/[0-9][0-9]*/N/g' >"$OUT/flags"
fds=${MAKEFLAGS#*--jobserver-auth=}
for fd in ${fds%,*} ${fds#*,}; do stat -L -c %F /proc/self/fd/$fd >>"$OUT/kind"; done
"""
"#,
        )
        .unwrap();
    assert_eq!(read(&staged, "only", "flags"), "-j --jobserver-auth=N,N\n");
    assert_eq!(read(&staged, "only", "kind"), "fifo\nfifo\n");
}

#[test]
fn only_what_makes_an_object_goes_through_the_compile_cache() {
    let mut world = World::new();
    world.ctx.ccache = true;
    let steps = r#"
[step.only]
source = "hello"
run = """
gcc -O2 -c say.c -o say.o >"$OUT/compiles"
gcc -S -o /dev/null -x c /dev/null >"$OUT/asks"
gcc -print-file-name='a  b' >"$OUT/names"
"""
"#;
    let staged = world.build(steps).unwrap();
    assert_eq!(read(&staged, "only", "compiles"), "ccache /usr/bin/gcc -O2 -c say.c -o say.o\n");
    assert_eq!(read(&staged, "only", "asks"), "gcc -S -o /dev/null -x c /dev/null\n");
    assert_eq!(read(&staged, "only", "names"), "gcc -print-file-name=a  b\n");
}

/// Two steps that meet in the compile cache's folder, the only one that steps share.
fn meeting(script: &str) -> String {
    let step = |name: &str, other: &str| {
        let script = script.replace("OWN", name).replace("OTHER", other);
        format!("[step.{name}]\nsource = \"hello\"\nrun = '''\n{script}\n'''\n")
    };
    step("one", "two") + &step("two", "one")
}

#[test]
fn independent_steps_run_side_by_side() {
    let mut world = World::new();
    world.ctx.ccache = true;
    let script = r#"
touch /ccache/OWN
n=0
until [ -e /ccache/OTHER ]; do n=$((n+1)); [ $n -lt 300 ]; sleep 0.1; done
"#;
    world.build(&meeting(script)).unwrap();
}

#[test]
fn with_one_job_steps_run_one_after_another() {
    let mut world = World::new();
    (world.ctx.ccache, world.ctx.jobs) = (true, 1);
    world.build(&meeting("mkdir /ccache/busy\nsleep 0.3\nrm -r /ccache/busy")).unwrap();
}

#[test]
fn after_a_failure_the_others_are_stopped_and_what_was_finished_is_kept() {
    let world = World::new();
    let steps = r#"
[step.done]
source = "hello"
run = "true"
[step.fails]
source = "hello"
needs = ["done"]
run = "sleep 0.5; exit 1"
[step.long]
source = "hello"
needs = ["done"]
run = "sleep 100"
[step.never]
source = "hello"
needs = ["fails"]
run = "touch $OUT/x"
"#;
    let start = Instant::now();
    let text = world.failure(steps);
    assert!(start.elapsed() < Duration::from_secs(50), "the long step was waited for");
    assert!(text.contains("step fails") && !text.contains("step long") && !text.contains("step never"), "{text}");
    assert!(world.names("work").is_empty());
    for planned in world.plan(steps).steps {
        assert_eq!(world.ctx.store.tree(&planned.key).unwrap().is_some(), planned.name == "done", "{}", planned.name);
    }
}

#[test]
fn a_tampered_output_does_not_flow_into_another_step() {
    let world = World::new();
    let staged = world.build(TWO_STEPS).unwrap();
    fs::write(staged.outputs()["first"].path.join("said"), "goodbye\n").unwrap();
    let text = world.failure(&TWO_STEPS.replace("ls unwanted", "ls -a unwanted"));
    assert!(text.contains("step first") && text.contains("said: expected a file"), "{text}");
    assert!(text.contains("store verify --repair"), "{text}");
}

const ENDLESS: &str = r#"
[step.endless]
source = "hello"
run = "while :; do echo beat >>/ccache/beats; sleep 0.05; done"
"#;

/// Not a test of its own: the build that the next tests stop, in a process of its own because signals go to processes.
#[test]
fn a_build_that_does_not_end() {
    let Some(dir) = std::env::var_os("XENWRIGHT_TEST_ENDLESS_BUILD") else { return };
    xtask::interrupt::install().unwrap();
    let mut world = World::at(Path::new(&dir));
    world.ctx.ccache = true;
    let error = world.build(ENDLESS).expect_err("the step never ends");
    std::process::exit(fault::exit_code(&error));
}

fn endless(dir: &Path) -> Child {
    #[expect(clippy::disallowed_methods, reason = "the build that is stopped has to be another process")]
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "builder::a_build_that_does_not_end"])
        .env("XENWRIGHT_TEST_ENDLESS_BUILD", dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while beats(dir) == 0 {
        assert!(start.elapsed() < Duration::from_secs(30), "the step did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn beats(dir: &Path) -> u64 {
    fs::metadata(dir.join("store/ccache/beats")).map_or(0, |file| file.len())
}

fn assert_no_beat(dir: &Path) {
    std::thread::sleep(Duration::from_millis(200));
    let before = beats(dir);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(beats(dir), before, "the step lives on");
}

#[test]
fn an_interrupt_ends_every_child_and_leaves_nothing_half_made() {
    let dir = scratch();
    let mut child = endless(dir.path());
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_no_beat(dir.path());
    let world = World::at(dir.path());
    assert!(world.names("work").is_empty() && world.names("failed").is_empty());
}

#[test]
fn a_kill_ends_every_child_and_the_next_build_goes_on() {
    let dir = scratch();
    let mut child = endless(dir.path());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_no_beat(dir.path());
    let world = World::at(dir.path());
    assert!(world.names("work").is_empty());
    assert!(world.ctx.store.tree(&world.plan(ENDLESS).steps[0].key).unwrap().is_none());
    world.build(TWO_STEPS).unwrap();
}
