//! Compares two folders of artifacts: every artifact, and every member of the archives among them.
//!
//! The modes and times of the artifacts themselves are left out: they are those of whoever fetched them.

use super::causes::Clue;
use super::members::{self, Form, Id, Listing, Member};
use super::{Artifact, Comparison, Difference, explain};
use crate::archive;
use crate::interrupt;
use crate::parallel;
use crate::tree::{Kind, Manifest};
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

/// Unpacked bytes of one compressed stream that are looked at.
const STREAM: u64 = 1 << 30;

/// Called with the place and both contents of every pair that differs and is no archive.
pub type Open<'a> = &'a (dyn Fn(&[String], &[u8], &[u8]) -> Result<()> + Sync);

/// Compares two folders, several artifacts at once.
pub fn folders(first: &Path, second: &Path, clues: &[Clue], open: Open) -> Result<Comparison> {
    let sides = [first, second].map(|folder| {
        let manifest = Manifest::of(folder).with_context(|| format!("reading {}", folder.display()))?;
        Ok(manifest.entries.into_iter().map(|entry| (entry.path, entry.kind)).collect::<BTreeMap<_, _>>())
    });
    let [first_side, second_side]: [Result<_>; 2] = sides;
    let (first_side, second_side) = (first_side?, second_side?);
    let names: BTreeSet<&String> = first_side.keys().chain(second_side.keys()).collect();
    let names: Vec<&String> = names.into_iter().collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let all = parallel::map(threads, names.len(), &|at| {
        interrupt::check()?;
        let name = names[at];
        let mut found = Vec::new();
        let mut pair = Pair { place: vec![name.clone()], clues, open, found: &mut found };
        let (files, identical) = match (first_side.get(name), second_side.get(name)) {
            (Some(Kind::Directory { .. }), Some(Kind::Directory { .. })) => return Ok(None),
            (Some(Kind::File { sha256: one, .. }), Some(Kind::File { sha256: other, .. })) => {
                let bytes = fs::read(first.join(name))?;
                let files = match one == other {
                    true => members::files(&bytes),
                    false => pair.bytes(&bytes, &fs::read(second.join(name))?)?,
                };
                (files, one == other)
            }
            (one, other) if one == other => (0, true),
            (one, other) => {
                pair.report("one is not there, or they are of two kinds", (described(one), described(other)));
                (0, false)
            }
        };
        Ok(Some((Artifact { name: name.clone(), files, identical }, found)))
    })?;
    // A listing that was cut short by the user looks like a damaged archive.
    interrupt::check()?;
    let mut comparison = Comparison::default();
    for (artifact, found) in all.into_iter().flatten() {
        comparison.artifacts.push(artifact);
        comparison.differences.extend(found);
    }
    Ok(comparison)
}

fn described(kind: Option<&Kind>) -> String {
    match kind {
        None => "nothing".to_owned(),
        Some(Kind::Directory { .. }) => "a folder".to_owned(),
        Some(Kind::File { size, .. }) => format!("a file of {size} bytes"),
        Some(Kind::Symlink { target }) => format!("a link to {target}"),
    }
}

/// Two contents that differ, the place they stand at, and where differences go.
pub(super) struct Pair<'a> {
    pub place: Vec<String>,
    pub clues: &'a [Clue],
    open: Open<'a>,
    pub found: &'a mut Vec<Difference>,
}

