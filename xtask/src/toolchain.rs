//! A toolchain: the packages that are wanted (`toolchains/<name>.toml`) and the lock that says which bytes they are (`.lock`).
//!
//! Reads and checks both files. Making a lock is `debian`'s work, unpacking one `rootfs`'s.

use crate::digest::{Hash, Key, KeyBuilder};
use crate::fault::Fault;
use crate::rootfs;
use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What a person writes: packages by name, and what index of them is believed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Wanted {
    /// Debian's name: `amd64`.
    pub architecture: String,
    /// Of one archive; where two have a package, the higher version is taken.
    pub suites: Vec<String>,
    pub components: Vec<String>,
    /// OpenPGP certificates in ASCII armor, beside this file.
    pub certificates: String,
    /// Fingerprints of the primary keys among them that may sign an index.
    pub signers: Vec<String>,
    pub packages: BTreeSet<String>,
    /// Links instead of Debian's alternatives: path below the root to target.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
}

impl Wanted {
    /// Reads `toolchains/<name>.toml` below the checkout.
    pub fn load(checkout: &Path, name: &str) -> Result<Wanted> {
        let path = file(checkout, name, "toml");
        if !path.is_file() {
            let known = known(checkout).join(", ");
            return Err(Fault::usage(format!("toolchain `{name}`: there is no {}", path.display()))
                .cure(format!("known toolchains: {known}"))
                .into());
        }
        let wanted: Wanted = parse(&path)?;
        for link in wanted.links.keys() {
            let normal = Path::new(link).components().all(|part| matches!(part, std::path::Component::Normal(_)));
            if link.is_empty() || !normal {
                return Err(
                    Fault::usage(format!("{}: link `{link}` is not a path below the root", path.display())).into()
                );
            }
        }
        Ok(wanted)
    }

    /// Of everything that decides which packages a lock has. Links are not among it: they can change without a new lock.
    pub fn digest(&self) -> Key {
        let packages: Vec<&str> = self.packages.iter().map(String::as_str).collect();
        KeyBuilder::new("toolchain-wanted/1")
            .field("architecture", &self.architecture)
            .field("suites", self.suites.join(" "))
            .field("components", self.components.join(" "))
            .field("packages", packages.join(" "))
            .finish()
    }
}

/// One locked Debian package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deb {
    pub name: String,
    pub version: String,
    /// Below the root of a Debian mirror.
    pub path: String,
    /// Bytes.
    pub size: u64,
    pub sha256: Hash,
}

impl Deb {
    /// The file's name: `gcc-12_12.2.0-14_amd64.deb`.
    pub fn file(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// The content of a `.lock`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// [`Wanted::digest`] of what it answers.
    pub wanted: Key,
    /// A moment at which Debian's snapshot archive has all of it: `YYYYMMDDTHHMMSSZ`.
    pub snapshot: String,
    /// Sorted by name.
    pub debs: Vec<Deb>,
}

impl Lock {
    /// The file's text: one line for each package, so that a change of one is a change of one line.
    pub fn render(&self, name: &str) -> String {
        let mut text = format!("# Written by `cargo xtask toolchain lock {name}`.\n\n");
        let _ = writeln!(text, "wanted = \"{}\"\nsnapshot = \"{}\"\ndebs = [", self.wanted, self.snapshot);
        for Deb { name, version, path, size, sha256 } in &self.debs {
            let _ = writeln!(
                text,
                "  {{ name = \"{name}\", version = \"{version}\", path = \"{path}\", size = {size}, sha256 = \"{sha256}\" }},"
            );
        }
        text.push_str("]\n");
        text
    }
}

/// A toolchain whose lock fits what is wanted.
#[derive(Clone, Debug)]
pub struct Toolchain {
    pub name: String,
    /// Debian's name: `amd64`.
    pub architecture: String,
    /// Links instead of Debian's alternatives: path below the root to target.
    pub links: BTreeMap<String, String>,
    /// When Debian's snapshot archive has all of `debs`: `YYYYMMDDTHHMMSSZ`.
    pub snapshot: String,
    /// Sorted by name.
    pub debs: Vec<Deb>,
}

impl Toolchain {
    /// Reads `toolchains/<name>.toml` and `.lock` below the checkout. A lock that answers another list is an error.
    pub fn load(checkout: &Path, name: &str) -> Result<Toolchain> {
        let wanted = Wanted::load(checkout, name)?;
        let path = file(checkout, name, "lock");
        let cure = format!("run `cargo xtask toolchain lock {name}`");
        if !path.is_file() {
            return Err(Fault::usage(format!("toolchain `{name}` has no lock: {} is missing", path.display()))
                .cure(cure)
                .into());
        }
        let lock: Lock = parse(&path)?;
        if lock.wanted != wanted.digest() {
            return Err(Fault::usage(format!(
                "{} is stale: it answers a list {}, {name}.toml has the list {}",
                path.display(),
                lock.wanted.short(),
                wanted.digest().short()
            ))
            .cure(cure)
            .into());
        }
        for deb in &lock.debs {
            // Names become parts of file names in the root.
            if deb.name.is_empty() || deb.name.contains('/') {
                let message = format!("{}: `{}` is not the name of a package", path.display(), deb.name);
                return Err(Fault::usage(message).cure(cure).into());
            }
            if deb.path.split('/').any(|part| matches!(part, "" | "." | "..")) {
                let message =
                    format!("{}: `{}` of {} is not a path below a mirror", path.display(), deb.path, deb.name);
                return Err(Fault::usage(message).cure(cure).into());
            }
        }
        let Wanted { architecture, links, .. } = wanted;
        Ok(Toolchain { name: name.to_owned(), architecture, links, snapshot: lock.snapshot, debs: lock.debs })
    }

    /// Names the unpacked root: same key, same bytes.
    pub fn key(&self) -> Key {
        let mut key = KeyBuilder::new(rootfs::LAYOUT).field("architecture", &self.architecture);
        for deb in &self.debs {
            key = key.field("deb", deb.sha256.as_str());
        }
        for (link, target) in &self.links {
            key = key.field("link", link).field("target", target);
        }
        key.finish()
    }
}

/// `toolchains/<name>.<extension>` below the checkout.
pub fn file(checkout: &Path, name: &str, extension: &str) -> PathBuf {
    checkout.join("toolchains").join(format!("{name}.{extension}"))
}

fn known(checkout: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(checkout.join("toolchains")) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    names
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path)?;
    toml::from_str(&text)
        .map_err(|error| Fault::usage(error.to_string().trim_end().to_owned()))
        .with_context(|| format!("reading {}", path.display()))
}
