//! All that a machine said, on one clock: Xen's, which counts from its start. Takes a record; judges nothing.
//!
//! Lines of COM1 carry Xen's stamps (`console_timestamps=boot`), those of dom0's kernel its own, events dom0's uptime; both of the
//! latter begin when Xen starts dom0. A line without a stamp came no earlier than the one before it.

use super::case::XEN;
use super::event::{Record, What};
use std::collections::BTreeMap;

/// Whose a line on COM1 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    Xen,
    /// Dom0's kernel, or what ran before Xen.
    Kernel,
    /// A domain, through Xen: firmware does so.
    Domain(u32),
}

/// One line of a console.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub at: f64,
    pub console: String,
    pub text: String,
    /// On COM1 alone.
    pub speaker: Option<Speaker>,
}

#[derive(Debug, Default)]
pub struct Transcript {
    /// In the order of each console; consoles in the order of [`Transcript::consoles`].
    pub lines: Vec<Line>,
    pub marks: Vec<(f64, String)>,
    pub facts: Vec<(f64, String, String)>,
    /// The script's own end and its sentence, if it came to one.
    pub end: Option<(f64, Result<(), String>)>,
    /// When dom0's kernel began.
    pub dom0: f64,
    /// The last moment that anything is known of.
    pub last: f64,
}

impl Transcript {
    pub fn of(record: &Record) -> Transcript {
        let dom0 = record.dom0_began();
        let mut transcript = Transcript { dom0, lines: serial(&record.serial, dom0), ..Transcript::default() };
        let mut consoles: BTreeMap<&str, Vec<Line>> = BTreeMap::new();
        for event in &record.events {
            let at = dom0 + event.at;
            match &event.what {
                What::Tick => {}
                What::Mark(what) => transcript.marks.push((at, what.clone())),
                What::Fact { name, value } => transcript.facts.push((at, name.clone(), value.clone())),
                What::End(end) => transcript.end = Some((at, end.clone())),
                What::Line { console, text } => {
                    let line = Line { at, console: console.clone(), text: plain(text), speaker: None };
                    consoles.entry(console).or_default().push(line);
                }
            }
            transcript.last = transcript.last.max(at);
        }
        transcript.last = transcript.lines.iter().map(|line| line.at).fold(transcript.last, f64::max);
        transcript.lines.extend(consoles.into_values().flatten());
        transcript
    }

    /// The lines of one console.
    pub fn console<'t>(&'t self, name: &'t str) -> impl DoubleEndedIterator<Item = &'t Line> {
        self.lines.iter().filter(move |line| line.console == name)
    }

    /// The names of all consoles that said anything, COM1 first.
    pub fn consoles(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.lines.iter().map(|line| line.console.as_str()).collect();
        names.dedup();
        names
    }

    pub fn mark(&self, what: &str) -> Option<f64> {
        self.marks.iter().find(|(_, mark)| mark == what).map(|(at, _)| *at)
    }

    /// The numbers that Xen gave a domain, in their order: a guest that is started twice has two.
    pub fn domains(&self, name: &str) -> Vec<u32> {
        let fact = format!("domid.{name}");
        let mut ids = Vec::new();
        for id in self.facts.iter().filter(|(_, name, _)| *name == fact).filter_map(|(_, _, id)| id.trim().parse().ok())
        {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }
}

/// The lines of COM1. Where Xen speaks in the middle of somebody's line, both are shown.
fn serial(text: &str, dom0: f64) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut at = 0.0;
    for whole in text.lines() {
        let whole = plain(whole);
        let cut = whole.find("(XEN) [").unwrap_or(0);
        for part in [&whole[..cut], &whole[cut..]] {
            if part.is_empty() {
                continue;
            }
            let (speaker, said) = speaker(part);
            if let Some(stamp) = super::event::stamp(said) {
                at = if speaker == Speaker::Kernel { dom0 + stamp } else { stamp };
            }
            lines.push(Line { at, console: XEN.to_owned(), text: part.to_owned(), speaker: Some(speaker) });
        }
    }
    lines
}

/// Whose line it is, and what stands behind the name.
fn speaker(line: &str) -> (Speaker, &str) {
    if let Some(said) = line.strip_prefix("(XEN) ") {
        return (Speaker::Xen, said);
    }
    let domain = line.strip_prefix("(d").and_then(|rest| rest.split_once(')'));
    match domain.and_then(|(id, said)| Some((id.parse().ok()?, said))) {
        Some((id, said)) => (Speaker::Domain(id), said.trim_start()),
        None => (Speaker::Kernel, line),
    }
}

/// What is said, without the stamp and without the speaker.
pub fn said(line: &Line) -> &str {
    let said = speaker(&line.text).1;
    match super::event::stamp(said) {
        Some(_) => said.split_once(']').map_or(said, |(_, said)| said.trim_start()),
        None => said,
    }
}

/// A line as it can be shown and looked through: terminals' commands and other controls are left out.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' && rest.next_if_eq(&'[').is_some() {
            // ECMA-48: parameters, then one letter.
            while rest.next_if(|c| matches!(c, '0'..='?' | ' '..='/')).is_some() {}
            rest.next();
        } else if c == '\t' {
            plain.push(' ');
        } else if !c.is_control() {
            plain.push(c);
        }
    }
    plain.truncate(plain.trim_end().len());
    plain
}

#[cfg(test)]
mod tests {
    use super::super::event::{Ended, Event};
    use super::*;

    #[test]
    fn clocks_become_one() {
        let serial = "SeaBIOS\r\n(XEN) [0000000000123456] Xen version\n(XEN) [    0.500000] Freed 656kB init memory\n\
                      [    0.000000] Linux version 6.1\nno stamp\n(d3) [    2.250000] HVM Loader\n\
                      half a li(XEN) [    3.000000] d3v0 odd\u{1b}[1;31m!\u{1b}[0m\n";
        let record = Record {
            serial: serial.to_owned(),
            events: [
                "mark 1.0 init",
                "line 1.5 hvm a\tb\r",
                "fact 1.6 domid.hvm 3",
                "fact 1.7 domid.hvm 3",
                "tick 4.0",
            ]
            .map(|line| Event::parse(line).unwrap())
            .to_vec(),
            ended: Ended::Off,
            wall: 1.0,
            cpu: 1.0,
        };
        let transcript = Transcript::of(&record);
        let lines: Vec<(f64, &str)> = transcript.lines.iter().map(|line| (line.at, line.text.as_str())).collect();
        let expected = [
            (0.0, "SeaBIOS"),
            (0.0, "(XEN) [0000000000123456] Xen version"),
            (0.5, "(XEN) [    0.500000] Freed 656kB init memory"),
            (0.5, "[    0.000000] Linux version 6.1"),
            (0.5, "no stamp"),
            (2.25, "(d3) [    2.250000] HVM Loader"),
            (2.25, "half a li"),
            (3.0, "(XEN) [    3.000000] d3v0 odd!"),
            (2.0, "a b"),
        ];
        assert_eq!(lines, expected);
        assert_eq!(said(&transcript.lines[5]), "HVM Loader");
        assert_eq!(transcript.lines[5].speaker, Some(Speaker::Domain(3)));
        assert_eq!((transcript.mark("init"), transcript.last), (Some(1.5), 4.5));
        assert_eq!(transcript.domains("hvm"), [3]);
        assert_eq!(transcript.consoles(), ["xen", "hvm"]);
    }
}
