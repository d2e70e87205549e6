//! Reads archives: tar, compressed or not, and ar, each as its members in their order with what their headers say.
//!
//! Nothing is unpacked to a disk. An archive that ends too early gives the members before its end.

use crate::archive;
use crate::digest::{Hash, Hasher};
use crate::interrupt;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

/// How bytes are taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Tar,
    Ar,
    /// One compressed stream that is no tar.
    Compressed,
    Elf,
    Text,
    Binary,
}

/// Path, and how many members of the same path stand before it.
pub type Id = (String, usize);

#[derive(Clone, Debug)]
pub struct Member {
    pub kind: &'static str,
    pub mode: u32,
    pub mtime: u64,
    /// Number and, where there is one, name.
    pub owner: String,
    pub group: String,
    pub link: String,
    pub size: u64,
    pub sha256: Hash,
}

/// An archive's members in their order.
#[derive(Debug, Default)]
pub struct Listing {
    pub members: BTreeMap<Id, Member>,
    pub order: Vec<Id>,
    /// Why reading ended before the end.
    pub broken: Option<String>,
}

impl Listing {
    /// Members that are not folders.
    pub fn files(&self) -> usize {
        self.members.values().filter(|member| member.kind != "folder").count()
    }
}

pub fn form(bytes: &[u8]) -> Form {
    if bytes.starts_with(b"!<arch>\n") {
        return Form::Ar;
    }
    if bytes.starts_with(b"\x7fELF") {
        return Form::Elf;
    }
    let mut head = Vec::new();
    if let Ok(stream) = archive::decompress(bytes) {
        // What can be read of a broken stream is enough to tell.
        let _ = stream.take(512).read_to_end(&mut head);
    }
    let compressed = !head.is_empty() && !bytes.starts_with(&head);
    if head.get(257..262) == Some(b"ustar") {
        Form::Tar
    } else if compressed {
        Form::Compressed
    } else if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0')) {
        Form::Text
    } else {
        Form::Binary
    }
}

/// The members of an archive, which must be one.
pub fn list(bytes: &[u8], form: Form) -> Listing {
    let mut listing = Listing::default();
    let read = each(bytes, form, |id, mut member, content| {
        let mut hasher = Hasher::new(io::sink());
        io::copy(content, &mut hasher)?;
        let (_, sha256, size) = hasher.finish();
        (member.sha256, member.size) = (sha256, size);
        listing.order.push(id.clone());
        listing.members.insert(id, member);
        Ok(())
    });
    listing.broken = read.err().map(|error| format!("{error:#}"));
    listing
}

/// The content of some members.
pub fn contents(bytes: &[u8], form: Form, wanted: &BTreeSet<Id>) -> Result<BTreeMap<Id, Vec<u8>>> {
    let mut contents = BTreeMap::new();
    let read = each(bytes, form, |id, _, content| {
        if wanted.contains(&id) {
            let mut held = Vec::new();
            content.read_to_end(&mut held)?;
            contents.insert(id, held);
        }
        Ok(())
    });
    // The listing has said that the archive is broken; what was wanted stands before that.
    if contents.len() < wanted.len() {
        read?;
    }
    Ok(contents)
}

fn each(bytes: &[u8], form: Form, mut visit: impl FnMut(Id, Member, &mut dyn Read) -> Result<()>) -> Result<()> {
    let mut seen = BTreeMap::new();
    let mut id = move |path: String| {
        let count = seen.entry(path.clone()).or_insert(0);
        *count += 1;
        (path, *count - 1)
    };
    if form == Form::Ar {
        let mut ar = ar::Archive::new(bytes);
        while let Some(entry) = ar.next_entry() {
            interrupt::check()?;
            let mut entry = entry?;
            let path = String::from_utf8_lossy(entry.header().identifier()).into_owned();
            let member = ar_member(entry.header());
            visit(id(path), member, &mut entry)?;
        }
        return Ok(());
    }
    let mut tar = tar::Archive::new(archive::decompress(bytes)?);
    for entry in tar.entries()? {
        interrupt::check()?;
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let member = tar_member(&entry)?;
        let size = entry.size();
        let mut counted = Counted { inner: &mut entry, read: 0 };
        visit(id(path), member, &mut counted)?;
        // A reader that was not asked for everything tells nothing.
        if counted.read > 0 && counted.read < size {
            anyhow::bail!("the archive ends within a member");
        }
    }
    Ok(())
}

/// The tar reader takes the end of the stream for the end of a member.
struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.inner.read(buffer)?;
        self.read += size as u64;
        Ok(size)
    }
}

fn tar_member(entry: &tar::Entry<impl Read>) -> Result<Member> {
    let header = entry.header();
    let named = |number: u64, name: Option<&[u8]>| {
        let name = String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
        if name.is_empty() { number.to_string() } else { format!("{number} ({name})") }
    };
    let kind = match header.entry_type() {
        tar::EntryType::Regular | tar::EntryType::Continuous => "file",
        tar::EntryType::Directory => "folder",
        tar::EntryType::Symlink => "symbolic link",
        tar::EntryType::Link => "hard link",
        _ => "special file",
    };
    Ok(Member {
        kind,
        mode: header.mode()?,
        mtime: header.mtime()?,
        owner: named(header.uid()?, header.username_bytes()),
        group: named(header.gid()?, header.groupname_bytes()),
        link: entry.link_name_bytes().map(|link| String::from_utf8_lossy(&link).into_owned()).unwrap_or_default(),
        size: 0,
        sha256: Hash::of(b""),
    })
}

fn ar_member(header: &ar::Header) -> Member {
    Member {
        kind: "file",
        mode: header.mode(),
        mtime: header.mtime(),
        owner: header.uid().to_string(),
        group: header.gid().to_string(),
        link: String::new(),
        size: header.size(),
        sha256: Hash::of(b""),
    }
}
