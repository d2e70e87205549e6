//! What a machine says while it runs: the lines of its serial port and the events that dom0 sends, and how it ended.
//!
//! Seconds are guest time. An event counts from the start of dom0's kernel (`/proc/uptime`); Xen's own lines count from Xen's start.

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

/// The name of the virtio port that dom0 sends events through.
pub const PORT: &str = "xenwright.events";

/// One event of dom0's, in the order in which they came.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Seconds since the start of dom0's kernel.
    pub at: f64,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Time passes: sent once a second.
    Tick,
    /// Something was reached: `init`, `toolstack`, `run`, and what a case says.
    Mark(String),
    /// A line of a console.
    Line { console: String, text: String },
    /// Something was measured.
    Fact { name: String, value: String },
    /// The case's script is over: `Err` has the sentence that says why it failed.
    End(#[serde(serialize_with = "sentence")] Result<(), String>),
}

fn sentence<S: serde::Serializer>(end: &Result<(), String>, to: S) -> Result<S::Ok, S::Error> {
    end.as_ref().err().serialize(to)
}

impl Event {
    /// Reads one line as dom0's init writes it: `line 4.21 hvm HVM-GUEST-DONE`.
    pub fn parse(line: &str) -> Result<Event> {
        let mut words = line.splitn(3, ' ');
        let (kind, at, rest) = (words.next().unwrap_or_default(), words.next(), words.next().unwrap_or_default());
        let at = at.and_then(|at| at.parse().ok()).filter(|at: &f64| at.is_finite() && *at >= 0.0);
        let at = at.with_context(|| format!("an event without a time: `{line}`"))?;
        let (first, others) = rest.split_once(' ').unwrap_or((rest, ""));
        let named = |name: &str| -> Result<String> {
            anyhow::ensure!(!name.is_empty(), "an event without a name: `{line}`");
            Ok(name.to_owned())
        };
        let what = match kind {
            "tick" => What::Tick,
            "mark" => What::Mark(named(rest)?),
            "line" => What::Line { console: named(first)?, text: others.to_owned() },
            "fact" => What::Fact { name: named(first)?, value: others.to_owned() },
            "end" if rest == "ok" => What::End(Ok(())),
            "end" if first == "failed" => What::End(Err(others.to_owned())),
            _ => bail!("an event of no kind: `{line}`"),
        };
        Ok(Event { at, what })
    }
}

/// How a machine came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It switched itself off (or Xen rebooted, which `-no-reboot` turns into the same).
    Off,
    /// The emulator ended by itself with this status and these last words.
    Emulator { status: Option<i32>, said: String },
    /// Xen stopped it: a panic of its own, or dom0 crashed. `said` is the line that says why.
    Crashed { said: String },
    /// The case's limit of guest time was over.
    Limit,
    /// Nothing was heard of it for so many seconds of the host's time, or it took so many in all.
    Silent { seconds: u64 },
}

/// All that a machine left behind.
#[derive(Clone, Debug)]
pub struct Record {
    /// COM1: Xen and dom0's kernel, as it came; what is no UTF-8 is replaced.
    pub serial: String,
    pub events: Vec<Event>,
    pub ended: Ended,
    /// Seconds of the host's time.
    pub wall: f64,
    /// Seconds of processor time that the emulator took.
    pub cpu: f64,
}

impl Record {
    /// The seconds of Xen's time at which dom0's kernel began; 0 when it did not.
    pub fn dom0_began(&self) -> f64 {
        self.serial.lines().find_map(dom0_begins).unwrap_or(0.0)
    }

    /// Seconds of guest time from power-on to the last event, both clocks together.
    pub fn guest_seconds(&self) -> f64 {
        self.dom0_began() + self.events.iter().map(|event| event.at).fold(0.0, f64::max)
    }
}

/// The stamp of a line that is Xen's last one before dom0 runs. Dom0's kernel may be told to be quiet, so that its own first line says
/// nothing of its beginning.
pub fn dom0_begins(line: &str) -> Option<f64> {
    let said = line.strip_prefix("(XEN) ").filter(|said| said.trim_end().ends_with(" init memory"))?;
    stamp(said)
}

/// The stamp that a line of Xen's begins with: `[    3.141593] text`, seconds since Xen's start. Before Xen has a clock it writes a
/// counter in hexadecimal, which is no time.
pub fn stamp(line: &str) -> Option<f64> {
    let time = line.strip_prefix('[')?.split_once(']')?.0.trim();
    time.contains('.').then(|| time.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_they_are_written() {
        let read = |line: &str| Event::parse(line).unwrap().what;
        assert_eq!(Event::parse("tick 3.5").unwrap(), Event { at: 3.5, what: What::Tick });
        assert_eq!(read("mark 1.0 toolstack"), What::Mark("toolstack".to_owned()));
        let line = What::Line { console: "hvm-dm".to_owned(), text: "  two words".to_owned() };
        assert_eq!(read("line 4.21 hvm-dm   two words"), line);
        assert_eq!(read("line 4.21 hvm"), What::Line { console: "hvm".to_owned(), text: String::new() });
        let fact = What::Fact { name: "stubdom-memory.hvm".to_owned(), value: "64".to_owned() };
        assert_eq!(read("fact 9 stubdom-memory.hvm 64"), fact);
        assert_eq!(read("end 10.2 ok"), What::End(Ok(())));
        assert_eq!(read("end 10.2 failed no word"), What::End(Err("no word".to_owned())));
        for wrong in ["", "tick", "tick -1", "tick nan", "mark 1", "line 2 ", "end 1 well", "word 1 x"] {
            assert!(Event::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dom0_begins_where_xen_has_started() {
        // The counter of the first line would be a number of seconds, too.
        let serial = "SeaBIOS\n(XEN) [0000000012345678] Xen version\n(XEN) [    1.250000] Freed 656kB init memory\r\n\
                      (XEN) [    9.000000] later\n[    8.000000] reboot: Power down\n";
        let record = Record {
            serial: serial.to_owned(),
            events: vec![Event { at: 4.0, what: What::Tick }],
            ended: Ended::Off,
            wall: 1.0,
            cpu: 1.0,
        };
        assert_eq!(record.dom0_began(), 1.25);
        assert_eq!(record.guest_seconds(), 5.25);
    }
}
