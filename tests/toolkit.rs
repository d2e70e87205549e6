//! A cross toolchain on the host: what its wrappers pass through, what they see, and what they say when they cannot. The root is a tiny
//! one, the compiler a script.

use crate::support::{context, expect, root, sandbox_root, scratch};
use fs_err as fs;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use xshell::Shell;
use xtask::builder::Tools;
use xtask::context::Context;
use xtask::digest::KeyBuilder;
use xtask::store::Stored;
use xtask::toolkit::{self, Toolkit};

const COMPILER: &str = r#"#!/bin/sh
echo "$0 $*"
echo "in $PWD"
cat /usr/mark "${0%/bin/*}/usr/include/a.h" beside
cat
echo out >made
echo "CPATH=${CPATH-}"
exit 3
"#;

fn stored(ctx: &Context, name: &str, make: impl FnOnce(&Path)) -> Stored {
    let key = KeyBuilder::new("test/1").field("name", name).finish();
    ctx.store
        .tree_or_make(&key, name, |root| {
            make(root);
            Ok(())
        })
        .unwrap()
}

fn tools(ctx: &Context) -> Tools {
    let base = stored(ctx, "base", |root| {
        sandbox_root::make(root);
        fs::write(root.join("usr/mark"), "the toolchain's own\n").unwrap();
    });
    let parts = ["compiler", "library"].map(|name| {
        let part = stored(ctx, name, |root| {
            let at = |path: &str| {
                fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
                root.join(path)
            };
            if name == "library" {
                return fs::write(at("usr/include/a.h"), "a header\n").unwrap();
            }
            for tool in ["a-b-gcc", "a-b-ar"] {
                fs::write(at(&format!("bin/{tool}")), COMPILER).unwrap();
                fs::set_permissions(root.join("bin").join(tool), std::fs::Permissions::from_mode(0o755)).unwrap();
            }
            fs::write(at("share/config.site"), "\n").unwrap();
        });
        (name.to_owned(), part)
    });
    Tools { base, parts: BTreeMap::from(parts) }
}

struct World {
    folder: tempfile::TempDir,
    ctx: Context,
    tools: Tools,
}

impl World {
    fn new() -> World {
        let folder = scratch();
        let ctx = context(&folder.path().join("store"));
        let tools = tools(&ctx);
        fs::create_dir(folder.path().join("work place")).unwrap();
        fs::write(folder.path().join("work place/beside"), "beside\n").unwrap();
        World { folder, ctx, tools }
    }

    fn at(&self) -> PathBuf {
        self.folder.path().join("cross/partial")
    }

    fn install(&self) -> Toolkit {
        toolkit::install(&self.ctx, "partial", &self.tools, &self.at(), "cargo xtask toolchain env partial").unwrap()
    }

    fn run(&self, cwd: &Path, program: &Path, words: &[&str]) -> Output {
        let mut command = Command::from(Shell::new().unwrap().cmd(program));
        command.args(words).current_dir(cwd).env("CPATH", "/somewhere").env("PWD", cwd);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A wrapper that fails at once reads nothing.
        let _ = child.stdin.take().unwrap().write_all(b"what is typed\n");
        child.wait_with_output().unwrap()
    }

    /// Without this run's folder.
    fn said(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).replace(&self.folder.path().display().to_string(), "[HERE]")
    }
}

#[test]
fn a_tool_runs_in_the_locked_root_as_if_it_were_the_machines() {
    let world = World::new();
    let kit = world.install();
    let place = world.folder.path().join("work place");
    assert_eq!(kit.triplet, "a-b");
    let output = world.run(&place, &kit.bin.join("a-b-gcc"), &["-c", "two words", ""]);
    let mut text = format!("{}[{}]\n{}", world.said(&output.stdout), output.status, world.said(&output.stderr));
    assert_eq!(fs::read_to_string(place.join("made")).unwrap(), "out\n");
    for (name, value) in &kit.variables {
        text += &world.said(format!("{name}={value}\n").as_bytes());
    }
    expect::golden(&root().join("tests/toolkit/passed.txt"), &text);

    // A program of the root finds the tools under the same names, as themselves.
    let output = world.run(&place, &kit.bin.join("a-b-run"), &["sh", "-c", "exec a-b-ar x"]);
    let first = world.said(&output.stdout);
    assert!(first.starts_with("[HERE]/cross/partial/bin/a-b-ar x\n"), "{first}{}", world.said(&output.stderr));
    // What was used last is not the first to go.
    let record = world.tools.base.path.parent().unwrap().join("record.json");
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    fs::File::options().write(true).open(&record).unwrap().file().set_modified(old).unwrap();
    world.run(&place, &kit.bin.join("a-b-gcc"), &[]);
    assert!(fs::metadata(&record).unwrap().modified().unwrap() > old);
}

#[test]
fn what_is_there_stays_and_what_is_another_is_made_anew() {
    let mut world = World::new();
    world.install();
    let own = world.at().join("usr/include/own.h");
    fs::write(&own, "").unwrap();
    world.install();
    assert!(own.exists(), "nothing had changed");
    let other = stored(&world.ctx, "other", |root| {
        fs::create_dir_all(root.join("usr/include")).unwrap();
        fs::write(root.join("usr/include/b.h"), "").unwrap();
    });
    world.tools.parts.insert("other".to_owned(), other);
    world.install();
    assert!(!own.exists() && world.at().join("usr/include/b.h").exists());
}

#[test]
fn what_a_wrapper_cannot_do_it_says() {
    let world = World::new();
    let kit = world.install();
    let mut text = String::new();
    let mut add = |output: Output| text += &format!("[{}]\n{}", output.status, world.said(&output.stderr));
    add(world.run(Path::new("/usr/lib"), &kit.bin.join("a-b-gcc"), &[]));
    fs::rename(&world.tools.base.path, world.tools.base.path.with_extension("gone")).unwrap();
    add(world.run(world.folder.path(), &kit.bin.join("a-b-gcc"), &[]));
    let covered = toolkit::install(&world.ctx, "partial", &world.tools, Path::new("/usr/src/partial"), "again");
    text += &xtask::fault::render(&covered.unwrap_err());
    expect::golden(&root().join("tests/toolkit/refused.txt"), &format!("{text}\n"));
}
