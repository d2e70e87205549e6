//! A Debian archive of a few packages, signed by a key of the test, served on the loopback interface, with a checkout that has
//! a toolchain which wants some of them.

use crate::support::http::Server;
use crate::support::key::Key;
use fs_err as fs;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tar::EntryType;
use tempfile::TempDir;
use xtask::context::{Context, Net};
use xtask::digest::Hash;
use xtask::download::{Line, Patience};
use xtask::report::{Report, Style};
use xtask::store::Store;

pub struct Mirror {
    folder: TempDir,
    pub key: Key,
    pub server: Server,
}

/// One paragraph of an index, and what its package holds.
pub struct Package {
    pub name: &'static str,
    pub version: &'static str,
    /// Further fields, each line ended.
    pub fields: &'static str,
    pub data: Vec<u8>,
}

/// A .deb whose files are named `path=content`, whose links `path>target`; a path that ends in a slash is a folder.
pub fn deb(entries: &[&str]) -> Vec<u8> {
    described(&[], entries)
}

/// Like [`deb`], with control members too.
pub fn described(control: &[&str], entries: &[&str]) -> Vec<u8> {
    members(&[("debian-binary", b"2.0\n"), ("control.tar.xz", &tarball(control)), ("data.tar.xz", &tarball(entries))])
}

fn tarball(entries: &[&str]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1_600_000_000);
        header.set_mode(0o755);
        if let Some((path, target)) = entry.split_once('>') {
            header.set_entry_type(EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, path, target).unwrap();
        } else {
            let (path, content) = entry.split_once('=').unwrap_or((entry, ""));
            header.set_entry_type(if path.ends_with('/') { EntryType::Directory } else { EntryType::Regular });
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
    }
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
    xz.write_all(&tar.into_inner().unwrap()).unwrap();
    xz.finish().unwrap()
}

/// An `ar` archive.
pub fn members(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ar::Builder::new(Vec::new());
    for (name, data) in members {
        archive.append(&ar::Header::new(name.as_bytes().to_vec(), data.len() as u64), *data).unwrap();
    }
    archive.into_inner().unwrap()
}

pub fn package(name: &'static str, version: &'static str, fields: &'static str, entries: &[&str]) -> Package {
    Package { name, version, fields, data: deb(entries) }
}

impl Mirror {
    /// An archive without suites, and a checkout whose toolchain `tools` wants `packages` of suite `stable`.
    pub fn new(packages: &[&str]) -> Mirror {
        let folder = tempfile::tempdir().unwrap();
        for name in ["web", "store", "toolchains"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let key = Key::new(now() - 100);
        let toolchain = format!(
            "architecture = 'amd64'\nsuites = ['stable']\ncomponents = ['main']\ncertificates = 'keys.asc'\n\
             signers = ['{}']\npackages = {packages:?}\n",
            key.fingerprint()
        );
        fs::write(folder.path().join("toolchains/tools.toml"), toolchain).unwrap();
        fs::write(folder.path().join("toolchains/keys.asc"), key.armored()).unwrap();
        let server = Server::start(&folder.path().join("web"));
        Mirror { folder, key, server }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn ctx(&self) -> Context {
        let second = Duration::from_secs(2);
        let patience =
            Patience { connect: second, stall: second, quiet: second, probe: second, pause: Duration::from_millis(5) };
        let line = Arc::new(Line::new(patience));
        Context {
            root: self.path(""),
            store: Store::open(&self.path("store")).unwrap(),
            net: Net { debian: vec![self.server.base()], line, ..Net::default() },
            report: Report::new(Style::Silent),
            jobs: 2,
            ccache: false,
        }
    }

    /// The text of `toolchains/tools.<extension>`.
    pub fn toolchain(&self, extension: &str) -> String {
        fs::read_to_string(self.path("toolchains").join(format!("tools.{extension}"))).unwrap()
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path("web").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.path("web").join(path)).unwrap();
    }

    /// Publishes the packages as suite `stable`, made now.
    pub fn publish(&self, packages: &[Package]) {
        self.publish_dated(packages, &format!("Date: {}\n", date(now())));
    }

    /// `head` is the fields of the Release file that say when.
    pub fn publish_dated(&self, packages: &[Package], head: &str) {
        let release = self.release(packages, head);
        self.write("dists/stable/InRelease", self.key.sign(&release, now() - 10).as_bytes());
    }

    /// The text of the Release file; writes all that it names.
    pub fn release(&self, packages: &[Package], head: &str) -> String {
        let mut index = String::new();
        for Package { name, version, fields, data } in packages {
            let path = pool(name, version);
            self.write(&path, data);
            let (size, sha256) = (data.len(), Hash::of(data));
            write!(
                index,
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\n{fields}Filename: {path}\nSize: {size}\nSHA256: {sha256}\n\n"
            )
            .unwrap();
        }
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
        xz.write_all(index.as_bytes()).unwrap();
        let index = xz.finish().unwrap();
        self.write("dists/stable/main/binary-amd64/Packages.xz", &index);
        let (size, sha256) = (index.len(), Hash::of(&index));
        format!("Suite: stable\nCodename: rock\n{head}SHA256:\n {sha256} {size} main/binary-amd64/Packages.xz\n")
    }
}

pub fn pool(name: &str, version: &str) -> String {
    format!("pool/main/{name}_{version}_amd64.deb")
}

/// Seconds since 1970: expiry is judged by the wall clock.
pub fn now() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "what is signed here must be good today")]
    let now = std::time::SystemTime::now();
    u32::try_from(now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// As a Release file writes it. The stamp is the product's own writing of a date, checked there against known dates.
pub fn date(seconds: u32) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let stamp = xtask::debian::index::stamp(u64::from(seconds));
    let month = MONTHS[stamp[4..6].parse::<usize>().unwrap() - 1];
    let (year, day, clock) = (&stamp[..4], &stamp[6..8], &stamp[9..]);
    format!("Xxx, {day} {month} {year} {}:{}:{} UTC", &clock[..2], &clock[2..4], &clock[4..6])
}

/// The tree below `folder`, a line each: what it is, its mode, time and content.
pub fn tree(folder: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let mut lines = Vec::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(path) = ahead.pop() {
        let data = fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(folder).unwrap().display();
        let (mode, time) = (data.mode() & 0o7777, data.mtime());
        if data.is_dir() {
            ahead.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            lines.push(format!("/{name} folder {mode:o} {time}"));
        } else if data.is_symlink() {
            lines.push(format!("/{name} -> {} {time}", fs::read_link(&path).unwrap().display()));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            lines.push(format!("/{name} file {mode:o} {time} {text:?}"));
        }
    }
    lines.sort();
    lines.join("\n") + "\n"
}
