//! A patch's text by lines, within bounds: a line or a file that no patch is as long as is refused while it is read, so that a
//! hostile one costs no memory.

use anyhow::{Result, bail};
use fs_err as fs;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

/// Far above any patch to a source; binary data comes in lines of 66 bytes.
const LINE_LIMIT: usize = 16 << 20;
const FILE_LIMIT: usize = 256 << 20;

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
    bounded(BufReader::new(fs::File::open(path)?))
}

fn bounded(mut reader: impl BufRead) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    for number in 1.. {
        let taken = reader.by_ref().take(LINE_LIMIT as u64 + 1).read_until(b'\n', &mut text)?;
        if taken > LINE_LIMIT {
            bail!("line {number}: longer than {} MiB", LINE_LIMIT >> 20);
        }
        if text.len() > FILE_LIMIT {
            bail!("line {number}: more than {} MiB up to here", FILE_LIMIT >> 20);
        }
        if taken == 0 {
            break;
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::repeat;

    #[test]
    fn what_is_too_large_is_refused_while_it_is_read() {
        let endless = BufReader::new(b"one\n".chain(repeat(b'x')));
        assert_eq!(bounded(endless).unwrap_err().to_string(), "line 2: longer than 16 MiB");
        let line = [vec![b'x'; LINE_LIMIT - 1], vec![b'\n']].concat();
        assert_eq!(bounded(line.as_slice()).unwrap(), line);
    }
}
