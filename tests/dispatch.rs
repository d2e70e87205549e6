//! The dispatcher, and the init scripts that call it, in the situations of `tests/dispatch/cases.toml`, under this machine's
//! `/bin/sh`. Their absolute paths are turned to a folder of the test; nothing of Xen is needed.

use crate::support::{root, scratch};
use fs_err as fs;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use xshell::{Shell, cmd};
use xtask::relocate::own::{DISPATCHER_SCRIPT, INIT_SCRIPTS};

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
    /// The package with the dispatcher was taken away, its configuration stays.
    #[serde(default)]
    removed: bool,
    /// What an init script finds as the distribution's functions.
    functions: Option<String>,
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
    let (name, arguments) = case.call.split_first().unwrap();
    let dispatcher = folder.join(if name.starts_with("init.d/") { "dispatch" } else { name });
    if !case.removed {
        let paths = [("prefix=/usr/lib/xen-", "xen-"), ("running=/sys/hypervisor/version", "version")];
        write(DISPATCHER_SCRIPT, &paths, folder, &dispatcher);
    }
    if let Some(functions) = &case.functions {
        fs::write(folder.join("functions"), functions).unwrap();
    }
    let called = folder.join(name);
    if let Some((_, script)) = INIT_SCRIPTS.iter().find(|(script, _)| name.strip_prefix("init.d/") == Some(script)) {
        fs::create_dir(folder.join("init.d")).unwrap();
        let paths =
            [("dispatch=/usr/lib/xen-common/bin/dispatch", "dispatch"), ("/lib/lsb/init-functions", "functions")];
        write(script, &paths, folder, &called);
    }

    let shell = Shell::new().unwrap();
    let command = cmd!(shell, "/bin/sh {called} {arguments...}").env_clear().env("PATH", "/usr/bin:/bin");
    let output = command.envs(&case.environment).quiet().ignore_status().output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().expect("it ends by itself"), text(&output.stdout), text(&output.stderr))
}

/// Writes a script, with the absolute path at the end of each text led to a place below `folder`.
fn write(script: &[u8], paths: &[(&str, &str)], folder: &Path, to: &Path) {
    let mut script = String::from_utf8(script.to_vec()).unwrap();
    for (text, path) in paths {
        let before = &text[..text.find('/').unwrap()];
        assert!(script.contains(text), "the script says {text}");
        script = script.replace(text, &format!("{before}'{}'", folder.join(path).display()));
    }
    fs::write(to, script).unwrap();
    fs::set_permissions(to, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The header of the Linux Standard Base and the actions of Debian Policy 9.3.2, by which other scripts are ordered and called.
#[test]
fn every_init_script_says_what_it_is() {
    for (name, script) in INIT_SCRIPTS {
        let script = std::str::from_utf8(script).unwrap();
        let header =
            script.split("### BEGIN INIT INFO\n").nth(1).and_then(|rest| rest.split("### END INIT INFO\n").next());
        let value = |key: &str| -> Vec<&str> {
            let line = header.unwrap().lines().find_map(|line| line.strip_prefix(&format!("# {key}:")));
            line.unwrap_or_else(|| panic!("{name}: {key}")).split_whitespace().collect()
        };
        assert_eq!(value("Provides")[0], name);
        assert_eq!(value("Required-Start"), value("Required-Stop"), "{name}");
        assert!(value("Required-Start").contains(&"$remote_fs"), "{name} lies below /usr");
        assert_eq!(value("Default-Start"), ["2", "3", "4", "5"], "{name}");
        assert_eq!(value("Default-Stop"), ["0", "1", "6"], "{name}");
        assert!(!value("Short-Description").is_empty() && !value("Description").is_empty(), "{name}");
        for action in ["start", "stop", "restart", "force-reload"] {
            let arm =
                |line: &str| line.strip_suffix(')').is_some_and(|arm| arm.split(" | ").any(|word| word == action));
            assert!(script.lines().any(arm), "{name}: {action}");
        }
    }
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
