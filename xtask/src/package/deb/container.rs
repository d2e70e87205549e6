//! The bytes of a .deb: an `ar` archive of `debian-binary`, `control.tar.xz` and `data.tar.xz` (deb(5)). Same entries, same bytes.
//!
//! Everything belongs to root and has one time. Tar headers are GNU's, as dpkg-deb writes them; names begin with `./`.

use crate::digest::{Hash, Hasher, hex};
use crate::fault::Fault;
use crate::interrupt;
use anyhow::{Context as _, Result};
use fs_err as fs;
use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
use liblzma::write::XzEncoder;
use md5::{Digest as _, Md5};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use tar::{Builder, EntryType, Header};

/// What dpkg-deb compresses with unless told otherwise.
const LEVEL: u32 = 6;

/// Bytes that level 6 looks back. The memory of a packer is a dozen times that, so a small package is given less, which costs
/// nothing: there is nothing further back.
const WINDOW: u64 = 8 << 20;

/// The least that the format knows.
const SMALLEST_WINDOW: u64 = 4 << 10;

/// One entry of a tarball. Its name has no leading slash; the root itself is the empty name.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Folder {
        mode: u32,
    },
    Link {
        target: String,
    },
    /// A file that is made here.
    Made {
        mode: u32,
        bytes: Vec<u8>,
    },
    /// A file of the tree, which must still be what it was when it was looked at.
    Staged {
        mode: u32,
        place: PathBuf,
        size: u64,
        sha256: Hash,
    },
}

impl What {
    /// Bytes of the content.
    pub fn size(&self) -> u64 {
        match self {
            What::Folder { .. } | What::Link { .. } => 0,
            What::Made { bytes, .. } => bytes.len() as u64,
            What::Staged { size, .. } => *size,
        }
    }
}

/// Writes a package from two tarballs and gives its size and digest.
pub fn write(control: &[u8], data: &[u8], epoch: u64, to: impl Write) -> Result<(u64, Hash)> {
    let mut archive = ar::Builder::new(Hasher::new(to));
    for (name, bytes) in [("debian-binary", &b"2.0\n"[..]), ("control.tar.xz", control), ("data.tar.xz", data)] {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        header.set_mode(0o100_644);
        header.set_mtime(epoch);
        archive.append(&header, bytes).with_context(|| format!("writing member {name}"))?;
    }
    let (mut file, sha256, size) = archive.into_inner()?.finish();
    file.flush()?;
    Ok((size, sha256))
}

/// The entries as one compressed tarball, in the order given, and the MD5 sums of the files by name.
pub fn tarball(entries: &[Entry], epoch: u64) -> Result<(Vec<u8>, BTreeMap<String, String>)> {
    let size: u64 = entries.iter().map(|entry| entry.what.size().next_multiple_of(512) + 1024).sum();
    let mut options = LzmaOptions::new_preset(LEVEL)?;
    let window = size.next_power_of_two().clamp(SMALLEST_WINDOW, WINDOW);
    options.dict_size(u32::try_from(window).unwrap_or(u32::MAX));
    let stream = Stream::new_stream_encoder(Filters::new().lzma2(&options), Check::Crc64)?;
    let mut tar = Builder::new(XzEncoder::new_stream(Vec::new(), stream));
    let mut sums = BTreeMap::new();
    for entry in entries {
        interrupt::check()?;
        let sum = append(&mut tar, entry, epoch).with_context(|| format!("packing {}", entry.name))?;
        sums.extend(sum.map(|sum| (entry.name.clone(), sum)));
    }
    Ok((tar.into_inner()?.finish()?, sums))
}

/// Gives the MD5 sum of a file.
fn append(tar: &mut Builder<impl Write>, entry: &Entry, epoch: u64) -> Result<Option<String>> {
    let name = match (&entry.what, entry.name.as_str()) {
        (_, "") => "./".to_owned(),
        (What::Folder { .. }, name) => format!("./{name}/"),
        (_, name) => format!("./{name}"),
    };
    let mut header = header(epoch, entry.what.size())?;
    let (kind, mode) = match &entry.what {
        What::Folder { mode } => (EntryType::Directory, *mode),
        What::Made { mode, .. } | What::Staged { mode, .. } => (EntryType::Regular, *mode),
        What::Link { target } => {
            put(tar, &mut header, Field::Link, target.as_bytes())?;
            (EntryType::Symlink, 0o777)
        }
    };
    header.set_entry_type(kind);
    header.set_mode(mode);
    put(tar, &mut header, Field::Name, name.as_bytes())?;
    header.set_cksum();
    match &entry.what {
        What::Folder { .. } | What::Link { .. } => tar.append(&header, io::empty())?,
        What::Made { bytes, .. } => {
            tar.append(&header, bytes.as_slice())?;
            return Ok(Some(hex(&Md5::digest(bytes))));
        }
        What::Staged { place, size, sha256, .. } => {
            let file = fs::File::open(place)?.take(*size);
            let mut seen = Seen { inner: file, sha256: Hasher::new(io::sink()), md5: Md5::new() };
            tar.append(&header, &mut seen)?;
            let (_, found, found_size) = seen.sha256.finish();
            // An entry that is shorter than its header says would shift everything behind it.
            if (&found, found_size) != (sha256, *size) {
                let what = format!("it changed while it was packed: expected {size} bytes, sha256 {sha256}");
                return Err(Fault::failed(format!("{what}, found {found_size}, {found}")).into());
            }
            return Ok(Some(hex(&seen.md5.finalize())));
        }
    }
    Ok(None)
}

/// A reader that keeps the digests of what went through.
struct Seen<R> {
    inner: R,
    sha256: Hasher<io::Sink>,
    md5: Md5,
}

impl<R: Read> Read for Seen<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.inner.read(buffer)?;
        self.sha256.write_all(&buffer[..size])?;
        self.md5.update(&buffer[..size]);
        Ok(size)
    }
}

fn header(epoch: u64, size: u64) -> Result<Header> {
    let mut header = Header::new_gnu();
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root")?;
    header.set_groupname("root")?;
    header.set_mtime(epoch);
    header.set_size(size);
    Ok(header)
}

enum Field {
    Name,
    Link,
}

/// Sets a name in the header, after an entry of GNU's own that holds it whole where the field is too small. The crate's functions
/// would take the leading `./` away.
fn put(tar: &mut Builder<impl Write>, header: &mut Header, field: Field, value: &[u8]) -> Result<()> {
    let gnu = header.as_gnu_mut().context("the header is not GNU's")?;
    let (room, kind) = match field {
        Field::Name => (&mut gnu.name, EntryType::GNULongName),
        Field::Link => (&mut gnu.linkname, EntryType::GNULongLink),
    };
    let fits = value.len().min(room.len());
    room[..fits].copy_from_slice(&value[..fits]);
    if value.len() < room.len() {
        return Ok(());
    }
    let mut long = self::header(0, value.len() as u64 + 1)?;
    long.set_entry_type(kind);
    long.set_mode(0o644);
    let name = b"././@LongLink";
    long.as_gnu_mut().context("the header is not GNU's")?.name[..name.len()].copy_from_slice(name);
    long.set_cksum();
    Ok(tar.append(&long, [value, b"\0"].concat().as_slice())?)
}
