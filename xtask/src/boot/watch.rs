//! What is known of a machine while it runs, from the bytes that its serial port and its event port gave so far. Pure.

use super::event::{self, Event, What};
use anyhow::Result;

#[derive(Default)]
pub struct Watch {
    serial: Vec<u8>,
    /// Where in `serial` the line begins that has no end yet.
    line: usize,
    /// Of the event port, likewise.
    unfinished: Vec<u8>,
    events: Vec<Event>,
    /// The last stamp of Xen's.
    xen: f64,
    began: Option<f64>,
    /// The next line of Xen's says why it panics.
    panics: bool,
    why: Option<String>,
    crashed: Option<String>,
    latest: String,
}

impl Watch {
    /// Takes what the serial port gave.
    pub fn hear_serial(&mut self, bytes: &[u8]) {
        self.serial.extend_from_slice(bytes);
        while let Some(length) = self.serial[self.line..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.serial[self.line..self.line + length]).trim_end().to_owned();
            self.line += length + 1;
            self.hear_line(&line);
        }
    }

    fn hear_line(&mut self, line: &str) {
        if !line.is_empty() {
            self.latest = line.to_owned();
        }
        self.began = self.began.or_else(|| event::dom0_begins(line));
        let Some(said) = line.strip_prefix("(XEN) ") else {
            if let Some((_, why)) = line.split_once("Kernel panic - not syncing: ") {
                self.why = Some(format!("dom0's kernel panics: {why}"));
            }
            return;
        };
        self.xen = event::stamp(said).unwrap_or(self.xen);
        let said = said.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(said, |(_, text)| text).trim();
        if std::mem::take(&mut self.panics) {
            self.why = Some(format!("Xen panics: {said}"));
        }
        self.panics = said.starts_with("Panic on CPU");
        // What Xen says last, in `maybe_reboot` and `panic`, when it is told `noreboot`.
        if said.contains("'noreboot' set") || said.starts_with("Manual reset required") {
            self.crashed = Some(self.why.take().unwrap_or_else(|| said.to_owned()));
        }
    }

    /// Takes what the event port gave.
    ///
    /// # Errors
    ///
    /// When a line is no event.
    pub fn hear_events(&mut self, bytes: &[u8]) -> Result<()> {
        self.unfinished.extend_from_slice(bytes);
        while let Some(length) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=length).collect();
            let event = Event::parse(String::from_utf8_lossy(&line[..length]).trim_end_matches('\r'))?;
            match &event.what {
                What::Line { console, text } => self.latest = format!("{console}: {text}"),
                What::Mark(what) => self.latest = what.clone(),
                What::Tick | What::Fact { .. } | What::End(_) => {}
            }
            self.events.push(event);
        }
        Ok(())
    }

    /// Seconds of guest time that have passed, as far as the machine has said.
    pub fn guest_seconds(&self) -> f64 {
        // Events come in order, but those of several processes not quite.
        let last = self.events.iter().rev().take(16).map(|event| event.at).fold(0.0, f64::max);
        self.xen.max(self.began.unwrap_or(0.0) + last)
    }

    /// The last thing that was said, for people.
    pub fn latest(&self) -> &str {
        &self.latest
    }

    /// Why Xen has stopped the machine, once it has.
    pub fn crashed(&self) -> Option<&str> {
        self.crashed.as_deref()
    }

    /// The serial port's text and the events, in full.
    pub fn into_said(self) -> (String, Vec<Event>) {
        (String::from_utf8_lossy(&self.serial).into_owned(), self.events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGINNING: &str = "(XEN) [000000000afb973a] XPTI\r\n(XEN) [    0.678612] Freed 656kB init memory\r\n";

    fn heard(serial: &str) -> Watch {
        let mut watch = Watch::default();
        // However the bytes are cut.
        serial.as_bytes().chunks(7).for_each(|bytes| watch.hear_serial(bytes));
        watch
    }

    #[test]
    fn time_is_what_xen_and_dom0_say() {
        let mut watch = heard(BEGINNING);
        assert_eq!(watch.guest_seconds(), 0.678612);
        watch.hear_events(b"mark 3.5 init\ntick 4.").unwrap();
        assert_eq!((watch.guest_seconds(), watch.latest()), (4.178612, "init"));
        watch.hear_events(b"5\nline 4.4 hvm a word\r\n").unwrap();
        assert_eq!((watch.guest_seconds(), watch.latest()), (5.178612, "hvm: a word"));
        watch.hear_serial(b"(XEN) [    9.5] d1: something\n(XEN) [   99.0] not yet a lin");
        assert_eq!((watch.guest_seconds(), watch.latest()), (9.5, "(XEN) [    9.5] d1: something"));
        let (serial, events) = watch.into_said();
        assert!(serial.ends_with("not yet a lin") && events.len() == 3);
    }

    #[test]
    fn what_is_no_event_is_told() {
        let error = Watch::default().hear_events(b"tick 1\nsomething else\n").unwrap_err();
        assert!(error.to_string().contains("something else"), "{error}");
    }

    #[test]
    fn a_crash_has_its_reason() {
        let dom0 = "[    3.995047] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\r\n\
                    [    3.995449]  </TASK>\r\n\
                    (XEN) [    4.470409] Hardware Dom0 crashed: 'noreboot' set - not rebooting.\r\n";
        let watch = heard(&format!("{BEGINNING}{dom0}"));
        let why = "dom0's kernel panics: Attempted to kill init! exitcode=0x00000100";
        assert_eq!(watch.crashed(), Some(why));
        let xen = "(XEN) [    0.1] ****************************************\n(XEN) [    0.1] Panic on CPU 0:\n\
                   (XEN) [    0.1] Could not construct domain 0\n(XEN) [    0.1] ****************************************\n";
        assert_eq!(heard(xen).crashed(), None);
        let over = heard(&format!("{xen}(XEN) \n(XEN) [    0.1] Manual reset required ('noreboot' specified)\n"));
        assert_eq!(over.crashed(), Some("Xen panics: Could not construct domain 0"));
        let unexplained = heard("(XEN) [    4.4] Hardware Dom0 crashed: 'noreboot' set - not rebooting.\n");
        assert_eq!(unexplained.crashed(), Some("Hardware Dom0 crashed: 'noreboot' set - not rebooting."));
    }
}
