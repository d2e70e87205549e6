//! QMP, as far as a stubdomain takes part in it: commands of its own, answers to them, and the one command of libxl that it must
//! know, the saving of the devices' state.
//!
//! Rests on QEMU's `docs/interop/qmp-spec.rst` and on libxl_qmp.c. QEMU writes one message a line. Nothing here sends or waits.

use crate::json;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

/// The file set into which libxl has the state saved: STUBDOM_CONSOLE_SAVE in libxl_qmp.c's dm_stopped().
pub const SAVE_FDSET: u32 = 1;

/// A command as one line.
pub fn command(name: &str, id: &str, arguments: &[(&str, String)]) -> Vec<u8> {
    let arguments: Vec<String> = arguments.iter().map(|(key, value)| format!("{}:{value}", json::quote(key))).collect();
    let (name, id, arguments) = (json::quote(name), json::quote(id), arguments.join(","));
    format!("{{\"execute\":{name},\"id\":{id},\"arguments\":{{{arguments}}}}}\r\n").into_bytes()
}

/// What QEMU says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Greeting,
    Event(String),
    /// Of the command with this id, if it had a string for one.
    Done(Option<String>),
    Failed(Option<String>, String),
}

pub fn answer(line: &[u8]) -> Result<Answer, &'static str> {
    let members = json::members(line)?;
    let get = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
    let id = get("id").and_then(json::string);
    if get("QMP").is_some() {
        Ok(Answer::Greeting)
    } else if let Some(event) = get("event") {
        Ok(Answer::Event(json::string(event).ok_or("an event without a name")?))
    } else if get("return").is_some() {
        Ok(Answer::Done(id))
    } else if let Some(error) = get("error") {
        let desc = json::members(error)?.into_iter().find(|(key, _)| key == "desc");
        let desc = desc.and_then(|(_, value)| json::string(value)).unwrap_or_else(|| "no description".to_string());
        Ok(Answer::Failed(id, desc))
    } else {
        Err("neither greeting, event, return nor error")
    }
}

/// The id of a command that has the devices' state saved into [`SAVE_FDSET`], as it stands there; empty if it has none.
pub fn saves(message: &[u8]) -> Option<Vec<u8>> {
    let members = json::members(message).ok()?;
    let get = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
    let arguments = json::members(get("arguments")?).ok()?;
    let filename = arguments.iter().find(|(key, _)| key == "filename").and_then(|(_, value)| json::string(value))?;
    let name = json::string(get("execute")?)?;
    let fits = name == "xen-save-devices-state" && filename == format!("/dev/fdset/{SAVE_FDSET}");
    fits.then(|| get("id").unwrap_or_default().to_vec())
}

/// An error in QEMU's place, for the command with this id.
pub fn failure(id: &[u8], desc: &str) -> Vec<u8> {
    let id = if id.is_empty() { String::new() } else { format!("\"id\": {}, ", String::from_utf8_lossy(id)) };
    format!("{{{id}\"error\": {{\"class\": \"GenericError\", \"desc\": {}}}}}\r\n", json::quote(desc)).into_bytes()
}

/// Cuts a stream into lines, and keeps no more than one of them.
pub struct Lines {
    line: Vec<u8>,
    most: usize,
}

impl Lines {
    /// `most` is in bytes, for one line.
    pub fn new(most: usize) -> Lines {
        Lines { line: Vec::new(), most }
    }

    /// The lines that are complete now, each with its end. A line over the bound is an error, and what was kept is gone.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + part.len() > self.most {
                self.line.clear();
                return Err("a line without an end");
            }
            self.line.extend(part);
            if part.ends_with(b"\n") {
                lines.push(core::mem::take(&mut self.line));
            }
        }
        Ok(lines)
    }

    /// What stands there without an end.
    pub fn rest(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    #[test]
    fn commands_are_lines_that_qemu_reads() {
        let line = command("add-fd", "save", &[("fdset-id", "1".to_string()), ("opaque", json::quote("a\"b"))]);
        let expected =
            "{\"execute\":\"add-fd\",\"id\":\"save\",\"arguments\":{\"fdset-id\":1,\"opaque\":\"a\\\"b\"}}\r\n";
        assert_eq!(String::from_utf8_lossy(&line), expected);
    }

    #[test]
    fn answers_are_told_apart() {
        let greeting = br#"{"QMP": {"version": {"qemu": {"micro": 13}}, "capabilities": ["oob"]}}"#;
        assert_eq!(answer(greeting), Ok(Answer::Greeting));
        assert_eq!(answer(br#"{"return": {}, "id": "x"}"#), Ok(Answer::Done(Some("x".to_string()))));
        assert_eq!(answer(br#"{"return": {}, "id": 3}"#), Ok(Answer::Done(None)));
        assert_eq!(answer(br#"{"timestamp": {}, "event": "RESUME"}"#), Ok(Answer::Event("RESUME".to_string())));
        let failed = br#"{"id": "x", "error": {"class": "GenericError", "desc": "no"}}"#;
        assert_eq!(answer(failed), Ok(Answer::Failed(Some("x".to_string()), "no".to_string())));
        assert_eq!(answer(br#"{"a": 1}"#), Err("neither greeting, event, return nor error"));
    }

    #[test]
    fn saving_is_known_by_its_file() {
        let save = |name: &str, file: &str| {
            saves(
                format!(r#"{{"execute":"{name}","id":7,"arguments":{{"live":false,"filename":"{file}"}}}}"#).as_bytes(),
            )
        };
        assert_eq!(save("xen-save-devices-state", "/dev/fdset/1"), Some(b"7".to_vec()));
        assert_eq!(save("xen-save-devices-state", "/dev/fdset/2"), None);
        assert_eq!(save("stop", "/dev/fdset/1"), None);
        assert_eq!(saves(br#"{"execute":"stop"}"#), None);
        assert_eq!(answer(&failure(b"7", "disk full")), Ok(Answer::Failed(None, "disk full".to_string())));
        assert_eq!(answer(&failure(b"", "x")), Ok(Answer::Failed(None, "x".to_string())));
    }

    #[test]
    fn lines_come_whole_and_bounded() {
        for seed in 0..300 {
            let mut chance = Chance::new(seed);
            let length = chance.below(400);
            let text: Vec<u8> = (0..length).map(|_| *chance.pick(b"ab\r\n")).collect();
            let (mut lines, mut got, mut at) = (Lines::new(1000), Vec::new(), 0);
            while at < text.len() {
                let end = (at + chance.below(50) + 1).min(text.len());
                lines.feed(&text[at..end]).unwrap().iter().for_each(|line| got.extend(line));
                at = end;
            }
            got.extend(lines.rest());
            assert_eq!(got, text, "seed {seed}");
        }
        let mut lines = Lines::new(4);
        assert!(lines.feed(b"abc\nab").is_ok() && lines.feed(b"cde").is_err() && lines.rest().is_empty());
    }
}
