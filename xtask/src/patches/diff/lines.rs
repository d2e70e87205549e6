//! A patch's text by lines, within bounds: a line or a file that no patch is as long as is refused while it is read, so that a
//! hostile one costs no memory.

use anyhow::{Result, bail};
use fs_err as fs;
use std::io::Read;
use std::path::Path;

/// Far above any patch to a source; binary data comes in lines of 66 bytes.
const LINE_LIMIT: usize = 16 << 20;
const FILE_LIMIT: usize = 256 << 20;
/// How much is read at once; far below the limit of a line, so that no line longer than that hides in one.
const PIECE: u64 = 1 << 20;

/// One line with its end.
#[derive(Clone, Copy, Debug)]
pub struct Line<'t> {
    pub bytes: &'t [u8],
    /// Its place in the text.
    pub start: usize,
    /// Counted from 1.
    pub number: usize,
}

/// Without `\n` or `\r\n`.
pub fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The lines that are still to be read.
pub struct Lines<'t> {
    text: &'t [u8],
    offset: usize,
    number: usize,
}

impl<'t> Lines<'t> {
    pub fn of(text: &'t [u8]) -> Lines<'t> {
        Lines { text, offset: 0, number: 1 }
    }

    /// The line after `skip` others.
    pub fn peek(&self, skip: usize) -> Option<Line<'t>> {
        let mut ahead = Lines { ..*self };
        for _ in 0..skip {
            ahead.next();
        }
        ahead.next()
    }

    /// What has been read from `start` on.
    pub fn since(&self, start: usize) -> &'t [u8] {
        &self.text[start..self.offset]
    }

    /// Where the next line begins within the text.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl<'t> Iterator for Lines<'t> {
    type Item = Line<'t>;

    fn next(&mut self) -> Option<Line<'t>> {
        let rest = &self.text[self.offset..];
        if rest.is_empty() {
            return None;
        }
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let line = Line { bytes: &rest[..length], start: self.offset, number: self.number };
        self.offset += length;
        self.number += 1;
        Some(line)
    }
}

/// The whole of a patch file, or the first line at which it is too large.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    bounded(fs::File::open(path)?, FILE_LIMIT)
}

/// Looks at a piece at a time, not at each line: a queue may have a million of them.
fn bounded(mut reader: impl Read, limit: usize) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    // Where the line begins that is being read.
    let mut start = 0;
    let number = |text: &[u8], start: usize| memchr::memchr_iter(b'\n', &text[..start]).count() + 1;
    loop {
        let known = text.len();
        if reader.by_ref().take(PIECE).read_to_end(&mut text)? == 0 {
            return Ok(text);
        }
        let end = memchr::memchr(b'\n', &text[known..]).map_or(text.len(), |end| known + end);
        if end - start > LINE_LIMIT {
            bail!("line {}: longer than {} MiB", number(&text, start), LINE_LIMIT >> 20);
        }
        start = memchr::memrchr(b'\n', &text[known..]).map_or(start, |end| known + end + 1);
        if text.len() > limit {
            bail!("line {}: more than {} MiB up to here", number(&text, start), limit >> 20);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::repeat;

    #[test]
    fn what_is_too_large_is_refused_while_it_is_read() {
        let endless = b"one\n".chain(repeat(b'x'));
        assert_eq!(bounded(endless, FILE_LIMIT).unwrap_err().to_string(), "line 2: longer than 16 MiB");
        let long = [vec![b'x'; LINE_LIMIT], vec![b'\n']].concat();
        assert_eq!(bounded([long.clone(), long].concat().as_slice(), FILE_LIMIT).unwrap().len(), 2 * (LINE_LIMIT + 1));
        let endless = bounded(repeat(b'\n'), 2 << 20).unwrap_err().to_string();
        assert_eq!(endless, "line 3145729: more than 2 MiB up to here");
    }
}
