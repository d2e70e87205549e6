//! The console, which is libxl's log of the device model in dom0: lines of init, and what QEMU says.
//!
//! Both together are bounded, since the log lies on dom0's disk and a guest can make QEMU talk (XSA-180). Whatever is not printable
//! is replaced. It does not wait for anybody: a line that dom0 does not take is lost.

use crate::message::{Fault, Note};
use crate::sys::{Errno, Fd, OUT, Poll, poll};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use protocol::qmp::Lines;

/// What may be written before only the end is, in bytes: what libxl allowed a QEMU with the patch for XSA-180.
pub const MOST: usize = 1 << 20;
/// The longest line of QEMU's that is shown whole, in bytes.
const LINE: usize = 1024;

pub struct Console {
    to: Fd,
    written: Cell<usize>,
}

impl Console {
    pub fn new(to: Fd) -> Console {
        Console { to, written: Cell::new(0) }
    }

    pub fn note(&self, note: &Note) {
        self.bounded(&format!("stubdom: {note}\n"));
    }

    /// Comes through however much was written.
    pub fn fault(&self, fault: &Fault) {
        self.write(&printable(format!("stubdom: error: {fault}").as_bytes()));
    }

    /// As [`Console::fault`], for what is said after one.
    pub fn last(&self, note: &Note) {
        self.write(&printable(format!("stubdom: {note}").as_bytes()));
    }

    fn bounded(&self, line: &str) {
        let before = self.written.get();
        self.written.set(before.saturating_add(line.len()));
        match (before, self.written.get()) {
            (_, ..=MOST) => self.write(&printable(line.trim_end().as_bytes())),
            (..=MOST, _) => self.last(&Note::Full(MOST)),
            _ => (),
        }
    }

    fn write(&self, line: &str) {
        let text = format!("{line}\n");
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match self.to.write(rest) {
                Ok(length) => rest = &rest[length.min(rest.len())..],
                Err(Errno::AGAIN) => {
                    if !matches!(poll(&mut [Poll::new(&self.to, OUT)], 1000), Ok(1..)) {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }
}

fn printable(line: &[u8]) -> String {
    let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(line).chars().map(shown).collect()
}

/// What a program writes, relayed line by line.
pub struct Relay {
    from: Fd,
    lines: Lines,
    last: String,
}

impl Relay {
    pub fn new(from: Fd) -> Relay {
        Relay { from, lines: Lines::new(LINE), last: String::new() }
    }

    pub fn fd(&self) -> &Fd {
        &self.from
    }

    /// The last line that was not empty.
    pub fn last(&self) -> &str {
        &self.last
    }

    /// Shows what is there now. False when the other side is closed.
    pub fn pump(&mut self, console: &Console) -> bool {
        let mut bytes = [0; LINE / 2];
        // A program that never stops talking must not keep init from everything else.
        for _ in 0..16 {
            match self.from.read(&mut bytes) {
                Ok(0) => {
                    let rest = self.lines.rest();
                    self.show(console, &rest);
                    return false;
                }
                Ok(length) => {
                    let before = self.lines.rest();
                    let whole: Vec<u8> = [&before, &bytes[..length]].concat();
                    match self.lines.feed(&whole) {
                        Ok(lines) => lines.iter().for_each(|line| self.show(console, line)),
                        Err(_) => self.show(console, &whole),
                    }
                }
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
        true
    }

    fn show(&mut self, console: &Console, line: &[u8]) {
        let text = printable(line.trim_ascii_end());
        if !text.is_empty() {
            console.bounded(&format!("qemu: {text}\n"));
            self.last = text.chars().take(300).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::file;

    fn all(of: &Fd) -> String {
        let (mut text, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = of.read(&mut piece) {
            text.extend(&piece[..length]);
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn lines_are_marked_and_clean() {
        let (read, write) = file::pipe().unwrap();
        let console = Console::new(write);
        let (output, program) = file::pipe().unwrap();
        let mut relay = Relay::new(output);
        console.note(&Note::Running);
        program.write(b"one\n\ntwo \x1b[2J\xff\r\nthr").unwrap();
        assert!(relay.pump(&console));
        program.write(b"ee").unwrap();
        drop(program);
        assert!(!relay.pump(&console));
        console.fault(&Fault::Wait(Errno(12)));
        let expected = "stubdom: QEMU says that it runs\nqemu: one\nqemu: two \u{fffd}[2J\u{fffd}\nqemu: three\n\
                        stubdom: error: waiting for something to do: out of memory (errno 12); this is a bug in init\n";
        assert_eq!((all(&read).as_str(), relay.last()), (expected, "three"));
    }

    #[test]
    fn a_program_that_talks_and_talks_is_cut_off_and_the_end_is_not() {
        let (read, write) = file::pipe().unwrap();
        let console = Console::new(write);
        let (output, program) = file::pipe().unwrap();
        let mut relay = Relay::new(output);
        let (mut shown, mut sent) = (String::new(), 0);
        while sent < 2 * MOST {
            sent += program.write(&[b'x'; 4000]).unwrap();
            while let Ok(1..) = poll(&mut [Poll::new(relay.fd(), crate::sys::IN)], 0) {
                assert!(relay.pump(&console));
                shown += &all(&read);
            }
        }
        console.fault(&Fault::Wait(Errno(12)));
        console.note(&Note::Running);
        shown += &all(&read);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(shown.len() < MOST + 1000 && lines[0].starts_with("qemu: xxx"), "{}", shown.len());
        assert!(lines[lines.len() - 2].contains("1048576 bytes were written here"));
        assert!(lines[lines.len() - 1].contains("waiting for something to do"));
    }
}
