//! Unpacks one .deb: an `ar` archive whose member `data.tar*` holds the files (deb(5)). Maintainer scripts are not even read.

use crate::archive::{self, Limits};
use crate::fault::Fault;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::io::{BufReader, Read as _};
use std::path::Path;

/// Unpacks the .deb at `path` below `root`. `claim` is asked for each file and link; several .debs can be unpacked at once.
pub fn unpack(path: &Path, root: &Path, limits: &Limits, claim: &dyn Fn(&Path) -> Result<()>) -> Result<()> {
    let mut members = ar::Archive::new(BufReader::with_capacity(archive::BUFFER, fs::File::open(path)?));
    let mut first = true;
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
        if name.starts_with("data.tar") {
            let tar = archive::decompress(BufReader::with_capacity(archive::BUFFER, member))
                .with_context(|| format!("opening member {name}"))?;
            return archive::unpack_claimed(tar, root, 0, limits, claim);
        }
    }
    Err(Fault::failed("it has no member data.tar").into())
}
