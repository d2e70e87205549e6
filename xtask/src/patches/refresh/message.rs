//! A patch's head for what its commit says now: its bytes stay as long as they say the same.

use super::super::Patch;
use super::super::commits;
use super::super::mail::Mail;
use anyhow::Result;

/// The head, and whether it had to change. A diffstat is taken out of it when it is `stale`.
pub fn head(patch: &Patch, now: &Mail, stale: bool) -> Result<(Vec<u8>, bool)> {
    let head = &patch.text[..patch.diff.start()];
    let mail = commits::mail(patch)?;
    let said = commits::as_committed(&mail);
    let is_same =
        same(&said.message(), &now.message()) && same_author(&said.author, &now.author) && said.date == now.date;
    if is_same {
        return Ok((if stale { without_diffstat(head) } else { head.to_vec() }, false));
    }
    let notes = if stale { kept(&mail.notes) } else { mail.notes };
    Ok((Mail { notes, ..now.clone() }.write(), true))
}

/// Whether two messages are the same to git, which takes away white space at the ends of lines and empty lines when it commits
/// anew, and makes UTF-8 of Latin-1.
pub fn same(one: &[u8], other: &[u8]) -> bool {
    let clean = |text: &[u8]| {
        let text = utf8(text);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let mut kept: Vec<String> = Vec::new();
        for line in lines {
            if !line.is_empty() || kept.last().is_some_and(|last| !last.is_empty()) {
                kept.push(line.to_owned());
            }
        }
        kept.join("\n").trim_end().to_owned()
    };
    one == other || clean(one) == clean(other)
}

/// Git also takes away what it finds odd around a name.
fn same_author(one: &[u8], other: &[u8]) -> bool {
    let clean = |author: &[u8]| -> Vec<String> {
        let odd = |c: char| c.is_ascii_control() || " .,:;<>\"\\'".contains(c);
        utf8(author).split('<').map(|part| part.trim_matches(odd).to_owned()).collect()
    };
    one == other || clean(one) == clean(other)
}

/// As git reads what is not UTF-8: each byte that belongs to no character is one of Latin-1.
fn utf8(text: &[u8]) -> String {
    let mut out = String::new();
    for chunk in text.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|&byte| char::from(byte)));
    }
    out
}

/// The head without the diffstat between `---` and the diff.
fn without_diffstat(head: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = head.split_inclusive(|&b| b == b'\n').collect();
    let Some(end) = lines.iter().position(|line| line.trim_ascii_end() == b"---") else { return head.to_vec() };
    let notes = lines[end + 1..].concat();
    let left = kept(&notes);
    if left == notes.trim_ascii_end() {
        return head.to_vec();
    }
    let gap: &[u8] = if left.is_empty() { b"\n" } else { b"\n\n" };
    [&lines[..=end].concat(), &left[..], gap].concat()
}

/// Notes without the lines of a diffstat.
fn kept(notes: &[u8]) -> Vec<u8> {
    let lines = notes.split_inclusive(|&b| b == b'\n').filter(|line| !is_diffstat(line.trim_ascii_end()));
    let text = lines.collect::<Vec<_>>().concat();
    let start = text.iter().take_while(|&&b| b == b'\n' || b == b'\r').count();
    text[start..].trim_ascii_end().to_vec()
}

/// ` tools/a.c | 3 +++`, ` 1 file changed, 3 insertions(+)`, ` create mode 100644 tools/a.c`
fn is_diffstat(line: &[u8]) -> bool {
    let Some(text) = line.strip_prefix(b" ").and_then(|line| std::str::from_utf8(line).ok()) else { return false };
    let counts = |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) || text.starts_with("Bin");
    let file = text.rsplit_once(" | ").is_some_and(|(_, counted)| counts(counted.trim_start()));
    let sum = text.contains(" changed") && text.starts_with(|c: char| c.is_ascii_digit());
    let summary = ["create mode ", "delete mode ", "mode change ", "rename ", "copy "];
    file || sum || summary.iter().any(|start| text.trim_start().starts_with(start))
}
