//! A toolchain: the packages that are wanted (`toolchains/<name>.toml`) and the lock that says which bytes they are (`.lock`).

use crate::digest::{Hash, Key};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

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

/// A toolchain whose lock fits what is wanted.
#[derive(Clone, Debug)]
pub struct Toolchain {
    pub name: String,
    /// Debian's name: `amd64`.
    pub architecture: String,
    /// Links instead of Debian's alternatives: path below the root to target.
    pub links: BTreeMap<String, String>,
    pub debs: Vec<Deb>,
}

impl Toolchain {
    /// Reads `toolchains/<name>.toml` and `.lock` below the checkout.
    pub fn load(checkout: &Path, name: &str) -> Result<Toolchain> {
        let _ = (checkout, name);
        anyhow::bail!("not written")
    }

    /// Names the unpacked root: same key, same bytes.
    pub fn key(&self) -> Key {
        unreachable!()
    }
}
