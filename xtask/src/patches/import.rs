//! Patches from elsewhere brought into a queue: found, converted to the queue's form, numbered, and tried upon the source.
//!
//! Nothing is written here, and nothing is invented: an author who is missing stays missing. What a queue cannot keep is said.

pub mod convert;
pub mod found;
pub mod head;
pub mod mbox;
mod place;
mod range;
mod reverse;
mod section;
pub mod series;

use super::apply::{self, Direction, Offset};
use super::content::{Base, Files};
use super::mail::Mail;
use super::{Patch, Queue, dep3, name};
use crate::cli::patch::Class;
use crate::fault::Fault;
use anyhow::{Error, Result};
use convert::How;
use found::Found;
use std::collections::BTreeMap;

/// What an import makes of a queue.
#[derive(Debug, Default)]
pub struct Import {
    /// The whole queue, by file name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// In the order in which they were found.
    pub imported: Vec<Imported>,
    pub left_out: Vec<LeftOut>,
}

#[derive(Debug)]
pub struct Imported {
    pub file: String,
    pub from: String,
    /// What could not be kept, or was changed.
    pub said: Vec<String>,
}

#[derive(Debug)]
pub struct LeftOut {
    pub from: String,
    pub why: String,
}

/// A patch in the queue's form that has no number yet.
struct Ready {
    found: Found,
    mail: Mail,
    advisory: Option<String>,
    patch: Patch,
}

/// Where patches come to.
pub struct Place<'p> {
    /// `patches/xen-4.17.4/xen`, for messages.
    pub folder: &'p str,
    pub queue: &'p Queue,
    /// The source without its queue.
    pub base: &'p dyn Base,
    /// None: the numbers that patches have are kept where they can be.
    pub class: Option<Class>,
}

pub fn import(place: &Place<'_>, found: Vec<Found>) -> Result<Import> {
    let mut import = Import::default();
    let nothing = found.is_empty();
    let ready = convert_all(place, found, &mut import)?;
    if ready.is_empty() && !nothing && import.left_out.iter().all(|left| left.why.starts_with(NO_DIFF)) {
        let first = &import.left_out[0];
        return Err(Fault::usage(format!("{}: {}", first.from, first.why))
            .cure("a patch is a unified diff, best as `git format-patch` writes it")
            .into());
    }
    let names = names(place, &ready)?;
    for (ready, file) in ready.into_iter().zip(names) {
        let Ready { found, patch, .. } = ready;
        import.imported.push(Imported { file: file.clone(), from: found.name, said: found.said });
        import.files.insert(file, patch.text);
    }
    for patch in &place.queue.patches {
        import.files.insert(base_name(&patch.file).to_owned(), patch.text.clone());
    }
    try_all(place, &mut import)?;
    Ok(import)
}

const NO_DIFF: &str = "holds no diff";

/// Each patch in the queue's form, as it is for the files that those before it leave.
fn convert_all(place: &Place<'_>, found: Vec<Found>, import: &mut Import) -> Result<Vec<Ready>> {
    let mut files = Files::over(place.base);
    for patch in &place.queue.patches {
        // Whether all of them apply is asked at the end, with the new ones between them.
        let _ = apply::apply(&mut files, patch, Direction::Forward)?;
    }
    let mut all = Vec::new();
    for found in found {
        let from = found.name.clone();
        let why = match (known(place, &found)?, ready(found, &files)?) {
            (Some(why), _) | (None, Err(why)) => why,
            (None, Ok(ready)) => {
                let _ = apply::apply(&mut files, &ready.patch, Direction::Forward)?;
                all.push(ready);
                continue;
            }
        };
        import.left_out.push(LeftOut { from, why });
    }
    Ok(all)
}

/// Says so if the queue holds the same diff. What a plain diff leaves open is looked up in the source, because the queue may have
/// done already what the patch does.
fn known(place: &Place<'_>, found: &Found) -> Result<Option<String>> {
    let Ok(ready) = ready(found.clone(), &Files::over(place.base))? else { return Ok(None) };
    let old = place.queue.patches.iter().find(|old| old.diff.body == ready.patch.diff.body);
    Ok(old.map(|old| format!("the queue has it as {}", base_name(&old.file))))
}

