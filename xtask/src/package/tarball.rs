//! The tarball: a tree in byte order of its paths, everything owned by root, every time the recipe's epoch, one zstd frame.
//!
//! GNU headers, as every tar reads them: no extended attributes, no PAX records; a name over 100 bytes gets GNU's long-name entry.

use crate::digest::{Hash, Hasher};
use crate::interrupt;
use crate::tree::{Kind, Manifest};
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::io::{self, BufWriter, Read, Sink, Write};
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// Measured on the relocated trees of 4.17.5+72 (36 MB) and 4.20.3+127 (110 MB, most of it symbols): 0.7 and 1.7 s of one core, and
/// 3 to 7 % smaller than level 6; level 12 takes 1.6 times as long for another 1 %.
const LEVEL: i32 = 10;

/// Log2 of how far back a repetition is looked for. Hypervisor, its EFI form and their symbols repeat each other: with the largest
/// window that a decoder accepts unasked, the second tree packs to half of what it does without.
const WINDOW: std::ops::RangeInclusive<u32> = 20..=27;

/// Writes `tree`, which is at `root`, and gives the sha256 of the tarball.
pub fn write(root: &Path, tree: &Manifest, epoch: u64, to: impl Write) -> Result<Hash> {
    let mut zstd = zstd::Encoder::new(Hasher::new(BufWriter::new(to)), LEVEL)?;
    zstd.include_checksum(true)?;
    zstd.long_distance_matching(true)?;
    zstd.window_log(tree.bytes().max(1).ilog2().saturating_add(1).clamp(*WINDOW.start(), *WINDOW.end()))?;
    let mut tar = Builder::new(zstd);
    for entry in &tree.entries {
        interrupt::check()?;
        append(&mut tar, root, &entry.path, &entry.kind, epoch).with_context(|| format!("packing {}", entry.path))?;
    }
    let (mut file, hash, _) = tar.into_inner()?.finish()?.finish();
    file.flush()?;
    Ok(hash)
}

fn append(tar: &mut Builder<impl Write>, root: &Path, path: &str, kind: &Kind, epoch: u64) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root")?;
    header.set_groupname("root")?;
    header.set_mtime(epoch);
    header.set_size(0);
    match kind {
        Kind::Directory { mode } => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(*mode);
            tar.append_data(&mut header, format!("{path}/"), io::empty())?;
        }
        Kind::File { mode, size, sha256 } => {
            header.set_entry_type(EntryType::Regular);
            header.set_mode(*mode);
            header.set_size(*size);
            let mut file = Hashing { inner: fs::File::open(root.join(path))?, hasher: Hasher::new(io::sink()) };
            tar.append_data(&mut header, path, (&mut file).take(*size))?;
            let (_, found, found_size) = file.hasher.finish();
            // An entry that is shorter than its header says would shift everything behind it.
            if (&found, found_size) != (sha256, *size) {
                bail!(
                    "it changed while it was packed: expected {size} bytes, sha256 {sha256}, found {found_size}, {found}"
                );
            }
        }
        Kind::Symlink { target } => {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            tar.append_link(&mut header, path, target)?;
        }
    }
    Ok(())
}

/// A reader that keeps the digest of what went through.
struct Hashing<R> {
    inner: R,
    hasher: Hasher<Sink>,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.inner.read(buffer)?;
        self.hasher.write_all(&buffer[..size])?;
        Ok(size)
    }
}
