//! libxl's way to QEMU: what comes over vchan goes to QEMU's QMP socket, and back.
//!
//! Each client of the vchan gets a QMP session of its own, with QEMU's greeting, as libxl expects. Only whole commands reach QEMU;
//! a client that sends anything else, or stops within a command, is not heard until it connects anew. What is kept is bounded in
//! both directions: who does not read is not read from. One command is looked at, the saving of the state, whose answer waits
//! until the state is where libxl reads it.

use crate::bell::Bell;
use crate::console::Console;
use crate::message::Note;
use crate::save::Save;
use crate::sys::{Errno, Fd, IN, OUT, now, socket};
use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use protocol::gate::Gate;
use protocol::qmp::{self, Answer, Lines};
use protocol::vchan::{Endpoint, Peer};

/// What waits in one direction, in bytes, before its source is left alone.
const WAITING: usize = 64 << 10;
/// The longest answer that is looked at while a state is saved, in bytes.
const ANSWER: usize = 256 << 10;
/// How long a command may stay unfinished, in milliseconds.
pub const STALL: u64 = 30_000;

pub struct Proxy<'a> {
    channel: Endpoint<'a>,
    bell: Box<dyn Bell>,
    /// Where QEMU listens.
    path: String,
    /// A byte with which each client begins, and which is nowhere else in the stream (a proxy in dom0 with --reconnect-marker).
    marker: Option<u8>,
    save: Save,
    state: State,
}

enum State {
    /// Nobody is there.
    Idle,
    Open(Session),
    /// Somebody is there who is not heard any more.
    Refused,
}

struct Session {
    qemu: Fd,
    gate: Gate,
    to_qemu: Vec<u8>,
    to_peer: Vec<u8>,
    /// The id of the saving that goes on, and QEMU's answers meanwhile.
    saving: Option<(Vec<u8>, Lines)>,
    /// With a marker: whether it is still to come.
    unmarked: bool,
    heard: u64,
}

