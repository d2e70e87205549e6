//! Where a hunk stands in a file, by the rule of `git apply`:
//!
//! - The lines of its old side must be found whole, one after another, and none of them may come from an earlier hunk.
//! - A hunk that says line 1 or 0 stands at the beginning of the file; one whose last line is a change stands at its end.
//! - Any other stands at the line that its header's new side says, since the hunks before it have been applied, or else at the
//!   nearest place that fits, the later one of two that are equally near. An earlier hunk's offset does not matter.
//!
//! Two things that git lets pass are refused, because text would be joined or put somewhere: a line without an end that is not the
//! file's last one, and a hunk of nothing but new lines that does not say the file's end.

use super::Direction;
use memchr::{memchr_iter, memmem};
use std::ops::Range;

/// What a hunk looks for, and what it puts there.
pub struct Wanted {
    before: Vec<u8>,
    after: Vec<u8>,
    /// The line of the result at which it should stand, counted from 0.
    line: usize,
    at_beginning: bool,
    at_end: bool,
}

impl Wanted {
    /// Reads a hunk with its header.
    pub fn read(text: &[u8], old_start: u64, new_start: u64, direction: Direction) -> Wanted {
        let (removed, added) = match direction {
            Direction::Forward => (b'-', b'+'),
            Direction::Reverse => (b'+', b'-'),
        };
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut at_end = false;
        let mut rest = &text[line_length(text)..];
        while let Some(&kind) = rest.first() {
            let (line, others) = rest.split_at(line_length(rest));
            rest = others;
            if kind == b'\\' {
                continue;
            }
            // A context line whose blank is lost is empty.
            let content = if matches!(kind, b'\n' | b'\r') { line } else { &line[1..] };
            let ended = rest.first() != Some(&b'\\');
            let content = if ended { content } else { content.strip_suffix(b"\n").unwrap_or(content) };
            if kind != added {
                before.extend_from_slice(content);
            }
            if kind != removed {
                after.extend_from_slice(content);
            }
            at_end = kind == removed || kind == added;
        }
        let line = usize::try_from(new_start).unwrap_or(usize::MAX).saturating_sub(1);
        Wanted { before, after, line, at_beginning: old_start <= 1, at_end }
    }
}

fn line_length(text: &[u8]) -> usize {
    memchr::memchr(b'\n', text).map_or(text.len(), |end| end + 1)
}

/// A file's content while hunks are applied to it.
pub struct Image {
    bytes: Vec<u8>,
    /// What hunks have put there.
    patched: Vec<Range<usize>>,
}

impl Image {
    pub fn of(bytes: &[u8]) -> Image {
        Image { bytes: bytes.to_vec(), patched: Vec::new() }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Applies a hunk; by how many lines it was off, or None where it does not fit.
    pub fn replace(&mut self, wanted: &Wanted) -> Option<i64> {
        let start = self.find(wanted)?;
        let lines = if self.line(wanted.line) == Some(start) {
            0
        } else {
            newlines(&self.bytes[..start]) as i64 - wanted.line as i64
        };
        let tail = self.bytes.split_off(start + wanted.before.len());
        self.bytes.truncate(start);
        self.bytes.extend_from_slice(&wanted.after);
        for range in self.patched.iter_mut().filter(|range| range.start >= start) {
            *range = range.start - wanted.before.len() + wanted.after.len()
                ..range.end - wanted.before.len() + wanted.after.len();
        }
        self.patched.push(start..self.bytes.len());
        self.bytes.extend_from_slice(&tail);
        Some(lines)
    }

    fn find(&self, wanted: &Wanted) -> Option<usize> {
        if wanted.before.is_empty() {
            // Nothing says where it belongs but the number.
            let ended = self.bytes.last().is_none_or(|&last| last == b'\n');
            let end = self.line(wanted.line) == Some(self.bytes.len()) && !(wanted.at_beginning && wanted.line > 0);
            return (ended && end).then_some(self.bytes.len());
        }
        if wanted.at_beginning {
            let whole = !wanted.at_end || self.bytes.len() == wanted.before.len();
            return (whole && self.fits(0, wanted)).then_some(0);
        }
        if wanted.at_end {
            return self.bytes.len().checked_sub(wanted.before.len()).filter(|&start| self.fits(start, wanted));
        }
        self.line(wanted.line).filter(|&start| self.fits(start, wanted)).or_else(|| self.nearest(wanted))
    }

    fn fits(&self, start: usize, wanted: &Wanted) -> bool {
        let end = start + wanted.before.len();
        self.bytes[start..].starts_with(&wanted.before)
            && (start == 0 || self.bytes[start - 1] == b'\n')
            && (end == self.bytes.len() || wanted.before.ends_with(b"\n"))
            && !self.patched.iter().any(|patched| patched.start < end && start < patched.end)
    }

    fn nearest(&self, wanted: &Wanted) -> Option<usize> {
        let finder = memmem::Finder::new(&wanted.before);
        let mut best: Option<((usize, bool), usize)> = None;
        // The line of a place, counted from the place before it.
        let (mut from, mut counted, mut line) = (0, 0, 0);
        while let Some(found) = finder.find(&self.bytes[from..]) {
            let start = from + found;
            from = start + 1;
            if !self.fits(start, wanted) {
                continue;
            }
            line += newlines(&self.bytes[counted..start]);
            counted = start;
            let rank = (line.abs_diff(wanted.line), line < wanted.line);
            if best.is_some_and(|(best, _)| best < rank) {
                // From here on, each is farther away.
                break;
            }
            best = Some((rank, start));
        }
        best.map(|(_, start)| start)
    }

    /// Where a line begins, counted from 0; the end is the line after the last.
    fn line(&self, number: usize) -> Option<usize> {
        const STEP: usize = 4096;
        let mut left = number;
        for (index, part) in self.bytes.chunks(STEP).enumerate() {
            if left == 0 {
                return Some(index * STEP);
            }
            let here = newlines(part);
            if here >= left {
                return memchr_iter(b'\n', part).nth(left - 1).map(|end| index * STEP + end + 1);
            }
            left -= here;
        }
        (left == 0).then_some(self.bytes.len())
    }
}

fn newlines(bytes: &[u8]) -> usize {
    memchr_iter(b'\n', bytes).count()
}
