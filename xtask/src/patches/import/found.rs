//! What a word on the command line leads to: a quilt directory, a directory or a file of mails, a patch, a range of commits.

use super::convert::How;
use super::{mbox, range, series};
use crate::fault::Fault;
use crate::patches::diff;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::Path;

/// A patch as it was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// What messages call it.
    pub name: String,
    /// The name that it has in a queue; None where its file or mail has no name to speak of.
    pub file: Option<String>,
    /// Its name is one of a queue's, whatever its number.
    pub of_queue: bool,
    pub text: Vec<u8>,
    pub how: How,
    /// What is known not to be kept.
    pub said: Vec<String>,
}

pub fn find(from: &str) -> Result<Vec<Found>> {
    let path = Path::new(from);
    if path.is_dir() {
        return match series::find(path) {
            Some(series) => quilt(&series),
            None => folder(path),
        };
    }
    if path.exists() {
        let text = read(path)?;
        if text.is_empty() {
            // The mails of an empty queue.
            return Ok(Vec::new());
        }
        let starts_mail = text.split_inclusive(|&byte| byte == b'\n').next().is_some_and(mbox::separates);
        return if starts_mail { mailbox(from, &text) } else { Ok(vec![mail(from, path, &text)?]) };
    }
    if let Some(range) = range::Range::parse(from) {
        return commits(&range);
    }
    Err(Fault::usage(format!("{from}: there is no such file or folder"))
        .cure("name a folder with `series` or with mails, a patch, an mbox, or a range DIR:A..B of a git repository")
        .into())
}

fn quilt(series: &Path) -> Result<Vec<Found>> {
    let text = read(series)?;
    let entries = series::read(&String::from_utf8_lossy(&text))
        .map_err(|error| Fault::usage(format!("{}: {error:#}", series.display())).cure("correct the series"))?;
    let found = |entry: series::Entry| {
        let path = series::path(series, &entry)?;
        Ok(Found {
            text: read(&path)?,
            name: entry.file.clone(),
            file: base(&entry.file),
            how: How { strip: Some(entry.strip), reversed: entry.reversed, indexed: false },
            said: entry.said,
            ..Found::default()
        })
    };
    entries.into_iter().map(found).collect()
}

fn folder(folder: &Path) -> Result<Vec<Found>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if [".patch", ".eml", ".diff"].iter().any(|end| name.ends_with(end)) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(Fault::usage(format!("{}: no `series`, and no *.patch or *.eml", folder.display()))
            .cure("name the folder that holds the patches")
            .into());
    }
    names.sort();
    names.iter().map(|name| mail(name, &folder.join(name), &read(&folder.join(name))?)).collect()
}

/// A file with one patch, which may be a mail.
fn mail(name: &str, path: &Path, text: &[u8]) -> Result<Found> {
    let unpacked = mbox::unpack(text).with_context(|| path.display().to_string())?;
    let of_queue = unpacked.file.is_some();
    let file = unpacked.file.or_else(|| base(name));
    Ok(Found { name: name.to_owned(), file, of_queue, text: unpacked.text, ..Found::default() })
}

fn mailbox(from: &str, text: &[u8]) -> Result<Vec<Found>> {
    let mails = mbox::split(text);
    let one = mails.len() == 1;
    let found = |(number, text): (usize, &&[u8])| {
        let name = if one { from.to_owned() } else { format!("{from}: mail {}", number + 1) };
        let unpacked = mbox::unpack(text).with_context(|| name.clone())?;
        let of_queue = unpacked.file.is_some();
        let file = unpacked.file.or_else(|| if one { base(from) } else { None });
        Ok(Found { name, file, of_queue, text: unpacked.text, ..Found::default() })
    };
    mails.iter().enumerate().map(found).collect()
}

fn commits(range: &range::Range<'_>) -> Result<Vec<Found>> {
    let found = |commit: range::Commit| Found {
        name: format!("commit {}", commit.name),
        of_queue: commit.file.is_some(),
        file: commit.file,
        text: commit.text,
        ..Found::default()
    };
    Ok(range::read(range)?.into_iter().map(found).collect())
}

/// The whole of a file, unless it is larger than any patch.
fn read(path: &Path) -> Result<Vec<u8>> {
    // A pipe or a device may have no end.
    if !fs::metadata(path)?.is_file() {
        return Err(Fault::usage(format!("{} is not a file", path.display())).cure("write it to a file first").into());
    }
    diff::read_file(path).map_err(|error| match error.downcast_ref::<std::io::Error>() {
        Some(_) => error,
        None => Fault::usage(format!("{}: {error}", path.display())).into(),
    })
}

/// The last part of a path.
fn base(path: &str) -> Option<String> {
    path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}
