//! A tarball: everything owned by root, every time the recipe's epoch, one zstd frame. Order is its user's to keep.
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

/// A tarball under way. What is given to it is written in the order in which it is given.
pub struct Tarball<W: Write> {
    tar: Builder<zstd::Encoder<'static, Hasher<BufWriter<W>>>>,
    epoch: u64,
}

impl<W: Write> Tarball<W> {
    /// `bytes` is how much will come, roughly; `epoch` the time of every entry, in seconds since 1970.
    pub fn new(to: W, bytes: u64, epoch: u64) -> Result<Tarball<W>> {
        let mut zstd = zstd::Encoder::new(Hasher::new(BufWriter::new(to)), LEVEL)?;
        zstd.include_checksum(true)?;
        zstd.long_distance_matching(true)?;
        zstd.window_log(bytes.max(1).ilog2().saturating_add(1).clamp(*WINDOW.start(), *WINDOW.end()))?;
        Ok(Tarball { tar: Builder::new(zstd), epoch })
    }

    /// Everything that a manifest names, which lies at `root`, below `prefix`: empty, or with a slash at its end.
    pub fn tree(&mut self, root: &Path, tree: &Manifest, prefix: &str) -> Result<()> {
        for entry in &tree.entries {
            self.entry(&root.join(&entry.path), &format!("{prefix}{}", entry.path), &entry.kind)?;
        }
        Ok(())
    }

    /// What lies at `from`, as `path`.
    pub fn entry(&mut self, from: &Path, path: &str, kind: &Kind) -> Result<()> {
        interrupt::check()?;
        match kind {
            Kind::Directory { mode } => self.folder(path, *mode),
            Kind::File { mode, size, sha256 } => self.file(from, path, *mode, *size, sha256),
            Kind::Symlink { target } => self.link(path, target),
        }
        .with_context(|| format!("packing {path}"))
    }

    pub fn folder(&mut self, path: &str, mode: u32) -> Result<()> {
        let mut header = self.header(EntryType::Directory, mode, 0)?;
        Ok(self.tar.append_data(&mut header, format!("{path}/"), io::empty())?)
    }

    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        let mut header = self.header(EntryType::Symlink, 0o777, 0)?;
        Ok(self.tar.append_link(&mut header, path, target)?)
    }

    /// A file that is made here.
    pub fn text(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        let mut header = self.header(EntryType::Regular, mode, content.len() as u64)?;
        Ok(self.tar.append_data(&mut header, path, content)?)
    }

    fn file(&mut self, from: &Path, path: &str, mode: u32, size: u64, sha256: &Hash) -> Result<()> {
        let mut header = self.header(EntryType::Regular, mode, size)?;
        let mut file = Hashing { inner: fs::File::open(from)?, hasher: Hasher::new(io::sink()) };
        self.tar.append_data(&mut header, path, (&mut file).take(size))?;
        let (_, found, found_size) = file.hasher.finish();
        // An entry that is shorter than its header says would shift everything behind it.
        if (&found, found_size) != (sha256, size) {
            bail!(
                "it changed while it was packed: expected {size} bytes, sha256 {sha256}, found {found_size}, {found}"
            );
        }
        Ok(())
    }

    fn header(&self, kind: EntryType, mode: u32, size: u64) -> Result<Header> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root")?;
        header.set_groupname("root")?;
        header.set_mtime(self.epoch);
        header.set_size(size);
        Ok(header)
    }

    /// The sha256 of the tarball.
    pub fn finish(self) -> Result<Hash> {
        let (mut file, hash, _) = self.tar.into_inner()?.finish()?.finish();
        file.flush()?;
        Ok(hash)
    }
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
