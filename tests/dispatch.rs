//! The dispatcher in the situations of `tests/dispatch/cases.toml`, under this machine's `/bin/sh`. Its two absolute paths are
//! turned to a folder of the test; nothing of Xen is needed.

use crate::support::{root, scratch};
use fs_err as fs;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use xshell::{Shell, cmd};
use xtask::relocate::DISPATCHER_SCRIPT;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// The running Xen's `X.Y`; none runs without it.
    running: Option<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// Series to programs, such as `sbin/xl`.
    installed: BTreeMap<String, Vec<String>>,
    call: Vec<String>,
    status: i32,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    stderr: Vec<String>,
}

/// Status, output and complaint of a call below `folder`.
fn called(case: &Case, folder: &Path) -> (i32, String, String) {
    for (series, programs) in &case.installed {
        for program in programs {
            let path = folder.join(format!("xen-{series}")).join(program);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::os::unix::fs::symlink(root().join("tests/dispatch/program"), path).unwrap();
        }
    }
    if let Some((major, minor)) = case.running.as_ref().and_then(|running| running.split_once('.')) {
        fs::create_dir(folder.join("version")).unwrap();
        fs::write(folder.join("version/major"), format!("{major}\n")).unwrap();
        fs::write(folder.join("version/minor"), format!("{minor}\n")).unwrap();
    }
    let mut script = String::from_utf8(DISPATCHER_SCRIPT.to_vec()).unwrap();
    for (line, path) in [("prefix=/usr/lib/xen-", "xen-"), ("running=/sys/hypervisor/version", "version")] {
        let variable = line.split('=').next().unwrap();
        assert_eq!(script.matches(line).count(), 1, "the dispatcher has one line {line}");
        script = script.replace(line, &format!("{variable}='{}'", folder.join(path).display()));
    }
    let (name, arguments) = case.call.split_first().unwrap();
    let dispatcher = folder.join(name);
    fs::write(&dispatcher, script).unwrap();

    let shell = Shell::new().unwrap();
    let command = cmd!(shell, "/bin/sh {dispatcher} {arguments...}").env_clear().env("PATH", "/usr/bin:/bin");
    let output = command.envs(&case.environment).quiet().ignore_status().output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().expect("it ends by itself"), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_dispatcher_starts_the_right_tool_or_says_why_not() {
    let text = fs::read_to_string(root().join("tests/dispatch/cases.toml")).unwrap();
    let cases: Cases = toml::from_str(&text).unwrap();
    for case in cases.case {
        let folder = scratch();
        let (status, stdout, stderr) = called(&case, folder.path());
        assert_eq!((status, stdout.as_str()), (case.status, case.stdout.as_str()), "{}: {stderr}", case.name);
        assert_eq!(stderr.is_empty(), case.stderr.is_empty(), "{}: {stderr}", case.name);
        for part in &case.stderr {
            assert!(stderr.contains(part), "{}: expected `{part}` in:\n{stderr}", case.name);
        }
    }
}
