//! What stands in front of an .rpm's payload: lead, signature and header, as rpm's file format V4 (docs/manual/format_v4.md in
//! rpm's sources) lays them out. Takes bytes; each tag becomes a text of its values, one a line.
//!
//! The payload is a compressed cpio archive, which `members` reads like any other.

use anyhow::{Context as _, Result, ensure};

pub const MAGIC: &[u8] = b"\xed\xab\xee\xdb";

/// Bytes of the lead, which rpm itself no longer reads.
const LEAD: usize = 96;
const HEADER: &[u8] = b"\x8e\xad\xe8\x01";
/// Bytes of a header's introduction, and of each entry in its index.
const INTRODUCTION: usize = 16;
const ENTRY: usize = 16;

/// Names of tags that say where a package comes from (rpm's rpmtag.h); the others go by their number.
const TAGS: [(u32, &str); 42] = [
    (62, "HEADERSIGNATURES"),
    (63, "HEADERIMMUTABLE"),
    (1000, "NAME"),
    (1001, "VERSION"),
    (1002, "RELEASE"),
    (1004, "SUMMARY"),
    (1005, "DESCRIPTION"),
    (1006, "BUILDTIME"),
    (1007, "BUILDHOST"),
    (1009, "SIZE"),
    (1011, "VENDOR"),
    (1014, "LICENSE"),
    (1015, "PACKAGER"),
    (1016, "GROUP"),
    (1020, "URL"),
    (1022, "ARCH"),
    (1023, "PREIN"),
    (1024, "POSTIN"),
    (1025, "PREUN"),
    (1026, "POSTUN"),
    (1028, "FILESIZES"),
    (1030, "FILEMODES"),
    (1034, "FILEMTIMES"),
    (1035, "FILEDIGESTS"),
    (1036, "FILELINKTOS"),
    (1037, "FILEFLAGS"),
    (1039, "FILEUSERNAME"),
    (1040, "FILEGROUPNAME"),
    (1044, "SOURCERPM"),
    (1047, "PROVIDENAME"),
    (1049, "REQUIRENAME"),
    (1050, "REQUIREVERSION"),
    (1064, "RPMVERSION"),
    (1080, "CHANGELOGTIME"),
    (1094, "COOKIE"),
    (1096, "FILEINODES"),
    (1116, "DIRINDEXES"),
    (1117, "BASENAMES"),
    (1118, "DIRNAMES"),
    (1125, "PAYLOADCOMPRESSOR"),
    (5092, "PAYLOADDIGEST"),
    (5097, "PAYLOADDIGESTALT"),
];

/// A part by its place.
type Part = (String, Vec<u8>);

/// What is in front, and the payload.
pub fn parts(bytes: &[u8]) -> Result<(Vec<Part>, &[u8])> {
    let lead = bytes.get(..LEAD).context("the lead is cut short")?;
    let mut parts = vec![("lead".to_owned(), lead.to_vec())];
    let signature = LEAD + header("signature", &bytes[LEAD..], &mut parts).context("reading the signature")?;
    // Only the signature is filled up, to a multiple of eight.
    let start = signature.next_multiple_of(8);
    let rest = bytes.get(start..).context("the header is missing")?;
    let size = header("header", rest, &mut parts).context("reading the header")?;
    Ok((parts, &rest[size..]))
}

/// Adds the tags of the header that `bytes` begin with; gives its size.
fn header(which: &str, bytes: &[u8], parts: &mut Vec<Part>) -> Result<usize> {
    ensure!(bytes.starts_with(HEADER), "it does not begin with 8eade801");
    let (count, size) = (word(bytes, 8)? as usize, word(bytes, 12)? as usize);
    let store = count.checked_mul(ENTRY).and_then(|index| index.checked_add(INTRODUCTION)).context("it has no end")?;
    let end = store.checked_add(size).filter(|end| *end <= bytes.len()).context("it is cut short")?;
    let data = &bytes[store..end];
    for number in 0..count {
        let at = INTRODUCTION + number * ENTRY;
        let (tag, kind) = (word(bytes, at)?, word(bytes, at + 4)?);
        let (offset, values) = (word(bytes, at + 8)? as usize, word(bytes, at + 12)? as usize);
        let name = TAGS.iter().find(|(known, _)| *known == tag && (which == "header" || tag < 100));
        let name = name.map_or_else(|| format!("tag {tag}"), |(_, name)| (*name).to_owned());
        let value = data.get(offset..).and_then(|data| rendered(kind, data, values));
        let value = value.with_context(|| format!("{name} lies outside of its header"))?;
        parts.push((format!("{which} {name}"), value));
    }
    Ok(end)
}

fn word(bytes: &[u8], at: usize) -> Result<u32> {
    let word = bytes.get(at..at + 4).context("it is cut short")?;
    Ok(u32::from_be_bytes(word.try_into().expect("four bytes")))
}

/// The values of a tag, one a line; what is no text and no number as hexadecimal digits.
fn rendered(kind: u32, data: &[u8], count: usize) -> Option<Vec<u8>> {
    let numbers = |size: usize| {
        let bytes = data.get(..count.checked_mul(size)?)?;
        let number = |chunk: &[u8]| chunk.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Some(bytes.chunks(size).map(|chunk| format!("{}\n", number(chunk))).collect::<String>().into_bytes())
    };
    match kind {
        0 => Some(Vec::new()),
        1 | 2 => numbers(1),
        3 => numbers(2),
        4 => numbers(4),
        5 => numbers(8),
        6 | 8 | 9 => {
            let mut text = Vec::new();
            let mut rest = data;
            for _ in 0..if kind == 6 { 1 } else { count } {
                let end = memchr::memchr(0, rest)?;
                text.extend_from_slice(&rest[..end]);
                text.push(b'\n');
                rest = &rest[end + 1..];
            }
            Some(text)
        }
        _ => Some((crate::digest::hex(data.get(..count)?) + "\n").into_bytes()),
    }
}
