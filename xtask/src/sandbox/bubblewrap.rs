//! Finds a bubblewrap that works, or says why none can.

use super::{HOST, UID, isolation, start};
use crate::context::Context;
use crate::fault::Fault;
use crate::rootfs;
use crate::toolchain::Toolchain;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

/// The toolchain that holds bubblewrap and what it links to.
const TOOLCHAIN: &str = "builder";

/// What was found, by the store it may lie in: trying costs some 20 ms.
static FOUND: Mutex<BTreeMap<PathBuf, Vec<OsString>>> = Mutex::new(BTreeMap::new());

/// The words that start bubblewrap: the host's where there is one that works, else the locked one.
pub fn find(ctx: &Context) -> Result<Vec<OsString>> {
    let mut found = FOUND.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(program) = found.get(ctx.store.root()) {
        return Ok(program.clone());
    }
    let program = search(ctx)?;
    found.insert(ctx.store.root().to_owned(), program.clone());
    Ok(program)
}

fn search(ctx: &Context) -> Result<Vec<OsString>> {
    let host = host();
    if let Some(program) = &host
        && attempt(program).is_ok()
    {
        return Ok(program.clone());
    }
    let forbidding = forbidding(|path| fs::read_to_string(path).ok());
    if !forbidding.is_empty() {
        return Err(forbidden(&forbidding).into());
    }
    let why = match &host {
        Some(_) => "the host's bubblewrap does not work, and the locked one cannot be had",
        None => "the host has no bubblewrap, and the locked one cannot be had",
    };
    let toolchain = Toolchain::load(&ctx.root, TOOLCHAIN).context(why)?;
    let root = rootfs::obtain(ctx, &toolchain).context(why)?;
    let program = unpacked(&root.path).context(why)?;
    match attempt(&program) {
        Ok(()) => Ok(program),
        Err(said) => Err(Fault::failed(format!("bubblewrap cannot make a sandbox: {said}"))
            .cure(
                "inside a container, allow it to make namespaces and to mount /proc (docker and podman: \
                 `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`), or build outside of it",
            )
            .into()),
    }
}

fn host() -> Option<Vec<OsString>> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join("bwrap")).find(|file| file.is_file())?;
    // An empty or relative word in PATH would mean another file in another folder.
    Some(vec![std::path::absolute(found).ok()?.into_os_string()])
}

/// How to run the bubblewrap of an unpacked toolchain root: through the root's own loader, since the host's C library may
/// be older or another one altogether.
fn unpacked(root: &Path) -> Result<Vec<OsString>> {
    let (triplet, loader) = match std::env::consts::ARCH {
        "aarch64" => ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
        _ => ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    };
    let libraries = root.join("usr/lib").join(triplet);
    // Not the loader's usual name below /lib64: in a Debian root that is an absolute link, which leads to the host's.
    let (loader, program) = (libraries.join(loader), root.join("usr/bin/bwrap"));
    for file in [&loader, &program] {
        fs::metadata(file)?;
    }
    Ok(vec![loader.into(), "--library-path".into(), libraries.into(), program.into()])
}

/// Makes a sandbox of the host's own root and runs bubblewrap itself in it; the error is what it said.
fn attempt(program: &[OsString]) -> Result<(), String> {
    let output = start(program)
        .args(isolation(UID, HOST))
        .args(["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--"])
        .args(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// A switch of the kernel that forbids user namespaces, and the value that allows them.
struct Switch {
    name: &'static str,
    value: String,
    allow: &'static str,
}

/// The switches that stand in the way. `read` gives a file's content, if it is there.
fn forbidding(read: impl Fn(&str) -> Option<String>) -> Vec<Switch> {
    // Debian's and Ubuntu's own switch; the kernel's limit (namespaces(7)); Ubuntu's rule since 23.10.
    let switches = [
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("user.max_user_namespaces", "0", "15000"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ];
    let mut found = Vec::new();
    for (name, forbids, allow) in switches {
        let Some(value) = read(&format!("/proc/sys/{}", name.replace('.', "/"))) else { continue };
        if value.trim() == forbids {
            found.push(Switch { name, value: value.trim().to_owned(), allow });
        }
    }
    found
}

fn forbidden(switches: &[Switch]) -> Fault {
    let state: Vec<String> = switches.iter().map(|switch| format!("{} is {}", switch.name, switch.value)).collect();
    let allow: Vec<String> = switches.iter().map(|switch| format!("{}={}", switch.name, switch.allow)).collect();
    Fault::failed(format!("this machine forbids the user namespaces that a sandbox is made of: {}", state.join(", ")))
        .cure(format!("run `sudo sysctl -w {}`; a file in /etc/sysctl.d with the same words keeps it", allow.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault;

    #[test]
    fn the_switch_that_forbids_is_named_with_the_command_that_allows() {
        let read = |path: &str| match path {
            "/proc/sys/user/max_user_namespaces" => Some("96365\n".to_owned()),
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns" => Some("1\n".to_owned()),
            _ => None,
        };
        let found = forbidding(read);
        let text = fault::render(&forbidden(&found).into());
        assert!(text.contains("kernel.apparmor_restrict_unprivileged_userns is 1"), "{text}");
        assert!(text.contains("`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`"), "{text}");
        assert!(!text.contains("max_user_namespaces"), "{text}");
        assert!(forbidding(|_| None).is_empty());
        assert!(forbidding(|_| Some("0".to_owned())).len() == 2);
    }

    #[test]
    fn the_locked_program_runs_through_its_own_loader() {
        let root = tempfile::tempdir().unwrap();
        let missing = unpacked(root.path()).unwrap_err();
        assert!(format!("{missing:#}").contains("ld-linux"), "{missing:#}");
        let libraries = root.path().join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
        for file in [
            &libraries.join("ld-linux-x86-64.so.2"),
            &libraries.join("ld-linux-aarch64.so.1"),
            &root.path().join("usr/bin/bwrap"),
        ] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let words = unpacked(root.path()).unwrap();
        assert!(Path::new(&words[0]).starts_with(&libraries) && words[3] == root.path().join("usr/bin/bwrap"));
    }
}
