//! A patch's diffs in git's form, as a queue holds them: `a/` and `b/` before names, `diff --git` lines, modes of new and deleted
//! files, no `index` lines but those of binary contents.
//!
//! What a plain diff does not say, such as whether a file that was empty was there, is looked up in the files that it is for.

use super::section::{self, Hunk, Section, Side};
use crate::patches::content::{Files, Mode};
use crate::patches::diff::name::safe;
use anyhow::{Result, bail};

/// How a patch is to be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// How many leading folders its names have; None: to be found out.
    pub strip: Option<usize>,
    /// It is to be turned round.
    pub reversed: bool,
    /// `index` lines stay where they are.
    pub indexed: bool,
}

#[derive(Debug, Default)]
pub struct Converted {
    pub diff: Vec<u8>,
    /// What differs from what the patch says, or is not kept.
    pub said: Vec<String>,
}

/// Converts the diffs that begin at line `start` (from 0). Errors name the line.
pub fn convert(lines: &[&[u8]], start: usize, how: How, files: &Files<'_>) -> Result<Converted> {
    let mut parsed = section::parse(lines, start)?;
    let mut converted = Converted { said: parsed.said, diff: Vec::new() };
    let strip = match how.strip {
        Some(strip) => strip,
        None => guess(&parsed.sections, files)?,
    };
    if how.strip.is_none() && strip != 1 {
        converted.said.push(format!("its names were read as with -p{strip}"));
    }
    let mut dos = false;
    for section in &mut parsed.sections {
        if how.reversed {
            super::reverse::reverse(section)?;
        }
        let names = Names::of(section, strip, files)?;
        dos |= strip_returns(section, &names, files)?;
        if is_ready(section, &names, strip, how) {
            copy(&lines[section.line - 1..][..section.length], section, how, &mut converted.diff);
        } else {
            write(section, &names, files, &mut converted.diff)?;
        }
    }
    if how.reversed {
        converted.said.push("-R: was reversed".to_owned());
    }
    if dos {
        converted.said.push("its lines ended in CR LF, those of the source do not: the CRs are left out".to_owned());
    }
    Ok(converted)
}

/// The number of leading folders with which the patch names files that are there; one where none does.
fn guess(sections: &[Section], files: &Files<'_>) -> Result<usize> {
    for strip in [1, 0, 2] {
        for side in sections.iter().flat_map(|section| [&section.old, &section.new]) {
            if let Some(Ok(path)) = side.name.as_deref().map(|name| stripped(name, strip, 0))
                && files.get(&path)?.is_some()
            {
                return Ok(strip);
            }
        }
    }
    Ok(1)
}

/// What a section does to which files; None is a file that is not there.
struct Names {
    old: Option<String>,
    new: Option<String>,
}

impl Names {
    fn of(section: &Section, strip: usize, files: &Files<'_>) -> Result<Names> {
        let path = |side: &Side| match (&side.whole, &side.name) {
            (Some(whole), _) => safe(whole, whole, section.line).map(|()| Some(whole.clone())),
            (None, Some(name)) => stripped(name, strip, section.line).map(Some),
            (None, None) => Ok(None),
        };
        let (old, new) = (path(&section.old)?, path(&section.new)?);
        let says = |start: &[u8]| section.headers.iter().any(|line| line.starts_with(start));
        if section.git {
            return Ok(Names {
                old: old.filter(|_| !says(b"new file mode ")),
                new: new.filter(|_| !says(b"deleted file mode ")),
            });
        }
        let (Some(old), Some(new)) = (&old, &new) else {
            if old.is_none() && new.is_none() {
                bail!("line {}: both names are /dev/null", section.line);
            }
            return Ok(Names { old, new });
        };
        // `f.orig` and `f`, or folders of different names: whichever is there, as `patch` has it.
        let known = if files.get(new)?.is_none() && files.get(old)?.is_some() { old } else { new };
        let known = || Some(known.clone());
        let only = |range: fn(&Hunk) -> (u64, u64)| matches!(&section.hunks[..], [hunk] if range(hunk) == (0, 0));
        let added = only(|hunk| hunk.old) && (section.old.absent || files.get(new)?.is_none());
        Ok(Names {
            old: if added { None } else { known() },
            new: if only(|hunk| hunk.new) && !added { None } else { known() },
        })
    }
}

/// A name without its leading folders.
fn stripped(name: &str, strip: usize, line: usize) -> Result<String> {
    if name.starts_with('/') {
        bail!("line {line}: `{name}` leaves the source tree");
    }
    let mut rest = name;
    for _ in 0..strip {
        rest = match rest.split_once('/') {
            Some((_, rest)) => rest.trim_start_matches('/'),
            None => bail!("line {line}: `{name}` has no {strip} leading folders to strip (-p{strip})"),
        };
    }
    safe(name, rest, line)?;
    Ok(rest.to_owned())
}

