//! The wire protocol of xenstore: requests to bytes, bytes to replies and watch events.
//!
//! Rests on `xen/include/public/io/xs_wire.h` and on `docs/misc/xenstore.txt`. A message is a header of four little-endian words
//! (type, request, transaction, length in bytes) and at most [`PAYLOAD_MAX`] bytes. It sends nothing and waits for nothing.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

/// XENSTORE_PAYLOAD_MAX, in bytes.
pub const PAYLOAD_MAX: usize = 4096;
/// struct xsd_sockmsg, in bytes.
pub const HEADER: usize = 16;
/// What a directory may hold in all, in bytes: a bound of ours, far above any command line that libxl writes.
pub const LISTING_MAX: usize = 1 << 20;

/// enum xsd_sockmsg_type, as far as a domain uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    Directory = 1,
    Read = 2,
    Watch = 4,
    Unwatch = 5,
    Write = 11,
    Mkdir = 12,
    Rm = 13,
    SetPerms = 14,
    WatchEvent = 15,
    Error = 16,
    DirectoryPart = 22,
}

impl Kind {
    const ALL: [Kind; 11] = [
        Kind::Directory,
        Kind::Read,
        Kind::Watch,
        Kind::Unwatch,
        Kind::Write,
        Kind::Mkdir,
        Kind::Rm,
        Kind::SetPerms,
        Kind::WatchEvent,
        Kind::Error,
        Kind::DirectoryPart,
    ];

    fn from_wire(number: u32) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| *kind as u32 == number)
    }
}

/// What comes back from xenstored that is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The name of an errno of `xsd_errors`, such as `ENOENT`.
    Denied(String),
    /// Bytes that the protocol does not know.
    Nonsense(String),
}

impl Refusal {
    /// Whether xenstored said this errno.
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Refusal::Denied(denied) if denied == name)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Refusal::Denied(name) => write!(f, "xenstored answers {name}"),
            Refusal::Nonsense(what) => write!(f, "xenstored answers {what}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub kind: Kind,
    pub request: u32,
    pub payload: Vec<u8>,
}

/// One request outside of any transaction. `parts` stand one after the other; who needs a terminating zero puts it there.
pub fn request(kind: Kind, request: u32, parts: &[&[u8]]) -> Result<Vec<u8>, Refusal> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length > PAYLOAD_MAX {
        return Err(Refusal::Nonsense(format!("nothing: a request of {length} bytes is over its {PAYLOAD_MAX}")));
    }
    let mut bytes = Vec::with_capacity(HEADER + length);
    for word in [kind as u32, request, 0, length as u32] {
        bytes.extend(word.to_le_bytes());
    }
    parts.iter().for_each(|part| bytes.extend(*part));
    Ok(bytes)
}

/// Puts messages together from bytes that come in pieces; keeps at most one message.
#[derive(Default)]
pub struct Decoder {
    bytes: Vec<u8>,
}

impl Decoder {
    /// How many bytes the message that is under way still wants; never zero, and never more than one message.
    pub fn wants(&self) -> usize {
        match self.bytes.get(12..HEADER) {
            None => HEADER - self.bytes.len(),
            Some(length) => (HEADER + number(length) as usize).saturating_sub(self.bytes.len()).clamp(1, PAYLOAD_MAX),
        }
    }

    /// Takes at most [`Decoder::wants`] bytes, so that what follows a message is still where it came from.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Message>, Refusal> {
        if bytes.len() > self.wants() {
            return Err(Refusal::Nonsense("more than one message at once".to_string()));
        }
        self.bytes.extend(bytes);
        let Some(header) = self.bytes.get(..HEADER) else { return Ok(None) };
        let length = number(&header[12..]) as usize;
        let kind = number(header);
        if length > PAYLOAD_MAX {
            return Err(Refusal::Nonsense(format!("a message of {length} bytes, over the protocol's {PAYLOAD_MAX}")));
        }
        let Some(known) = Kind::from_wire(kind) else {
            return Err(Refusal::Nonsense(format!("a message of type {kind}")));
        };
        if self.bytes.len() < HEADER + length {
            return Ok(None);
        }
        let payload = self.bytes[HEADER..].to_vec();
        let message = Message { kind: known, request: number(&self.bytes[4..]), payload };
        self.bytes.clear();
        Ok(Some(message))
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// The payload that answers a request of this kind. An error's payload is the errno's name and a zero.
pub fn reply(message: Message, kind: Kind) -> Result<Vec<u8>, Refusal> {
    if message.kind == kind {
        return Ok(message.payload);
    }
    let name = message.payload.strip_suffix(b"\0").unwrap_or(&message.payload);
    match message.kind {
        Kind::Error if !name.is_empty() && name.len() < 32 && name.iter().all(u8::is_ascii_alphanumeric) => {
            Err(Refusal::Denied(String::from_utf8_lossy(name).into_owned()))
        }
        Kind::Error => Err(Refusal::Nonsense("an error without a name".to_string())),
        other => Err(Refusal::Nonsense(format!("{other:?} to a request of {kind:?}"))),
    }
}

/// Path and token of a watch event.
pub fn event(message: &Message) -> Option<(&[u8], &[u8])> {
    let mut parts = message.payload.split(|byte| *byte == 0);
    match (message.kind, parts.next(), parts.next()) {
        (Kind::WatchEvent, Some(path), Some(token)) => Some((path, token)),
        _ => None,
    }
}

/// The names in a directory's reply: strings, each with a zero behind it.
pub fn names(payload: &[u8]) -> Result<Vec<String>, Refusal> {
    let Some(all) = payload.strip_suffix(b"\0") else {
        return if payload.is_empty() {
            Ok(Vec::new())
        } else {
            Err(Refusal::Nonsense("a list cut short".to_string()))
        };
    };
    let name = |name: &[u8]| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-/_@".contains(byte);
        match !name.is_empty() && name.iter().all(plain) {
            true => Ok(String::from_utf8_lossy(name).into_owned()),
            false => Err(Refusal::Nonsense(format!("the name {:?} in a list", String::from_utf8_lossy(name)))),
        }
    };
    all.split(|byte| *byte == 0).map(name).collect()
}

