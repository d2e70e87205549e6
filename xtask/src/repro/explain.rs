//! Follows a difference of two contents to its first bytes: by ELF section, by line, or by offset.

use super::causes;
use super::compare::Pair;
use crate::digest::hex;
use goblin::elf::Elf;
use goblin::elf::section_header::SHT_NOBITS;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes that are shown of each side of binary data.
const BYTES: usize = 16;
/// Characters that are shown before and after the first difference in a line.
const CHARS: usize = 40;

/// Every section that differs; what lies between sections when none does.
pub fn elf(pair: &mut Pair, first: &[u8], second: &[u8]) {
    let (Some(one), Some(other)) = (sections(first), sections(second)) else {
        return binary(pair, first, second, "bytes of a broken ELF file");
    };
    for id @ (name, _) in one.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
        let mut inside = pair.inside(name);
        match (one.get(id), other.get(id)) {
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) => {
                binary(&mut inside, one, other, "ELF section");
                let last = inside.found.last_mut().expect("two different contents have a difference");
                if let Some(cause) = derived(name, one, last.offset.unwrap_or_default()) {
                    last.causes = vec![cause.to_owned()];
                }
            }
            (one, other) => {
                let said = |section: Option<&&[u8]>| {
                    section.map_or("nothing".to_owned(), |bytes| format!("a section of {} bytes", bytes.len()))
                };
                inside.report("ELF section on one side only", (said(one), said(other)));
            }
        }
    }
}

/// What holds nothing of its own.
fn derived(section: &str, content: &[u8], at: usize) -> Option<&'static str> {
    const DEBUG_LINK: &str = "debug link: a check sum of the debug file, follows from another difference";
    const BUILD_ID: &str = "build-id: the linker's digest of the file, follows from another difference";
    // A note of the type 3, NT_GNU_BUILD_ID, with the owner GNU, wherever a linker script puts it; the digest follows.
    const NOTE: &[u8] = b"\x03\0\0\0GNU\0";
    const LONGEST: usize = 20;
    let before = &content[at.saturating_sub(NOTE.len() + LONGEST)..at.min(content.len())];
    match section {
        ".gnu_debuglink" => Some(DEBUG_LINK),
        _ if section.starts_with(".note") && memchr::memmem::find(before, NOTE).is_some() => Some(BUILD_ID),
        _ => None,
    }
}

/// Content by name, and by how many sections of that name stand before it.
fn sections(bytes: &[u8]) -> Option<BTreeMap<(String, usize), &[u8]>> {
    let elf = Elf::parse(bytes).ok()?;
    let mut sections = BTreeMap::new();
    for header in &elf.section_headers {
        let name = elf.shdr_strtab.get_at(header.sh_name).unwrap_or("(no name)");
        if header.sh_type == SHT_NOBITS || name.is_empty() {
            continue;
        }
        let content = header.file_range().and_then(|range| bytes.get(range)).unwrap_or_default();
        let count = (0..).find(|count| !sections.contains_key(&(name.to_owned(), *count))).expect("endless");
        sections.insert((name.to_owned(), count), content);
    }
    Some(sections)
}

/// The first line that differs.
pub fn text(pair: &mut Pair, first: &[u8], second: &[u8]) {
    let lines = |bytes| -> Vec<&[u8]> { <[u8]>::split(bytes, |b| *b == b'\n').collect() };
    let (one, other) = (lines(first), lines(second));
    let number = one.iter().zip(&other).position(|(one, other)| one != other).unwrap_or(one.len().min(other.len()));
    let (line, other_line) = (one.get(number).copied(), other.get(number).copied());
    let (line, other_line) = (line.unwrap_or_default(), other_line.unwrap_or_default());
    let at = first_difference(line, other_line);
    let mut inside = pair.inside(&format!("line {}", number + 1));
    let mut causes = causes::name(line, other_line, at, inside.clues);
    let sorted = |mut lines: Vec<&'_ [u8]>| {
        lines.sort();
        lines.concat()
    };
    if one.len() == other.len() && sorted(one) == sorted(other) {
        causes.insert(0, "order: the same lines in another order".to_owned());
    }
    let difference = inside.report("text", (around(line, at), around(other_line, at)));
    difference.offset = Some(at);
    difference.causes = causes;
}

fn around(line: &[u8], at: usize) -> String {
    let text = String::from_utf8_lossy(line);
    let before = text.char_indices().take_while(|(place, _)| *place < at).count();
    let skipped = before.saturating_sub(CHARS);
    let shown: String = text.chars().skip(skipped).take(2 * CHARS).collect();
    format!(
        "{}{}{}",
        if skipped > 0 { "…" } else { "" },
        visible(&shown),
        if text.chars().count() > skipped + 2 * CHARS { "…" } else { "" }
    )
}

/// Only what cannot be seen is written in another way.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// The first bytes that differ.
pub fn binary(pair: &mut Pair, first: &[u8], second: &[u8], what: &str) {
    let at = first_difference(first, second);
    let mut causes = causes::name(first, second, at, pair.clues);
    if causes.is_empty() {
        causes.extend(causes::unix_time_in_bytes(first, second, at));
    }
    let mut what = what.to_owned();
    if first.len() != second.len() {
        what += &format!(", {} and {} bytes", first.len(), second.len());
    }
    let difference = pair.report(&what, (dump(first, at), dump(second, at)));
    difference.offset = Some(at);
    difference.causes = causes;
}

fn first_difference(first: &[u8], second: &[u8]) -> usize {
    // Whole blocks first, which are compared many bytes at a time.
    const BLOCK: usize = 4096;
    let blocks = first.chunks(BLOCK).zip(second.chunks(BLOCK)).take_while(|(one, other)| one == other).count();
    let from = (blocks * BLOCK).min(first.len()).min(second.len());
    let rest = first[from..].iter().zip(&second[from..]).position(|(one, other)| one != other);
    rest.map_or(first.len().min(second.len()), |at| from + at)
}

/// `6162 |ab|`, as a hex editor shows it.
fn dump(bytes: &[u8], at: usize) -> String {
    let shown = &bytes[at.min(bytes.len())..bytes.len().min(at + BYTES)];
    if shown.is_empty() {
        return "the end".to_owned();
    }
    let printable = |b: &u8| if (0x20..0x7f).contains(b) { char::from(*b) } else { '.' };
    format!("{} |{}|", hex(shown), shown.iter().map(printable).collect::<String>())
}