/// Whether it is in a queue's form already.
fn is_ready(section: &Section, names: &Names, strip: usize, how: How) -> bool {
    let starts = |side: &Side, with: &str| side.name.as_ref().is_none_or(|name| name.starts_with(with));
    let says = |start: &[u8]| section.headers.iter().any(|line| line.starts_with(start));
    section.git
        && strip == 1
        && !how.reversed
        && !section.dos
        && starts(&section.old, "a/")
        && starts(&section.new, "b/")
        && names.old.is_none() == says(b"new file mode ")
        && names.new.is_none() == says(b"deleted file mode ")
}

fn copy(lines: &[&[u8]], section: &Section, how: How, diff: &mut Vec<u8>) {
    let mut header = section.binary.is_empty() && !how.indexed;
    for line in lines {
        header &= !line.starts_with(b"--- ");
        if !header || !line.starts_with(b"index ") {
            diff.extend_from_slice(line);
        }
    }
    if !diff.ends_with(b"\n") {
        diff.push(b'\n');
    }
}

/// Takes the CRs out of a patch that a mailer or an editor gave them, that is, where the file itself has none.
fn strip_returns(section: &mut Section, names: &Names, files: &Files<'_>) -> Result<bool> {
    let path = names.old.as_ref().or(names.new.as_ref());
    let file = path.map(|path| files.get(path)).transpose()?.flatten();
    if !section.dos || file.is_some_and(|file| file.bytes.windows(2).any(|two| two == b"\r\n")) {
        return Ok(false);
    }
    for line in section.hunks.iter_mut().flat_map(|hunk| &mut hunk.lines) {
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
            line.push(b'\n');
        }
    }
    Ok(true)
}

fn write(section: &Section, names: &Names, files: &Files<'_>, diff: &mut Vec<u8>) -> Result<()> {
    let (old, new) = (names.old.as_ref().or(names.new.as_ref()), names.new.as_ref().or(names.old.as_ref()));
    let (Some(old), Some(new)) = (old, new) else { bail!("line {}: names no file", section.line) };
    let mut line = |text: &[u8]| {
        diff.extend_from_slice(text);
        diff.push(b'\n');
    };
    line(format!("diff --git {} {}", quoted("a/", old), quoted("b/", new)).as_bytes());
    let says = |start: &[u8]| section.headers.iter().any(|line| line.starts_with(start));
    if names.old.is_none() && !says(b"new file mode ") {
        line(b"new file mode 100644");
    }
    if names.new.is_none() && !says(b"deleted file mode ") {
        line(format!("deleted file mode {}", mode(files, old)?).as_bytes());
    }
    let binary = !section.binary.is_empty();
    section.headers.iter().filter(|text| binary || !text.starts_with(b"index ")).for_each(|text| line(text));
    if binary {
        line(b"GIT binary patch");
        section.binary.iter().for_each(|half| line(half));
    }
    if section.hunks.is_empty() {
        return Ok(());
    }
    line(format!("--- {}", name("a/", names.old.as_deref())).as_bytes());
    line(format!("+++ {}", name("b/", names.new.as_deref())).as_bytes());
    for hunk in &section.hunks {
        let mut header = format!("@@ -{} +{} @@", range(hunk.old), range(hunk.new)).into_bytes();
        header.extend_from_slice(&hunk.heading);
        line(&header);
        hunk.lines.iter().for_each(|text| line(&text[..text.len() - 1]));
    }
    Ok(())
}

fn mode(files: &Files<'_>, path: &str) -> Result<&'static str> {
    Ok(match files.get(path)?.map(|file| file.mode) {
        None | Some(Mode::Plain) => "100644",
        Some(Mode::Executable) => "100755",
        Some(Mode::Link) => "120000",
    })
}

fn range((start, count): (u64, u64)) -> String {
    if count == 1 { start.to_string() } else { format!("{start},{count}") }
}

/// A name behind `---` or `+++`; git ends one that holds a blank with a tabulator.
fn name(prefix: &str, path: Option<&str>) -> String {
    match path {
        None => "/dev/null".to_owned(),
        Some(path) => quoted(prefix, path) + if path.contains(' ') { "\t" } else { "" },
    }
}

/// In git's C-style quotes where git needs them.
fn quoted(prefix: &str, path: &str) -> String {
    let plain = |byte: u8| (b' '..0x7f).contains(&byte) && !matches!(byte, b'"' | b'\\');
    if path.bytes().all(plain) {
        return format!("{prefix}{path}");
    }
    let escaped = path.bytes().map(|byte| match byte {
        b'\t' => "\\t".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("\\{byte:03o}"),
    });
    format!("\"{prefix}{}\"", escaped.collect::<String>())
}
