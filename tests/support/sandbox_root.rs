//! A tiny root for sandboxes: the host's shell and a few of its tools, with the libraries they need.
//!
//! Takes what the host has and so proves nothing about a toolchain; it is there for tests of everything around one.

use goblin::elf::Elf;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The tools that the tests' scripts use.
const TOOLS: [&str; 18] = [
    "cat", "chmod", "cp", "date", "env", "false", "hostname", "id", "install", "ln", "ls", "mkdir", "mv", "rm", "sed",
    "sleep", "stat", "touch",
];

/// Fills `root`: `/usr/bin` with `sh` and the tools, `/usr/lib*` with their libraries, `/bin` and `/lib*` as links,
/// accounts in `/etc`.
pub fn make(root: &Path) {
    for folder in ["usr/bin", "usr/lib", "usr/lib64", "etc"] {
        fs_err::create_dir_all(root.join(folder)).unwrap();
    }
    for name in ["bin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{name}"), root.join(name)).unwrap();
    }
    fs_err::write(root.join("etc/passwd"), "builder:x:1000:1000::/nonexistent:/bin/sh\n").unwrap();
    fs_err::write(root.join("etc/group"), "builder:x:1000:\n").unwrap();
    let mut done = BTreeSet::new();
    add(root, &host_program("sh"), Path::new("usr/bin/sh"), &mut done);
    for tool in TOOLS {
        add(root, &host_program(tool), &Path::new("usr/bin").join(tool), &mut done);
    }
}

fn host_program(name: &str) -> PathBuf {
    let found = ["/usr/bin", "/bin"].iter().map(|folder| Path::new(folder).join(name)).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("this test needs `{name}` in the host's /usr/bin or /bin"))
}

/// Copies a program or library and, first, all that it needs.
fn add(root: &Path, file: &Path, place: &Path, done: &mut BTreeSet<PathBuf>) {
    if !done.insert(place.to_owned()) {
        return;
    }
    let bytes = fs_err::read(file).unwrap();
    let elf = Elf::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    if let Some(interpreter) = elf.interpreter {
        add(root, Path::new(interpreter), Path::new(interpreter).strip_prefix("/").unwrap(), done);
    }
    for library in &elf.libraries {
        let host = host_library(library);
        let place = host.strip_prefix("/").unwrap();
        // Through `lib` and `lib64`, which are links here, to where they lead.
        let place = if place.starts_with("usr") { place.to_owned() } else { Path::new("usr").join(place) };
        add(root, &host, &place, done);
    }
    let target = root.join(place);
    fs_err::create_dir_all(target.parent().unwrap()).unwrap();
    fs_err::copy(file, target).unwrap();
}

/// Where the loader would find a library without a cache: the folders of this architecture, then the general ones.
fn host_library(name: &str) -> PathBuf {
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = [
        format!("/usr/lib/{triplet}"),
        format!("/lib/{triplet}"),
        "/usr/lib64".into(),
        "/lib64".into(),
        "/usr/lib".into(),
        "/lib".into(),
    ];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("this test needs the host's {name}, looked for in {}", folders.join(", ")))
}
