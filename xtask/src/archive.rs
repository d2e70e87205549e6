//! Unpacks tarballs that may be hostile: nothing leaves the destination, nothing but files, folders and links is made, nothing
//! that is there is replaced (a link that says the same is left as it is), and the unpacked size is bounded.
//!
//! Owners are ignored, set-id and sticky bits are dropped, folders are 0755 (git knows no other and a build root needs no
//! other); files keep their mode and everything its time. Sparse files, which no source tarball and no .deb holds, are refused.

pub mod walk;

use crate::fault::Fault;
use anyhow::{Context as _, Result};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use tar::EntryType;
use walk::Walk;

/// What an archive may do.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Unpacked bytes.
    pub bytes: u64,
    pub entries: u64,
    pub links: Links,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 8 << 30, entries: 1 << 20, links: Links::Inside }
    }
}

/// Where a symbolic link may point. One that climbs out of the destination with `..` is always refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// A source tree: absolute targets are refused.
    Inside,
    /// The root of a system: absolute targets start at the destination, as they will once it is `/`.
    Rooted,
}

/// Enough to make system calls rare beside decompression, little enough to have one for each thread.
pub const BUFFER: usize = 256 << 10;

/// Bytes that an xz stream may ask for: `xz -9`, with the largest preset dictionary, needs 65 MiB.
const XZ_MEMORY: u64 = 100 << 20;

/// Bytes of a long name or an extended header; names are at most 4096 bytes (PATH_MAX).
const EXTENSION: u64 = 1 << 20;

/// Opens a compressed file by its magic number: gzip, xz, zstd; bzip2 and others are refused by name, anything else is plain.
pub fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    let file = BufReader::with_capacity(BUFFER, fs::File::open(path)?);
    decompress(file).with_context(|| format!("opening {}", path.display()))
}

/// Like [`open`] for a stream. A truncated or corrupt stream is an error from the reader, never a silent end.
pub fn decompress<'a>(mut packed: impl BufRead + Send + 'a) -> Result<Box<dyn Read + Send + 'a>> {
    const REFUSED: [(&[u8], &str); 6] = [
        (b"BZh", "bzip2"),
        (b"LZIP", "lzip"),
        (b"\x5d\x00\x00", "lzma"),
        (b"\x1f\x9d", "compress"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"PK\x03\x04", "zip"),
    ];
    let magic = packed.fill_buf()?;
    if let Some((_, name)) = REFUSED.iter().find(|(start, _)| magic.starts_with(start)) {
        return Err(Fault::failed(format!("{name} compression is not supported"))
            .cure("pin the same content packed with xz, zstd or gzip")
            .into());
    }
    if magic.starts_with(b"\x1f\x8b") {
        Ok(Box::new(flate2::bufread::MultiGzDecoder::new(packed)))
    } else if magic.starts_with(b"\xfd7zXZ\0") {
        // The check sums of the content are not computed (8 % of the time): what is unpacked has been hashed before.
        let flags = liblzma::stream::CONCATENATED | liblzma::stream::IGNORE_CHECK;
        let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, flags).context("opening an xz stream")?;
        Ok(Box::new(liblzma::bufread::XzDecoder::new_stream(packed, stream)))
    } else if magic.starts_with(b"\x28\xb5\x2f\xfd") {
        Ok(Box::new(zstd::Decoder::with_buffer(packed)?))
    } else {
        Ok(Box::new(packed))
    }
}

/// Unpacks a tar stream below `into`, leaving out the first `strip` components of each name.
pub fn unpack(tar: impl Read, into: &Path, strip: usize, limits: &Limits) -> Result<()> {
    unpack_claimed(tar, into, strip, limits, &|_| Ok(()))
}

/// Like [`unpack`], and asks `claim` before each file or link is made, with its path below `into` after links were followed.
/// Several archives can be unpacked into one folder at once.
pub fn unpack_claimed(
    mut tar: impl Read,
    into: &Path,
    strip: usize,
    limits: &Limits,
    claim: &dyn Fn(&Path) -> Result<()>,
) -> Result<()> {
    let mut unpacker = Unpacker {
        walk: Walk::new(into, limits.links),
        strip,
        limits,
        claim,
        bytes: 0,
        folders: BTreeMap::new(),
        symlinks: Vec::new(),
        buffer: vec![0; BUFFER],
    };
    let mut archive = tar::Archive::new(&mut tar);
    let mut extended = Extended::default();
    for (count, entry) in (1..).zip(archive.entries()?.raw(true)) {
        let mut entry = entry.context("reading the archive")?;
        if count > limits.entries {
            return Err(Fault::failed(format!("the archive has more than {} entries", limits.entries)).into());
        }
        if !extended.take(&mut entry)? {
            unpacker.entry(&mut entry, std::mem::take(&mut extended))?;
        }
    }
    // What follows the end mark is read too: the checksum of the compressed stream comes last.
    let rest = io::copy(&mut tar.take(limits.bytes), &mut io::sink()).context("reading the archive")?;
    if rest == limits.bytes {
        return Err(beyond(limits));
    }
    unpacker.finish()
}

