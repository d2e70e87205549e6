//! What a peer sends for QEMU, cut into whole messages before QEMU sees any of it.
//!
//! QEMU's own reader takes up to 64 MiB for one token. Here a message is at most [`MOST`] bytes and [`json::DEPTH`] deep, and one
//! that is not finished is never passed on: a peer that stops half-way leaves nothing behind in QEMU. What a command means is not
//! looked at.

use crate::json;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// One message, in bytes. libxl's longest, device_add and blockdev-add, have some hundred.
pub const MOST: usize = 64 << 10;

#[derive(Default)]
pub struct Gate {
    message: Vec<u8>,
    depth: usize,
    quoted: bool,
    escaped: bool,
}

impl Gate {
    /// The messages that are complete now. After an error nothing of the stream can be trusted: its start is lost.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let mut messages = Vec::new();
        for byte in bytes {
            if self.message.is_empty() && b" \t\r\n".contains(byte) {
                continue;
            }
            if self.message.is_empty() && *byte != b'{' {
                return Err(format!("byte {byte:#04x} where a QMP command begins"));
            }
            self.message.push(*byte);
            if self.message.len() > MOST {
                return Err(format!("a QMP command of more than {MOST} bytes"));
            }
            match (self.quoted, byte) {
                (true, _) if self.escaped => self.escaped = false,
                (true, b'\\') => self.escaped = true,
                (_, b'"') => self.quoted = !self.quoted,
                (true, _) => (),
                (false, b'{' | b'[') => self.depth += 1,
                (false, b'}' | b']') => self.depth -= 1,
                _ => (),
            }
            if self.depth > json::DEPTH {
                return Err(format!("a QMP command nested deeper than {}", json::DEPTH));
            }
            if self.depth == 0 {
                let mut message = core::mem::take(&mut self.message);
                json::members(&message).map_err(|what| format!("a QMP command with {what}"))?;
                message.extend(b"\r\n");
                messages.push(message);
            }
        }
        Ok(messages)
    }

    /// Bytes of a message that is not finished.
    pub fn pending(&self) -> usize {
        self.message.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    #[test]
    fn messages_pass_whole_whatever_the_pieces() {
        let commands = [
            r#"{"execute":"qmp_capabilities"}"#,
            r#"{"execute":"a","arguments":{"x":"}{\"\\","y":[[1],{}]}}"#,
            r#"{}"#,
        ];
        for seed in 0..500 {
            let mut chance = Chance::new(seed);
            let sent: Vec<&str> = (0..chance.below(5)).map(|_| *chance.pick(&commands)).collect();
            let stream =
                sent.iter().map(|m| format!("{m}{}", chance.pick(&["", "\n", "\r\n", "  "]))).collect::<String>();
            let (mut gate, mut got, mut rest) = (Gate::default(), Vec::new(), stream.as_bytes());
            while !rest.is_empty() {
                let (piece, later) = rest.split_at((chance.below(20) + 1).min(rest.len()));
                got.extend(gate.feed(piece).unwrap());
                rest = later;
            }
            let expected: Vec<Vec<u8>> = sent.iter().map(|m| format!("{m}\r\n").into_bytes()).collect();
            assert_eq!((got, gate.pending()), (expected, 0), "seed {seed}");
        }
    }

    #[test]
    fn rubbish_is_named() {
        let refused = |bytes: &[u8]| Gate::default().feed(bytes).unwrap_err();
        assert_eq!(refused(b"GET / HTTP/1.1"), "byte 0x47 where a QMP command begins");
        assert_eq!(refused(b"\x01{}"), "byte 0x01 where a QMP command begins");
        assert_eq!(refused(b"{\"a\"}"), "a QMP command with no colon behind a name");
        assert_eq!(refused(b"{]"), "a QMP command with no name where one belongs");
        assert_eq!(refused(&[b'{'; 100]), "a QMP command nested deeper than 64");
        assert_eq!(
            refused(&[b"{\"".to_vec(), alloc::vec![b'x'; MOST]].concat()),
            "a QMP command of more than 65536 bytes"
        );
    }

    #[test]
    fn a_flood_is_bounded() {
        for seed in 0..300 {
            let mut chance = Chance::new(seed);
            let mut gate = Gate::default();
            for _ in 0..50 {
                let bytes: Vec<u8> = (0..chance.below(5000)).map(|_| *chance.pick(b"{}[]\"\\a,: ")).collect();
                let passed = gate.feed(&bytes);
                assert!(gate.message.len() <= MOST + 1, "seed {seed}");
                if passed.is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn half_a_message_is_kept_back() {
        let mut gate = Gate::default();
        assert_eq!(gate.feed(b"{\"execute\":\"sto").unwrap(), Vec::<Vec<u8>>::new());
        assert_eq!(gate.pending(), 15);
    }
}
