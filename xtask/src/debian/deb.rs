//! Unpacks one .deb: an `ar` archive whose member `data.tar*` holds the files and whose `control.tar*` describes them (deb(5)).
//! Maintainer scripts are not even read.

use crate::archive::{self, Limits};
use crate::fault::Fault;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::path::Path;

/// Control members that say what packages which use this one depend on (Policy 8.6), and what it is.
pub const KEPT: [&str; 3] = ["control", "shlibs", "symbols"];

/// Bytes of one of them; the largest in Debian, libc's and Qt's, have a few hundred kilobytes.
const CONTROL: u64 = 16 << 20;

/// Unpacks the .deb at `path` below `root` and gives its control members of [`KEPT`] by name. `claim` is asked for each file and
/// link; several .debs can be unpacked at once.
pub fn unpack(
    path: &Path,
    root: &Path,
    limits: &Limits,
    claim: &dyn Fn(&Path) -> Result<()>,
) -> Result<BTreeMap<&'static str, Vec<u8>>> {
    let mut members = ar::Archive::new(BufReader::with_capacity(archive::BUFFER, fs::File::open(path)?));
    let mut first = true;
    let mut kept = BTreeMap::new();
    while let Some(member) = members.next_entry() {
        let mut member = member.context("reading the package")?;
        let name = String::from_utf8_lossy(member.header().identifier()).into_owned();
        if std::mem::take(&mut first) {
            let mut version = String::new();
            if name == "debian-binary" {
                member.by_ref().take(16).read_to_string(&mut version).context("reading the package")?;
            }
            if !version.starts_with("2.") {
                return Err(Fault::failed("it is not a Debian binary package of format 2").into());
            }
        }
        let opened = |member| {
            archive::decompress(BufReader::with_capacity(archive::BUFFER, member))
                .with_context(|| format!("opening member {name}"))
        };
        if name.starts_with("control.tar") {
            kept = control(opened(member)?).with_context(|| format!("reading member {name}"))?;
        } else if name.starts_with("data.tar") {
            archive::unpack_claimed(opened(member)?, root, 0, limits, claim)?;
            return Ok(kept);
        }
    }
    Err(Fault::failed("it has no member data.tar").into())
}

fn control(tar: impl Read) -> Result<BTreeMap<&'static str, Vec<u8>>> {
    let mut kept = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries()? {
        let entry = entry?;
        let name = entry.path_bytes().into_owned();
        let name = name.strip_prefix(b"./").unwrap_or(&name);
        let Some(name) = KEPT.into_iter().find(|known| known.as_bytes() == name) else { continue };
        if entry.size() > CONTROL {
            return Err(Fault::failed(format!("`{name}` has {} bytes, more than {CONTROL}", entry.size())).into());
        }
        let mut bytes = Vec::new();
        entry.take(CONTROL).read_to_end(&mut bytes)?;
        kept.insert(name, bytes);
    }
    Ok(kept)
}