fn beyond(limits: &Limits) -> anyhow::Error {
    Fault::failed(format!("the archive unpacks beyond {} bytes", limits.bytes)).into()
}

fn refuse(entry: &Path, reason: impl std::fmt::Display) -> anyhow::Error {
    Fault::failed(format!("entry `{}` is refused: {reason}", entry.display())).into()
}

type Entry<'a, R> = tar::Entry<'a, R>;

/// What GNU and PAX headers say about the entry that follows them.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Extended {
    /// True when the entry was such a header. The tar crate would read it without a bound, hence raw entries.
    fn take(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<bool> {
        let kind = entry.header().entry_type();
        let known = [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader, EntryType::XGlobalHeader];
        if !known.contains(&kind) {
            return Ok(false);
        }
        if entry.size() > EXTENSION {
            let size = entry.size();
            return Err(
                Fault::failed(format!("the archive has a header of {size} bytes, more than {EXTENSION}")).into()
            );
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).context("reading the archive")?;
        match kind {
            EntryType::GNULongName => self.name = Some(until_nul(bytes)),
            EntryType::GNULongLink => self.link = Some(until_nul(bytes)),
            EntryType::XHeader => self.pax(&bytes)?,
            // A global header is git's comment with the commit.
            _ => {}
        }
        Ok(true)
    }

    fn pax(&mut self, bytes: &[u8]) -> Result<()> {
        for record in tar::PaxExtensions::new(bytes) {
            let record = record.context("reading an extended header of the archive")?;
            let value = record.value_bytes().to_vec();
            match record.key_bytes() {
                b"path" => self.name = Some(value),
                b"linkpath" => self.link = Some(value),
                // Both would change where the next entry starts; a file beyond 8 GiB is beyond the bound anyway.
                b"size" | b"GNU.sparse.major" | b"GNU.sparse.map" | b"GNU.sparse.numblocks" => {
                    let key = String::from_utf8_lossy(record.key_bytes()).into_owned();
                    return Err(
                        Fault::failed(format!("the archive has an extended header `{key}`, not supported")).into()
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    bytes
}

struct Unpacker<'a> {
    walk: Walk,
    strip: usize,
    limits: &'a Limits,
    claim: &'a dyn Fn(&Path) -> Result<()>,
    /// What the entries so far say they unpack to.
    bytes: u64,
    /// Folders made or named, with their times: set last, since each new entry changes its folder's.
    folders: BTreeMap<PathBuf, u64>,
    symlinks: Vec<PathBuf>,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn entry(&mut self, entry: &mut Entry<'_, impl Read>, extended: Extended) -> Result<()> {
        let name = extended.name.unwrap_or_else(|| entry.path_bytes().into_owned());
        let link = extended.link.or_else(|| entry.link_name_bytes().map(|link| link.into_owned()));
        let is_folder_name = name.ends_with(b"/");
        let name = PathBuf::from(OsString::from_vec(name));
        let link = link.map(|link| PathBuf::from(OsString::from_vec(link)));

        let kind = entry.header().entry_type();
        let special = match kind {
            EntryType::Regular | EntryType::Link | EntryType::Symlink | EntryType::Directory => None,
            EntryType::Block => Some("a block device"),
            EntryType::Char => Some("a character device"),
            EntryType::Fifo => Some("a fifo"),
            EntryType::GNUSparse => Some("a sparse file"),
            _ => Some("of an unknown type"),
        };
        if let Some(special) = special {
            return Err(refuse(&name, format!("it is {special}")));
        }
        self.bytes = self.bytes.saturating_add(entry.size());
        if self.bytes > self.limits.bytes {
            return Err(beyond(self.limits));
        }

        let folder = kind == EntryType::Directory || kind == EntryType::Regular && is_folder_name;
        let Some(below) = self.below(&name, &name)? else {
            return if folder { Ok(()) } else { Err(refuse(&name, "it has no folder to leave out of its name")) };
        };
        let time = entry.header().mtime().context("reading the archive")?;
        if folder {
            let real = self.walk.folder(&below, true).map_err(|reason| refuse(&name, reason))?;
            self.made(time);
            self.folders.insert(real, time);
            return Ok(());
        }
        let parent = below.parent().unwrap_or(Path::new(""));
        let parent = self.walk.folder(parent, true).map_err(|reason| refuse(&name, reason))?;
        self.made(time);
        let real = parent.join(below.file_name().unwrap_or_default());
        (self.claim)(&real)?;
        let place = self.walk.root().join(&real);
        let result = match (kind, link) {
            (EntryType::Symlink, Some(link)) => self.symlink(&name, &link, real, &place, time),
            (EntryType::Link, Some(link)) => self.hard_link(&name, &link, &place),
            (EntryType::Regular, _) => self.file(&name, entry, &place, time),
            _ => Err(refuse(&name, "it is a link without a target")),
        };
        result.map_err(|error| match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::AlreadyExists) => refuse(&name, "something of that name is already there"),
            _ if error.is::<Fault>() => error,
            _ => error.context(format!("unpacking `{}`", name.display())),
        })
    }

    /// The name without its leading components; `None` when nothing is left.
    fn below(&self, entry: &Path, name: &Path) -> Result<Option<PathBuf>> {
        let mut parts = Vec::new();
        for part in name.components() {
            match part {
                Component::Normal(part) => parts.push(part),
                Component::CurDir => {}
                Component::ParentDir => return Err(refuse(entry, "a name must not have `..` in it")),
                Component::RootDir | Component::Prefix(_) => return Err(refuse(entry, "a name must not be absolute")),
            }
        }
        Ok((parts.len() > self.strip || parts.is_empty() && self.strip == 0)
            .then(|| parts.into_iter().skip(self.strip).collect()))
    }

    /// Folders that no entry named get the time of the entry that needed them.
    fn made(&mut self, time: u64) {
        for folder in self.walk.made.drain(..) {
            self.folders.insert(folder, time);
        }
    }

    fn file(&mut self, name: &Path, entry: &mut Entry<'_, impl Read>, place: &Path, time: u64) -> Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(place)?;
        let mut missing = entry.size();
        while missing > 0 {
            let count = entry.read(&mut self.buffer).context("reading the archive")?;
            if count == 0 {
                return Err(refuse(name, "the archive ends in the middle of it"));
            }
            file.write_all(&self.buffer[..count])?;
            missing -= count as u64;
        }
        // The owner can always read: the tree is hashed and copied by whoever unpacked it.
        let mode = entry.header().mode().context("reading the archive")? & 0o777 | 0o400;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        rustix::fs::futimens(&file, &times(time))
            .with_context(|| format!("setting the time of {}", place.display()))?;
        Ok(())
    }

    fn symlink(&mut self, name: &Path, link: &Path, real: PathBuf, place: &Path, time: u64) -> Result<()> {
        if link.as_os_str().is_empty() {
            return Err(refuse(name, "it is a link without a target"));
        }
        if link.is_absolute() && self.limits.links == Links::Inside {
            return Err(refuse(name, format!("its target `{}` is absolute", link.display())));
        }
        // Debian's base-files has the links of the merged layout, which a root has before its first package.
        if fs::read_link(place).is_ok_and(|there| there == link) {
            return Ok(());
        }
        fs::os::unix::fs::symlink(link, place)?;
        set_link_time(place, time)?;
        self.symlinks.push(real);
        Ok(())
    }

    fn hard_link(&mut self, name: &Path, link: &Path, place: &Path) -> Result<()> {
        let target = self.below(name, link).map_err(|_| {
            refuse(name, format!("its target `{}` leaves the folder it is unpacked into", link.display()))
        })?;
        let refused = |reason: &str| refuse(name, format!("its target `{}` {reason}", link.display()));
        let target = target.ok_or_else(|| refused("is not in the archive"))?;
        let parent = target.parent().unwrap_or(Path::new(""));
        let parent = self.walk.folder(parent, false).map_err(|reason| refused(&reason))?;
        let target = self.walk.root().join(parent).join(target.file_name().unwrap_or_default());
        match fs::symlink_metadata(&target) {
            Ok(data) if data.is_file() => Ok(fs::hard_link(&target, place)?),
            Ok(_) => Err(refused("is not a file")),
            Err(_) => Err(refused("is not in the archive before it")),
        }
    }

    /// Judges the links, now that all that they could lead through is in place, and sets the times of folders.
    fn finish(self) -> Result<()> {
        for link in &self.symlinks {
            self.walk.check_link(link).map_err(|reason| refuse(link, reason))?;
        }
        for (folder, time) in &self.folders {
            set_link_time(&self.walk.root().join(folder), *time)?;
        }
        Ok(())
    }
}

/// An error if following a symbolic link below `root` could lead out of it.
pub fn check_links(root: &Path, links: Links) -> Result<()> {
    let walk = Walk::new(root, links);
    for found in crate::tree::walk(root)?.iter().filter(|found| found.metadata.is_symlink()) {
        let link = Path::new(&found.path);
        walk.check_link(link).map_err(|reason| refuse(link, reason))?;
    }
    Ok(())
}

/// Sets the time of a folder, a file or a link itself, in seconds since 1970.
pub fn set_link_time(path: &Path, seconds: u64) -> Result<()> {
    rustix::fs::utimensat(rustix::fs::CWD, path, &times(seconds), rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
        .with_context(|| format!("setting the time of {}", path.display()))
}

fn times(seconds: u64) -> rustix::fs::Timestamps {
    let time = rustix::fs::Timespec { tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX), tv_nsec: 0 };
    rustix::fs::Timestamps { last_access: time, last_modification: time }
}
