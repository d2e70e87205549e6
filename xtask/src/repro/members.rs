//! Reads archives: tar and cpio, compressed or not, ar, and rpm; each as its members in their order with what their headers say.
//!
//! Nothing is unpacked to a disk. An archive that ends too early gives the members before its end.

use super::{cpio, rpm};
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
    Cpio,
    Ar,
    Rpm,
    /// One compressed stream of something else.
    Compressed,
    Elf,
    Text,
    Binary,
}

impl Form {
    pub fn is_archive(self) -> bool {
        matches!(self, Form::Tar | Form::Cpio | Form::Ar | Form::Rpm)
    }
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

/// The member of an .rpm that holds its files.
const PAYLOAD: &str = "payload";

pub fn form(bytes: &[u8]) -> Form {
    let starts = [(&b"!<arch>\n"[..], Form::Ar), (rpm::MAGIC, Form::Rpm), (b"\x7fELF", Form::Elf)];
    if let Some((_, form)) = starts.iter().find(|(start, _)| bytes.starts_with(start)) {
        return *form;
    }
    let mut head = Vec::new();
    if let Ok(stream) = archive::decompress(bytes) {
        // What can be read of a broken stream is enough to tell.
        let _ = stream.take(512).read_to_end(&mut head);
    }
    let compressed = !head.is_empty() && !bytes.starts_with(&head);
    if head.get(257..262) == Some(b"ustar") {
        Form::Tar
    } else if cpio::MAGIC.iter().any(|magic| head.starts_with(magic)) {
        Form::Cpio
    } else if compressed {
        Form::Compressed
    } else if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0')) {
        Form::Text
    } else {
        Form::Binary
    }
}

/// True for a member that is one of the archives that a package is made of: what it holds are the package's files.
pub fn is_package(form: Form, id: &Id) -> bool {
    form == Form::Ar && id.0.contains(".tar") || form == Form::Rpm && id.0 == PAYLOAD
}

/// True for a member that counts as a file of its archive, when it is no archive of a package.
pub fn is_file(form: Form, member: &Member) -> bool {
    form != Form::Rpm && member.kind != "folder"
}

/// How many files an archive holds: members that are not folders; in a package, those of the archives that it is made of.
pub fn files(bytes: &[u8]) -> usize {
    let form = form(bytes);
    let mut count = 0;
    let counted = each(bytes, form, |id, member, content| {
        if is_package(form, &id) {
            let mut held = Vec::new();
            content.read_to_end(&mut held)?;
            count += files(&held);
        } else if is_file(form, &member) {
            count += 1;
        }
        Ok(())
    });
    // What is broken is told where it is compared.
    drop(counted);
    count
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
    match form {
        Form::Ar => {
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
        Form::Rpm => {
            let (parts, payload) = rpm::parts(bytes)?;
            let parts = parts.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            for (name, mut value) in parts.chain([(PAYLOAD, payload)]) {
                visit(id(name.to_owned()), Member::plain("part"), &mut value)?;
            }
            return Ok(());
        }
        Form::Cpio => {
            return cpio::each(archive::decompress(bytes)?, |header, content| {
                interrupt::check()?;
                let path = header.path.clone();
                visit(id(path), cpio_member(&header), content)
            });
        }
        Form::Tar => {}
        Form::Compressed | Form::Elf | Form::Text | Form::Binary => return Ok(()),
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
        mode: header.mode()?,
        mtime: header.mtime()?,
        owner: named(header.uid()?, header.username_bytes()),
        group: named(header.gid()?, header.groupname_bytes()),
        link: entry.link_name_bytes().map(|link| String::from_utf8_lossy(&link).into_owned()).unwrap_or_default(),
        ..Member::plain(kind)
    })
}

impl Member {
    /// One of which nothing is known but its kind.
    fn plain(kind: &'static str) -> Member {
        let (owner, group, link) = (String::new(), String::new(), String::new());
        Member { kind, mode: 0, mtime: 0, owner, group, link, size: 0, sha256: Hash::of(b"") }
    }
}

fn ar_member(header: &ar::Header) -> Member {
    Member {
        mode: header.mode(),
        mtime: header.mtime(),
        owner: header.uid().to_string(),
        group: header.gid().to_string(),
        size: header.size(),
        ..Member::plain("file")
    }
}

fn cpio_member(header: &cpio::Header) -> Member {
    let kind = match header.mode & 0o170_000 {
        0o100_000 => "file",
        0o040_000 => "folder",
        0o120_000 => "symbolic link",
        _ => "special file",
    };
    Member {
        mode: header.mode & 0o7777,
        mtime: header.mtime.into(),
        owner: header.uid.to_string(),
        group: header.gid.to_string(),
        size: header.size,
        ..Member::plain(kind)
    }
}