impl<'a> Proxy<'a> {
    pub fn new(channel: Endpoint<'a>, bell: Box<dyn Bell>, path: &str, marker: Option<u8>, save: Save) -> Proxy<'a> {
        Proxy { channel, bell, path: path.to_string(), marker, save, state: State::Idle }
    }

    pub fn bell(&self) -> &Fd {
        self.bell.fd()
    }

    pub fn save(&self) -> &Save {
        &self.save
    }

    /// QEMU's side and what is awaited of it.
    pub fn qemu(&self) -> Option<(&Fd, i16)> {
        let State::Open(session) = &self.state else { return None };
        let read = if session.to_peer.len() < WAITING { IN } else { 0 };
        Some((&session.qemu, read | if session.to_qemu.is_empty() { 0 } else { OUT }))
    }

    /// Whether a command is under way, which may take [`STALL`].
    pub fn unfinished(&self) -> bool {
        matches!(&self.state, State::Open(session) if session.gate.pending() > 0)
    }

    /// Takes the peer's rings, looks who is there, and moves what can be moved. To be called when either side is ready, and now and
    /// then: see [`STALL`].
    pub fn work(&mut self, console: &Console) {
        self.bell.hear();
        match self.channel.peer() {
            Peer::Awaited => return,
            Peer::Gone => {
                if !matches!(self.state, State::Idle) {
                    console.note(&Note::Disconnected);
                    self.state = State::Idle;
                    self.clear();
                }
                return;
            }
            Peer::New => {
                if matches!(self.state, State::Idle) {
                    console.note(&Note::Connected);
                } else {
                    console.note(&Note::Reconnected);
                    // With a marker it is known what is the new client's.
                    match self.marker {
                        Some(_) => self.channel.renew(),
                        None => self.clear(),
                    }
                }
                self.channel.accept();
                self.open(console);
            }
            Peer::Known => (),
        }
        self.pump(console);
    }

    /// Throws away what a former client left in either direction.
    fn clear(&mut self) {
        if self.channel.discard().ring {
            self.bell.ring();
        }
        self.channel.renew();
    }

    fn open(&mut self, console: &Console) {
        self.state = match socket::connect(&self.path) {
            Ok(qemu) => State::Open(Session {
                qemu,
                gate: Gate::default(),
                to_qemu: Vec::new(),
                to_peer: Vec::new(),
                saving: None,
                unmarked: self.marker.is_some(),
                heard: now(),
            }),
            Err(errno) => {
                console.note(&Note::Unreachable(errno));
                State::Refused
            }
        };
    }

    /// Moves bytes until neither side gives or takes more. One turn moves at most some hundred kilobytes, so that a peer that floods
    /// does not keep init from everything else.
    fn pump(&mut self, console: &Console) {
        for _ in 0..64 {
            match self.turn(console) {
                Ok(true) => (),
                Ok(false) => break,
                Err(note) => {
                    console.note(&note);
                    self.state = State::Refused;
                }
            }
        }
        if let State::Open(session) = &self.state {
            let silent = now().saturating_sub(session.heard);
            if session.gate.pending() > 0 && silent >= STALL {
                console.note(&Note::Stalled(session.gate.pending(), (silent / 1000) as u32));
                self.state = State::Refused;
            }
        }
    }

    /// Whether anything moved.
    fn turn(&mut self, console: &Console) -> Result<bool, Note> {
        let corrupt = |corrupt: protocol::vchan::Corrupt| Note::Refused(corrupt.to_string());
        let mut moved = false;
        let mut bytes = [0; 2048];
        let State::Open(session) = &mut self.state else {
            // Nobody listens; the ring is kept empty, so that its client does not hang in a write.
            if self.channel.discard().ring {
                self.bell.ring();
            }
            return Ok(false);
        };
        if session.to_qemu.len() < WAITING {
            let read = self.channel.read(&mut bytes).map_err(corrupt)?;
            if read.ring {
                self.bell.ring();
            }
            if read.bytes > 0 {
                session.heard = now();
                moved = true;
                if self.hear(&bytes[..read.bytes], console)? {
                    return Ok(true);
                }
            }
        }
        let State::Open(session) = &mut self.state else { return Ok(false) };
        moved |= session.push()?;
        if session.to_peer.len() < WAITING {
            moved |= session.pull(&self.save, console)?;
        }
        if !session.to_peer.is_empty() {
            let written = self.channel.write(&session.to_peer).map_err(corrupt)?;
            session.to_peer.drain(..written.bytes);
            moved |= written.bytes > 0;
            if written.ring {
                self.bell.ring();
            }
        }
        Ok(moved)
    }

    /// What the peer sent. True when the session is another one now.
    fn hear(&mut self, mut bytes: &[u8], console: &Console) -> Result<bool, Note> {
        let State::Open(session) = &mut self.state else { return Ok(false) };
        let mark = self.marker.and_then(|marker| bytes.iter().rposition(|byte| *byte == marker));
        let mut reopened = false;
        match mark {
            Some(at) if !session.unmarked => {
                console.note(&Note::Reconnected);
                self.channel.renew();
                self.open(console);
                reopened = true;
                bytes = &bytes[at + 1..];
            }
            Some(at) => bytes = &bytes[at + 1..],
            // What comes before a marker is a former client's.
            None if session.unmarked => return Ok(false),
            None => (),
        }
        let State::Open(session) = &mut self.state else { return Ok(true) };
        session.unmarked = false;
        for message in session.gate.feed(bytes).map_err(Note::Refused)? {
            if let Some(id) = qmp::saves(&message) {
                self.save.begin().map_err(Note::SaveFailed)?;
                session.saving = Some((id, Lines::new(ANSWER)));
            }
            session.to_qemu.extend(message);
        }
        Ok(reopened)
    }
}

impl Session {
    /// To QEMU, as much as it takes.
    fn push(&mut self) -> Result<bool, Note> {
        if self.to_qemu.is_empty() {
            return Ok(false);
        }
        match socket::send(&self.qemu, &self.to_qemu, None) {
            Ok(length) => {
                self.to_qemu.drain(..length);
                Ok(length > 0)
            }
            Err(Errno::AGAIN) => Ok(false),
            Err(errno) => Err(Note::Unreachable(errno)),
        }
    }

    /// From QEMU, one piece.
    fn pull(&mut self, save: &Save, console: &Console) -> Result<bool, Note> {
        let mut bytes = [0; 4096];
        let length = match self.qemu.read(&mut bytes) {
            Ok(0) => return Err(Note::QemuHungUp),
            Ok(length) => length,
            Err(Errno::AGAIN) => return Ok(false),
            Err(errno) => return Err(Note::Unreachable(errno)),
        };
        let Some((id, lines)) = &mut self.saving else {
            self.to_peer.extend(&bytes[..length]);
            return Ok(true);
        };
        let lines = lines.feed(&bytes[..length]).map_err(|what| Note::Refused(what.to_string()))?;
        let id = id.clone();
        for line in lines {
            // QEMU answers commands in turn, and libxl asks one at a time: the next answer is that of the saving.
            match (&self.saving, qmp::answer(&line)) {
                (Some(_), Ok(Answer::Done(_))) => match save.finish() {
                    Ok(sum) => {
                        console.note(&Note::Saved(sum));
                        self.to_peer.extend(line);
                    }
                    Err(errno) => {
                        console.note(&Note::SaveFailed(errno));
                        self.to_peer.extend(qmp::failure(&id, "the stubdomain could not write the state to console 1"));
                    }
                },
                (Some(_), Ok(Answer::Failed(..))) => self.to_peer.extend(line),
                _ => {
                    self.to_peer.extend(line);
                    continue;
                }
            }
            if let Some((_, mut lines)) = self.saving.take() {
                self.to_peer.extend(lines.rest());
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
