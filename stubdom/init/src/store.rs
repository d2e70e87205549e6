//! Xenstore, one question at a time, each with a deadline: the kernel's door to it stays open when xenstored is gone, and then
//! nothing ever answers.
//!
//! Takes a descriptor (`/dev/xen/xenbus`, or a socket in a test). Watch events that come between are given to who asks for them.

use crate::message::Fault;
use crate::sys::{Errno, Fd, IN, OUT, Poll, now, poll};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use protocol::xenstore::{Decoder, Kind, Listing, Message, Refusal, event, names, reply, request};

/// How long an answer may take, in milliseconds: below the 30 s after which libxl gives up on the stubdomain.
pub const PATIENCE: u64 = 20_000;
/// Watch events that are kept while something else is asked; more of the same say nothing new.
const EVENTS: usize = 16;

pub struct Store {
    fd: Fd,
    decoder: Decoder,
    last: u32,
    events: Vec<String>,
    patience: u64,
}

impl Store {
    pub fn new(fd: Fd, patience: u64) -> Store {
        Store { fd, decoder: Decoder::default(), last: 0, events: Vec::new(), patience }
    }

    pub fn fd(&self) -> &Fd {
        &self.fd
    }

    /// A value that must be there.
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>, Fault> {
        self.ask(&format!("reading {path}"), Kind::Read, &[path.as_bytes(), b"\0"])?
            .map_err(|refusal| Fault::StoreLacks(path.to_string(), refusal.to_string()))
    }

    /// A number that must be there.
    pub fn number(&mut self, path: &str) -> Result<u32, Fault> {
        let value = String::from_utf8_lossy(&self.read(path)?).into_owned();
        value.parse().map_err(|_| Fault::StoreLacks(path.to_string(), format!("{value:?} is not a number")))
    }

    /// The names in a directory, however many.
    pub fn directory(&mut self, path: &str) -> Result<Result<Vec<String>, Refusal>, Fault> {
        let what = format!("reading the names in {path}");
        let parts: [&[u8]; 2] = [path.as_bytes(), b"\0"];
        match self.ask(&what, Kind::Directory, &parts)? {
            Ok(payload) => return Ok(names(&payload)),
            Err(refusal) if refusal.is("E2BIG") => (),
            Err(refusal) => return Ok(Err(refusal)),
        }
        let mut listing = Listing::default();
        let began = now();
        while now() - began < self.patience {
            let offset = listing.offset().to_string();
            match self.ask(&what, Kind::DirectoryPart, &[path.as_bytes(), b"\0", offset.as_bytes(), b"\0"])? {
                // A xenstored older than Xen 4.9: the names are known, and each is tried.
                Err(refusal) if refusal.is("ENOSYS") => return self.counted(path).map(Ok),
                Err(refusal) => return Ok(Err(refusal)),
                Ok(payload) => match listing.add(&payload) {
                    Ok(None) => (),
                    Ok(Some(names)) => return Ok(Ok(names)),
                    Err(refusal) => return Ok(Err(refusal)),
                },
            }
        }
        Ok(Err(Refusal::Nonsense("a list that changes all the time".to_string())))
    }

    /// 001, 002, … as far as they go.
    fn counted(&mut self, path: &str) -> Result<Vec<String>, Fault> {
        let mut names = Vec::new();
        while names.len() <= protocol::argv::MOST {
            let name = format!("{:03}", names.len() + 1);
            match self.ask(&format!("reading {path}/{name}"), Kind::Read, &[format!("{path}/{name}\0").as_bytes()])? {
                Ok(_) => names.push(name),
                Err(_) => break,
            }
        }
        Ok(names)
    }

    pub fn write(&mut self, path: &str, value: &str) -> Result<Result<(), Refusal>, Fault> {
        let parts: [&[u8]; 3] = [path.as_bytes(), b"\0", value.as_bytes()];
        Ok(self.ask(&format!("writing {path}"), Kind::Write, &parts)?.map(|_| ()))
    }

    /// Writes a value that one other domain may read.
    pub fn publish(&mut self, path: &str, value: &str, own: u32, reader: u32) -> Result<Result<(), Refusal>, Fault> {
        let permissions = format!("{path}\0n{own}\0r{reader}\0");
        if let Err(refusal) = self.write(path, value)? {
            return Ok(Err(refusal));
        }
        Ok(self.ask(&format!("sharing {path}"), Kind::SetPerms, &[permissions.as_bytes()])?.map(|_| ()))
    }

    pub fn watch(&mut self, path: &str) -> Result<Result<(), Refusal>, Fault> {
        let parts = format!("{path}\0init\0");
        Ok(self.ask(&format!("watching {path}"), Kind::Watch, &[parts.as_bytes()])?.map(|_| ()))
    }

    /// The paths of watches that fired; does not wait.
    pub fn fired(&mut self) -> Result<Vec<String>, Fault> {
        let what = "waiting for xenstore";
        while self.events.len() < EVENTS && matches!(poll(&mut [Poll::new(&self.fd, IN)], 0), Ok(1..)) {
            match self.receive(what, now() + self.patience)? {
                message if message.kind == Kind::WatchEvent => self.keep(&message),
                _ => {
                    return Err(Fault::StoreBroken(
                        what.to_string(),
                        "xenstored answers what was not asked".to_string(),
                    ));
                }
            }
        }
        Ok(core::mem::take(&mut self.events))
    }