/// A directory whose names do not fit into one reply, gathered by XS_DIRECTORY_PART: each part opens with the directory's
/// generation, and a part that ends with an empty name is the last. A generation that changes starts the list anew.
#[derive(Default)]
pub struct Listing {
    generation: Vec<u8>,
    names: Vec<u8>,
}

impl Listing {
    /// Where the next part starts, in bytes, as the request says it.
    pub fn offset(&self) -> usize {
        self.names.len()
    }

    /// The names once the last part has come.
    pub fn add(&mut self, payload: &[u8]) -> Result<Option<Vec<String>>, Refusal> {
        let Some(end) = payload.iter().position(|byte| *byte == 0) else {
            return Err(Refusal::Nonsense("a part of a list without a generation".to_string()));
        };
        let (generation, part) = (&payload[..end], &payload[end + 1..]);
        if self.offset() > 0 && self.generation != generation {
            *self = Listing::default();
            return Ok(None);
        }
        self.generation = generation.to_vec();
        if part == b"\0" {
            return names(&self.names).map(Some);
        }
        if !part.ends_with(b"\0") {
            return Err(Refusal::Nonsense("a part of a list that is cut short".to_string()));
        }
        let last = part.ends_with(b"\0\0");
        self.names.extend(if last { &part[..part.len() - 1] } else { part });
        if self.names.len() > LISTING_MAX {
            return Err(Refusal::Nonsense(format!("a list of more than {LISTING_MAX} bytes")));
        }
        if last { names(&self.names).map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;
    use alloc::vec;

    fn wire(kind: u32, request: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            [kind, request, 0, payload.len() as u32].into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.extend(payload);
        bytes
    }

    /// Feeds what is wanted, piece by piece.
    fn decode(bytes: &[u8], piece: usize) -> Result<Vec<Message>, Refusal> {
        let (mut decoder, mut messages, mut at) = (Decoder::default(), Vec::new(), 0);
        while at < bytes.len() {
            let length = piece.min(decoder.wants()).min(bytes.len() - at);
            messages.extend(decoder.feed(&bytes[at..at + length])?);
            at += length;
        }
        Ok(messages)
    }

    #[test]
    fn a_request_is_header_and_parts() {
        assert_eq!(request(Kind::Read, 7, &[b"target", b"\0"]).unwrap(), wire(2, 7, b"target\0"));
        assert!(request(Kind::Write, 7, &[&[b'x'; PAYLOAD_MAX + 1]]).is_err());
    }

    #[test]
    fn messages_come_whole_whatever_the_pieces() {
        for seed in 0..200 {
            let mut chance = Chance::new(seed);
            let sent: Vec<Message> = (0..chance.below(6) + 1)
                .map(|request| {
                    let length = *chance.pick(&[0, 1, 15, 16, 17, 4095, 4096]);
                    Message { kind: *chance.pick(&Kind::ALL), request: request as u32, payload: chance.bytes(length) }
                })
                .collect();
            let bytes: Vec<u8> = sent.iter().flat_map(|m| wire(m.kind as u32, m.request, &m.payload)).collect();
            assert_eq!(decode(&bytes, chance.below(5000) + 1).unwrap(), sent, "seed {seed}");
        }
    }

    #[test]
    fn rubbish_is_refused_and_never_kept() {
        for seed in 0..2000 {
            let mut chance = Chance::new(seed);
            let length = chance.below(300);
            let mut bytes = chance.bytes(length);
            if chance.below(2) == 0 && bytes.len() >= 16 {
                bytes[..4].copy_from_slice(&2u32.to_le_bytes());
                bytes[12..16].copy_from_slice(&(chance.below(5000) as u32).to_le_bytes());
            }
            let mut decoder = Decoder::default();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let length = decoder.wants().min(rest.len());
                if decoder.feed(&rest[..length]).is_err() {
                    break;
                }
                assert!(decoder.bytes.len() <= HEADER + PAYLOAD_MAX, "seed {seed}");
                rest = &rest[length..];
            }
        }
        assert_eq!(
            decode(&wire(2, 1, &[0; 5000]), 16).unwrap_err().to_string(),
            "xenstored answers a message of 5000 bytes, over the protocol's 4096"
        );
        assert_eq!(decode(&wire(99, 1, b""), 16).unwrap_err().to_string(), "xenstored answers a message of type 99");
        assert!(Decoder::default().feed(&[0; 17]).is_err());
    }

    #[test]
    fn replies_are_of_the_requests_kind() {
        let message = |kind, payload: &[u8]| Message { kind, request: 1, payload: payload.to_vec() };
        assert_eq!(reply(message(Kind::Read, b"12"), Kind::Read).unwrap(), b"12");
        assert!(reply(message(Kind::Error, b"ENOENT\0"), Kind::Read).unwrap_err().is("ENOENT"));
        let odd = reply(message(Kind::Error, b"\x1b[2J\0"), Kind::Read).unwrap_err();
        assert_eq!(odd.to_string(), "xenstored answers an error without a name");
        let other = reply(message(Kind::Write, b"OK\0"), Kind::Read).unwrap_err();
        assert_eq!(other.to_string(), "xenstored answers Write to a request of Read");
        assert_eq!(event(&message(Kind::WatchEvent, b"a/b\0t\0")), Some((&b"a/b"[..], &b"t"[..])));
        assert_eq!(event(&message(Kind::Read, b"a/b\0t\0")), None);
    }

    #[test]
    fn a_list_is_names_with_zeros() {
        assert_eq!(names(b"a1\0b2\0").unwrap(), ["a1", "b2"]);
        assert_eq!(names(b"").unwrap(), Vec::<String>::new());
        for odd in [&b"001"[..], b"\0", b"a\0\0b\0", b"a b\0", b"\xff\0"] {
            assert!(names(odd).is_err(), "{odd:?}");
        }
    }

    /// A directory as xenstored's send_directory_part() cuts it.
    fn part(names: &[u8], generation: &str, offset: usize) -> Vec<u8> {
        let mut payload = generation.as_bytes().to_vec();
        payload.push(0);
        let most = PAYLOAD_MAX - payload.len() - 1;
        let mut end = offset;
        while end < names.len() {
            let next = end + names[end..].iter().position(|byte| *byte == 0).unwrap() + 1;
            if next - offset > most {
                break;
            }
            end = next;
        }
        payload.extend(&names[offset.min(names.len())..end]);
        if end >= names.len() {
            payload.push(0);
        }
        payload
    }

    #[test]
    fn a_long_list_comes_in_parts() {
        for count in [0, 1, 2, 999, 1000, 1023, 1024, 1025, 5000] {
            let expected: Vec<String> = (1..=count).map(|n| format!("{n:03}")).collect();
            let bytes: Vec<u8> = expected.iter().flat_map(|name| [name.as_bytes(), b"\0"].concat()).collect();
            let mut listing = Listing::default();
            let all = loop {
                if let Some(all) = listing.add(&part(&bytes, "17", listing.offset())).unwrap() {
                    break all;
                }
            };
            assert_eq!(all, expected, "{count}");
        }
    }

    #[test]
    fn a_list_that_changes_is_read_anew() {
        let bytes: Vec<u8> = (1..3000).flat_map(|n| [format!("{n:03}").as_bytes(), b"\0"].concat()).collect();
        let mut listing = Listing::default();
        assert_eq!(listing.add(&part(&bytes, "1", 0)).unwrap(), None);
        assert!(listing.offset() > 0);
        assert_eq!(listing.add(&part(&bytes, "2", listing.offset())).unwrap(), None);
        assert_eq!(listing.offset(), 0);
        for odd in [&b"12"[..], b"12\0", b"12\0abc"] {
            assert!(Listing::default().add(odd).is_err(), "{odd:?}");
        }
        let endless = [b"1\0".to_vec(), vec![b'x'; 4000], vec![0]].concat();
        let mut listing = Listing::default();
        let refused = (0..1000).find_map(|_| listing.add(&endless).err()).unwrap();
        assert_eq!(refused.to_string(), "xenstored answers a list of more than 1048576 bytes");
    }
}
