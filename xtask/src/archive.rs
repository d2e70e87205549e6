//! Unpacks tarballs that may be hostile: nothing leaves the destination, nothing but files, folders and links is made, and the
//! unpacked size is bounded.

use anyhow::Result;
use std::io::Read;
use std::path::Path;

/// What an archive may do.
pub struct Limits {
    /// Unpacked bytes.
    pub bytes: u64,
    pub entries: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 8 << 30, entries: 1 << 20 }
    }
}

/// Unpacks a tar stream below `into`, leaving out the first `strip` components of each name.
pub fn unpack(tar: impl Read, into: &Path, strip: usize, limits: &Limits) -> Result<()> {
    let _ = (tar, into, strip, limits);
    anyhow::bail!("not written")
}

/// Opens a compressed file by its magic number: gzip, xz, zstd, bzip2 is refused by name, anything else is plain.
pub fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    let _ = path;
    anyhow::bail!("not written")
}
