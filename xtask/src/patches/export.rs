//! A queue in the form that other packagers expect: a quilt directory, the same with Debian's headers, or mails for `git am`.
//!
//! What an import makes of each is the same queue again, byte for byte where its files are in their canonical form.

use super::dep3;
use super::import::{head, mbox};
use super::mail::Mail;
use super::{Patch, Queue};
use crate::cli::patch::Format;
use crate::fault::Fault;
use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::collections::BTreeMap;
use std::path::Path;

/// Writes the queue to `to`, all of it or nothing: a folder that is not there or empty, for mails a file that is not there.
pub fn export(queue: &Queue, format: Format, to: &Path) -> Result<()> {
    let free = |empty: bool, cure: &str| -> Result<()> {
        let is_there = to.symlink_metadata().is_ok();
        if is_there && !(empty && to.is_dir() && fs::read_dir(to)?.next().is_none()) {
            return Err(Fault::usage(format!("{} is there already", to.display())).cure(cure).into());
        }
        Ok(())
    };
    match format {
        Format::Mbox => {
            free(false, "name a file that does not exist")?;
            write(to, |new| Ok(fs::write(new, mbox(queue)?)?))
        }
        Format::Quilt | Format::Dep3Quilt => {
            free(true, "name a folder that does not exist or is empty")?;
            let files = if format == Format::Quilt { quilt(queue) } else { dep3_quilt(queue)? };
            write(to, |new| {
                fs::create_dir(new)?;
                Ok(files.iter().try_for_each(|(name, text)| fs::write(new.join(name), text))?)
            })
        }
    }
}

/// Makes it beside its place and moves it there.
fn write(to: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let to = std::path::absolute(to)?;
    let parent = to.parent().with_context(|| format!("{} has no folder above it", to.display()))?;
    fs::create_dir_all(parent)?;
    let aside = tempfile::Builder::new().prefix(".export-").tempdir_in(parent)?;
    let new = aside.path().join("new");
    make(&new)?;
    if to.is_dir() {
        // Fails when somebody has put something into it meanwhile.
        return Ok(fs::rename(&new, &to)?);
    }
    renameat_with(CWD, &new, CWD, &to, RenameFlags::NOREPLACE).with_context(|| format!("writing {}", to.display()))
}

/// The files as they are, and their order.
pub fn quilt(queue: &Queue) -> BTreeMap<String, Vec<u8>> {
    let files = queue.patches.iter().map(|patch| (name(patch).to_owned(), patch.text.clone()));
    files.chain([("series".to_owned(), series(queue))]).collect()
}

/// The files with DEP-3 headers, and their order.
pub fn dep3_quilt(queue: &Queue) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::from([("series".to_owned(), series(queue))]);
    for patch in &queue.patches {
        let text = [dep3::write(&mail(patch)?), patch.text[patch.diff.start()..].to_vec()].concat();
        files.insert(name(patch).to_owned(), text);
    }
    Ok(files)
}

fn series(queue: &Queue) -> Vec<u8> {
    queue.patches.iter().map(|patch| format!("{}\n", name(patch))).collect::<String>().into_bytes()
}

/// One mail after the other, as `git format-patch --stdout` writes them.
pub fn mbox(queue: &Queue) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for patch in &queue.patches {
        out.extend(letter(patch)?);
        // What separates mails is an empty line.
        out.push(b'\n');
    }
    Ok(out)
}

/// The file as a mail, with fields that say what an import must take out again.
fn letter(patch: &Patch) -> Result<Vec<u8>> {
    let mail = mail(patch)?;
    let text = [mail.write(), patch.text[patch.diff.start()..].to_vec()].concat();
    let end = text.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let head = text.windows(2).position(|two| two == b"\n\n").map_or(end, |at| at + 1);
    let mut fields = format!("{}: {}\n", mbox::FILE, name(patch));
    let needed =
        [("From", "unknown <unknown>", mail.author.is_empty()), ("Subject", name(patch), mail.subject.is_empty())];
    let missing: Vec<&str> = needed.iter().filter(|(_, _, missing)| *missing).map(|(field, ..)| *field).collect();
    if !missing.is_empty() {
        fields += &format!("{}: {}\n", mbox::MISSING, missing.join(" "));
    }
    for (field, value, _) in needed.iter().filter(|(_, _, missing)| *missing) {
        fields += &format!("{field}: {value}\n");
    }
    let (first, header, body) = (&text[..end], &text[end..head], &text[head + 1..]);
    // Unencoded, `git am` and other mail programs would take carriage returns for ends of lines.
    if !body.iter().any(|byte| matches!(byte, b'\r' | 0)) {
        return Ok([first, fields.as_bytes(), header, b"\n", body].concat());
    }
    fields += "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: base64\n";
    let packed = STANDARD.encode(body);
    let mut lines = Vec::new();
    for line in packed.as_bytes().chunks(76) {
        lines.extend_from_slice(line);
        lines.push(b'\n');
    }
    Ok([first, fields.as_bytes(), header, b"\n", &lines].concat())
}

/// The head of a patch, of whatever form it is.
fn mail(patch: &Patch) -> Result<Mail> {
    let head = &patch.text[..patch.diff.start()];
    let mail = Mail::read(head).with_context(|| patch.file.clone())?;
    if mail.write() == head {
        return Ok(mail);
    }
    Ok(head::read(&patch.file, head).with_context(|| patch.file.clone())?.mail)
}

fn name(patch: &Patch) -> &str {
    patch.file.rsplit('/').next().unwrap_or(&patch.file)
}