    fn keep(&mut self, message: &Message) {
        if let Some((path, _)) = event(message) {
            let path = String::from_utf8_lossy(path).into_owned();
            if self.events.len() < EVENTS && !self.events.contains(&path) {
                self.events.push(path);
            }
        }
    }

    fn ask(&mut self, what: &str, kind: Kind, parts: &[&[u8]]) -> Result<Result<Vec<u8>, Refusal>, Fault> {
        self.last = self.last.wrapping_add(1);
        let bytes = match request(kind, self.last, parts) {
            Ok(bytes) => bytes,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let end = now() + self.patience;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            // Not asked before: Linux's door to xenstore takes everything at once and never says that it can be written to.
            match self.fd.write(rest) {
                Ok(length) => rest = &rest[length.min(rest.len())..],
                Err(Errno::AGAIN | Errno::INTR) => self.wait(what, OUT, end)?,
                Err(errno) => return Err(Fault::StoreBroken(what.to_string(), errno.to_string())),
            }
        }
        loop {
            let message = self.receive(what, end)?;
            match message.kind {
                Kind::WatchEvent => self.keep(&message),
                // Linux answers a watch itself, and then leaves the number out (xenbus_dev_frontend.c, xenbus_write_watch()).
                _ if message.request == self.last || message.request == 0 => return Ok(reply(message, kind)),
                _ => {
                    let how = "xenstored answers another question".to_string();
                    return Err(Fault::StoreBroken(what.to_string(), how));
                }
            }
        }
    }

    fn receive(&mut self, what: &str, end: u64) -> Result<Message, Fault> {
        let broken = |how: String| Fault::StoreBroken(what.to_string(), how);
        let mut bytes = [0; 4096];
        loop {
            self.wait(what, IN, end)?;
            let wants = self.decoder.wants().min(bytes.len());
            match self.fd.read(&mut bytes[..wants]) {
                Ok(0) => return Err(broken("the connection is closed".to_string())),
                Ok(length) => {
                    let message = self.decoder.feed(&bytes[..length]).map_err(|refusal| broken(refusal.to_string()))?;
                    if let Some(message) = message {
                        return Ok(message);
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => (),
                Err(errno) => return Err(broken(errno.to_string())),
            }
        }
    }

    fn wait(&self, what: &str, events: i16, end: u64) -> Result<(), Fault> {
        loop {
            let left = end.saturating_sub(now());
            if left == 0 {
                return Err(Fault::StoreSilent(what.to_string(), (self.patience / 1000) as u32));
            }
            match poll(&mut [Poll::new(&self.fd, events)], left as i32) {
                Ok(0) => (),
                Ok(_) => return Ok(()),
                Err(errno) => return Err(Fault::StoreBroken(what.to_string(), errno.to_string())),
            }
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    /// A stream as one of ours.
    pub fn fd(stream: UnixStream) -> Fd {
        use std::os::fd::IntoRawFd as _;
        stream.set_nonblocking(true).unwrap();
        Fd::owned(stream.into_raw_fd())
    }

    /// A xenstored that answers the first request with these bytes, whatever it was.
    fn answering(bytes: &'static [u8]) -> Store {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        std::thread::spawn(move || {
            let _ = theirs.read(&mut [0; 4096]);
            // In two pieces, as a ring would give them.
            let (first, second) = bytes.split_at(bytes.len() / 2);
            let _ = theirs.write_all(first);
            let _ = theirs.write_all(second);
        });
        Store::new(fd(ours), 2000)
    }

    #[test]
    fn answers_that_do_not_fit_are_named() {
        let refused = |bytes| answering(bytes).number("target").unwrap_err().to_string();
        let head = |kind: u8, request: u8, length: u8| [kind, 0, 0, 0, request, 0, 0, 0, 0, 0, 0, 0, length, 0, 0, 0];
        let leak =
            |head: [u8; 16], rest: &[u8]| -> &'static [u8] { alloc::boxed::Box::leak([&head, rest].concat().into()) };
        assert_eq!(answering(leak(head(2, 1, 2), b"17")).number("target").unwrap(), 17);
        assert!(refused(leak(head(2, 1, 2), b"x7")).contains("\"x7\" is not a number"));
        assert!(refused(leak(head(2, 9, 2), b"17")).contains("another question"));
        assert!(refused(leak(head(16, 1, 7), b"EACCES\0")).contains("xenstored answers EACCES"));
        assert!(refused(leak(head(11, 1, 3), b"OK\0")).contains("Write to a request of Read"));
        assert!(refused(leak(head(77, 1, 0), b"")).contains("a message of type 77"));
        assert!(refused(leak(head(2, 1, 9), b"17")).contains("the connection is closed"));
        assert!(refused(&[0xff; 16]).contains("over the protocol's 4096"));
    }
}
