//! A checkout whose recipe `tiny-1.0.0` has one source, `src`, for the verbs of `patch` to be run in as a user does.

use crate::support::run::{Answer, run};
use crate::support::{root, scratch};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use xtask::digest::Hash;
use xtask::tree;

const RECIPE: &str = r#"
name = "tiny"
version = "1.0.0"
series = "1.0"
summary = "a source with patches"
license = "MIT"
epoch = 1700000000
toolchain = "tiny"
architecture = "x86_64"

[source.src]
sha256 = "@SHA256@"
release = "1.0.0"
origins = [{ url = "http://127.0.0.1:9/src-1.0.0.tar", sha256 = "@SHA256@", size = @SIZE@ }]

[step.one]
source = "src"
run = "true"

[relocate]
private = "/usr/lib/tiny-1.0"
public-libdir = "/usr/lib"
unstable = []
common = []
outside = []

[[package]]
name = "tiny"
files = ["**"]
"#;

/// Where its queue is.
pub const QUEUE: &str = "patches/tiny-1.0.0/src";

pub struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    /// With the files of one folder as the source, and those of another, if there is one, as the queue. A file of the source called
    /// `dot.x` is `.x` there: git would obey `.gitattributes` and `.gitignore` here.
    pub fn new(source: &Path, queue: &Path) -> Fixture {
        let folder = scratch();
        let at = |path: &str| folder.path().join(path);
        for name in ["checkout/recipes", "checkout/toolchains", "checkout/patches", "mirror"] {
            fs_err::create_dir_all(at(name)).unwrap();
        }
        tree::copy(source, &at("source")).unwrap();
        for name in files(source).keys().filter(|name| name.starts_with("dot.")) {
            fs_err::rename(at("source").join(name), at("source").join(&name[3..])).unwrap();
        }
        let tarball = tarball(&at("source"));
        fs_err::write(at("mirror/src-1.0.0.tar"), &tarball).unwrap();
        let recipe = RECIPE.replace("@SHA256@", Hash::of(&tarball).as_str());
        let recipe = recipe.replace("@SIZE@", &tarball.len().to_string());
        fs_err::write(at("checkout/recipes/tiny-1.0.0.toml"), recipe).unwrap();
        if queue.exists() {
            tree::copy(queue, &at("checkout").join(QUEUE)).unwrap();
        }
        Fixture { folder }
    }

    pub fn checkout(&self) -> PathBuf {
        fs_err::canonicalize(self.folder.path().join("checkout")).unwrap()
    }

    /// Runs a line such as `xtask patch refresh tiny src`, with the source at hand.
    pub fn run(&self, line: &str) -> Answer {
        let mirror = fs_err::canonicalize(self.folder.path().join("mirror")).unwrap();
        let path = std::env::var("PATH").unwrap();
        let line = format!("{line} --offline --mirror {}", mirror.display());
        run(&self.checkout(), &line, &[("PATH", path.as_str())])
    }

    /// The queue's files by name.
    pub fn queue(&self) -> BTreeMap<String, Vec<u8>> {
        files(&self.checkout().join(QUEUE))
    }
}

/// The files of a folder by name; none where there is no folder.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = fs_err::read_dir(folder) else { return BTreeMap::new() };
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    paths.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs_err::read(path).unwrap())).collect()
}

fn tarball(folder: &Path) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.mode(tar::HeaderMode::Deterministic);
    tar.follow_symlinks(false);
    tar.append_dir_all("src-1.0.0", folder).unwrap();
    tar.into_inner().unwrap()
}

/// A folder below `tests/patches`.
pub fn case(name: &str) -> PathBuf {
    root().join("tests/patches").join(name)
}