/// The patch in the queue's form, or why it is left out.
fn ready(mut found: Found, files: &Files<'_>) -> Result<Result<Ready, String>> {
    let place = |error: Error| -> Error {
        let fault = Fault::usage(format!("{}: {error:#}", found.name));
        match crate::fault::innermost(&error).and_then(|inner| inner.cure.clone()) {
            Some(cure) => fault.cure(cure).into(),
            None => fault.cure("nothing was written; correct the patch and import it again").into(),
        }
    };
    let lines: Vec<&[u8]> = found.text.split_inclusive(|&byte| byte == b'\n').collect();
    let Some(start) = section::start(&lines) else {
        section::parse(&lines, 0).map_err(place)?;
        let cover = found.file.as_deref().is_some_and(|file| file.starts_with("0000-"));
        return Ok(Err(if cover { "is a cover letter".to_owned() } else { NO_DIFF.to_owned() }));
    };
    let head = lines[..start].concat();
    let converted = convert::convert(&lines, start, found.how, files).map_err(place)?;
    if converted.diff.is_empty() {
        return Ok(Err(format!("{NO_DIFF}; {}", converted.said.join("; "))));
    }
    let (text, mail, advisory) = match as_exported(&head, &lines, start, found.how, files) {
        Some(mail) => {
            found.said.extend(head::missing(&mail));
            ([&mail.write(), &lines[start..].concat()[..]].concat(), mail, None)
        }
        None => {
            let read = head::read(&found.name, &head).map_err(place)?;
            found.said.extend(read.said);
            ([read.mail.write(), converted.diff].concat(), read.mail, read.advisory)
        }
    };
    found.said.extend(converted.said);
    let advisory = advisory.or_else(|| mail.trailer("Advisory"));
    let patch = Patch::of(text, found.name.clone())?;
    Ok(Ok(Ready { found, mail, advisory, patch }))
}

/// The head of a file that is as a queue or an export writes it: such a file's diff is taken byte for byte, and of its notes nothing
/// is left out.
fn as_exported(head: &[u8], lines: &[&[u8]], start: usize, how: How, files: &Files<'_>) -> Option<Mail> {
    let mail = Mail::read(head).ok().filter(|mail| mail.write() == head);
    let mail = mail.or_else(|| Some(dep3::read(head)).filter(|mail| dep3::write(mail) == head))?;
    let indexed = How { indexed: true, ..how };
    let diff = convert::convert(lines, start, indexed, files).ok()?.diff;
    (diff == lines[start..].concat()).then_some(mail)
}

/// The file name of each patch.
fn names(place: &Place<'_>, ready: &[Ready]) -> Result<Vec<String>> {
    let mut taken: Vec<u16> =
        place.queue.patches.iter().filter_map(|patch| name::number(base_name(&patch.file))).collect();
    taken.sort_unstable();
    let wanted: Vec<Option<u16>> = ready.iter().map(|ready| wanted(place, &ready.found)).collect();
    let advisories = !ready.is_empty() && ready.iter().all(|ready| ready.advisory.is_some());
    let class = place.class.unwrap_or(if advisories { Class::Security } else { Class::Distribution });
    let numbers = place::numbers(&taken, &wanted, class)?;
    let name = |(ready, (number, wanted)): (&Ready, (u16, &Option<u16>))| match &ready.found.file {
        Some(file) if *wanted == Some(number) => file.clone(),
        _ if !ready.mail.subject.is_empty() => name::file_name(number, &ready.mail.subject),
        file => {
            let stem = base_name(file.as_deref().unwrap_or(&ready.found.name));
            name::file_name(number, stem.split('.').next().unwrap_or(stem).as_bytes())
        }
    };
    Ok(ready.iter().zip(numbers.into_iter().zip(&wanted)).map(name).collect())
}

/// The number that a patch has in its name, unless a class is asked for. Those between the classes' are counters, such as
/// `git format-patch` gives, and mean nothing in a queue.
fn wanted(place: &Place<'_>, found: &Found) -> Option<u16> {
    let file = found.file.as_deref().filter(|file| place.class.is_none() && file.ends_with(".patch"))?;
    // What a mail calls its file might lead elsewhere, and a series cannot hold blanks.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+');
    if !file.bytes().all(plain) {
        return None;
    }
    name::number(file).filter(|number| found.of_queue || Class::of(*number).is_some())
}

/// Applies the whole queue to the source: every patch must fit.
fn try_all(place: &Place<'_>, import: &mut Import) -> Result<()> {
    let mut files = Files::over(place.base);
    for (file, text) in &import.files {
        let patch = Patch::of(text.clone(), format!("{}/{file}", place.folder))?;
        let imported = import.imported.iter_mut().find(|imported| imported.file == *file);
        match (apply::apply(&mut files, &patch, Direction::Forward)?, imported) {
            (Ok(offsets), Some(imported)) => imported.said.extend(offset(&offsets)),
            (Ok(_), None) => {}
            (Err(misfit), imported) => {
                let from = imported.map(|imported| format!(" ({})", imported.from)).unwrap_or_default();
                return Err(Fault::failed(format!("applying {}{from}: {misfit}", patch.file))
                    .cure(
                        "nothing was written; adapt the patch to this source, or import before it what it builds upon",
                    )
                    .into());
            }
        }
    }
    Ok(())
}

fn offset(offsets: &[Offset]) -> Option<String> {
    let most = offsets.iter().map(|offset| offset.lines.unsigned_abs()).max()?;
    let hunks = if offsets.len() == 1 { "1 hunk applies".to_owned() } else { format!("{} hunks apply", offsets.len()) };
    let lines = if most == 1 { "1 line".to_owned() } else { format!("{most} lines") };
    Some(format!("{hunks} up to {lines} off: a refresh takes that out"))
}

/// The last part of a path.
fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