impl Pair<'_> {
    pub fn inside(&mut self, place: &str) -> Pair<'_> {
        let place = self.place.iter().cloned().chain([place.to_owned()]).collect();
        Pair { place, clues: self.clues, open: self.open, found: self.found }
    }

    pub fn report(&mut self, what: &str, (first, second): (String, String)) -> &mut Difference {
        self.found.push(Difference {
            place: self.place.clone(),
            what: what.to_owned(),
            offset: None,
            first,
            second,
            causes: Vec::new(),
        });
        self.found.last_mut().expect("just pushed")
    }

    /// Reports at least one difference of two contents that differ; gives how many files the first holds, as [`members::files`] does.
    fn bytes(&mut self, first: &[u8], second: &[u8]) -> Result<usize> {
        let before = self.found.len();
        let mut files = 0;
        let forms = (members::form(first), members::form(second));
        let packed = forms.0 == forms.1 && (forms.0.is_archive() || forms.0 == Form::Compressed);
        match forms {
            (form, other) if form == other && form.is_archive() => {
                self.gzip_header(first, second);
                // Unpacking is what takes the time.
                let (one, other) = std::thread::scope(|scope| {
                    let other = scope.spawn(|| Opened::new(second, form));
                    (Opened::new(first, form), other.join().expect("opening does not panic"))
                });
                files = self.archives(form, &one?, &other?)?;
            }
            (Form::Compressed, Form::Compressed) => {
                self.gzip_header(first, second);
                let (first, second) = (unpacked(first)?.0, unpacked(second)?.0);
                if first != second {
                    self.inside("unpacked").bytes(&first, &second)?;
                }
            }
            (Form::Elf, Form::Elf) => explain::elf(self, first, second),
            (Form::Text, Form::Text) => explain::text(self, first, second),
            _ => explain::binary(self, first, second, "bytes"),
        }
        // Nothing inside differs, so the difference is in what lies around.
        let around = self.found.len() == before;
        if around {
            explain::binary(self, first, second, "bytes");
            if packed {
                let cause = "packing: the content is the same, packed or padded in another way";
                self.found[before].causes.insert(0, cause.to_owned());
            }
        }
        if around || !packed {
            (self.open)(&self.place, first, second)?;
        }
        Ok(files)
    }

    /// RFC 1952: bytes 4 to 8 are the time of the file that was packed.
    fn gzip_header(&mut self, first: &[u8], second: &[u8]) {
        let time = |bytes: &[u8]| {
            let time = bytes.starts_with(b"\x1f\x8b").then(|| bytes.get(4..8))??;
            Some(u32::from_le_bytes(time.try_into().expect("four bytes")))
        };
        if let (Some(one), Some(other)) = (time(first), time(second))
            && one != other
        {
            let difference = self.report("gzip header", (one.to_string(), other.to_string()));
            difference.offset = Some(4);
            difference.causes.push("date: the time in the gzip header (`gzip -n` leaves it out)".to_owned());
        }
    }

    fn archives(&mut self, form: Form, one: &Opened, other: &Opened) -> Result<usize> {
        let (first, second) = (&one.listing, &other.listing);
        if first.broken != second.broken {
            let said = |listing: &Listing| listing.broken.clone().unwrap_or_else(|| "whole".to_owned());
            let difference = self.report("archive", (said(first), said(second)));
            difference.causes.push("truncated or damaged: it cannot be read to its end".to_owned());
        }
        let mut differing = BTreeSet::new();
        for id in first.members.keys().chain(second.members.keys()).collect::<BTreeSet<_>>() {
            let mut inside = self.inside(&id.0);
            match (first.members.get(id), second.members.get(id)) {
                (Some(one), Some(other)) => {
                    inside.headers(one, other);
                    if one.sha256 != other.sha256 {
                        differing.insert(id.clone());
                    }
                }
                (one, other) => {
                    let said = |member: Option<&Member>| member.map_or("nothing", |member| member.kind).to_owned();
                    inside.report("member on one side only", (said(one), said(other)));
                }
            }
        }
        self.order(first, second);
        let packages: BTreeSet<Id> = first.members.keys().filter(|id| members::is_package(form, id)).cloned().collect();
        let held = members::contents(&one.bytes, form, &differing.union(&packages).cloned().collect())?;
        let others = members::contents(&other.bytes, form, &differing)?;
        let plain = first.members.iter().filter(|(id, _)| !packages.contains(*id));
        let mut files = plain.filter(|(_, member)| members::is_file(form, member)).count();
        for id in &differing {
            interrupt::check()?;
            let inside = self.inside(&id.0).bytes(&held[id], &others[id])?;
            files += if packages.contains(id) { inside } else { 0 };
        }
        files += packages.difference(&differing).map(|id| members::files(&held[id])).sum::<usize>();
        Ok(files)
    }

    fn headers(&mut self, first: &Member, second: &Member) {
        let mut compare = |what: &str, one: String, other: String, cause: &str| {
            if one != other {
                self.report(what, (one, other)).causes.push(cause.to_owned());
            }
        };
        compare("kind", first.kind.to_owned(), second.kind.to_owned(), "kind of the member");
        let mode = |member: &Member| format!("{:o}", member.mode);
        compare("mode", mode(first), mode(second), "mode: the umask, or what the build left");
        compare("mtime", first.mtime.to_string(), second.mtime.to_string(), "date: the archive keeps a file's time");
        compare("owner", first.owner.clone(), second.owner.clone(), "user: the archive keeps who built it");
        compare("group", first.group.clone(), second.group.clone(), "user: the archive keeps who built it");
        compare("link", first.link.clone(), second.link.clone(), "target of the link");
    }

    /// Only what both sides have can stand in another order.
    fn order(&mut self, first: &Listing, second: &Listing) {
        let common = |one: &Listing, other: &Listing| -> Vec<Id> {
            one.order.iter().filter(|id| other.members.contains_key(*id)).cloned().collect()
        };
        let (one, other) = (common(first, second), common(second, first));
        if let Some(at) = one.iter().zip(&other).position(|(one, other)| one != other) {
            let difference =
                self.report(&format!("order, from member {} on", at + 1), (one[at].0.clone(), other[at].0.clone()));
            difference.causes.push("order: the same members in another order".to_owned());
        }
    }
}

/// An archive, unpacked once: it is read twice, for what it has and for what differs.
struct Opened<'a> {
    bytes: Cow<'a, [u8]>,
    listing: Listing,
}

impl<'a> Opened<'a> {
    fn new(bytes: &'a [u8], form: Form) -> Result<Opened<'a>> {
        let (bytes, broken) = match form {
            Form::Tar | Form::Cpio => unpacked(bytes).map(|(bytes, broken)| (Cow::Owned(bytes), broken))?,
            _ => (Cow::Borrowed(bytes), None),
        };
        let mut listing = members::list(&bytes, form);
        listing.broken = broken.or(listing.broken);
        Ok(Opened { bytes, listing })
    }
}

/// The content of a stream, and why reading ended before its end: a broken one is compared as far as it goes.
fn unpacked(bytes: &[u8]) -> Result<(Vec<u8>, Option<String>)> {
    let mut unpacked = Vec::new();
    let read = archive::decompress(bytes)?.take(STREAM).read_to_end(&mut unpacked);
    Ok((unpacked, read.err().map(|error| error.to_string())))
}
