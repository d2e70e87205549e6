//! Who started when: spans of guest time, each from a line to a line. Pure; `page` draws them.
//!
//! All times are on Xen's clock; what dom0 saw is right to some hundredths of a second, since Xen does not say when Linux begins to
//! count. Which lines begin and end a span is what this module knows:
//!
//! | span                    | from                                   | to                                     |
//! |-------------------------|----------------------------------------|----------------------------------------|
//! | hypervisor              | power-on, as Xen counts                | dom0's kernel                          |
//! | dom0's kernel           | Xen's last line before it              | `mark init`                            |
//! | toolstack               | `mark init`                            | `mark toolstack`                       |
//! | xl create               | `mark create GUEST`                    | `mark created GUEST`                   |
//! | stubdomain's kernel     | the first line of its console          | `stubdom: init … starts`               |
//! | stubdomain's init       | `stubdom: init … starts`               | `stubdom: QEMU is started`             |
//! | QEMU in the stubdomain  | `stubdom: QEMU is started`             | `stubdom: QEMU says that it runs`      |
//! | QEMU in dom0            | libxl: `Spawning device-model`         | libxl: `spawn watch p=running`         |
//! | hvmloader               | `(dN) HVM Loader`                      | `(dN) Invoking SeaBIOS`                |
//! | SeaBIOS                 | `(dN) SeaBIOS (version`                | `(dN) Booting from 0000:7c00`          |
//! | guest                   | the end of its firmware, or its console's first line | its console's last line  |

mod page;

use super::case::{Case, XEN};
use super::transcript::{Line, Speaker, Transcript, said};
pub use page::page;
use serde::Serialize;

/// What a span is about. Spans of one lane never lie at the same time for one guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    Hypervisor,
    Dom0,
    Toolstack,
    Create,
    /// QEMU in dom0 that serves the guest, or its stubdomain's consoles.
    QemuDom0,
    StubdomainKernel,
    StubdomainInit,
    QemuStubdomain,
    Firmware,
    Guest,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Span {
    pub lane: Lane,
    pub guest: Option<String>,
    /// What it is, for people.
    pub what: String,
    /// Seconds since Xen's start.
    pub from: f64,
    pub to: f64,
    /// The line or mark that it begins with, and the one that it ends with, if that came.
    pub begins: String,
    pub ends: Option<String>,
}

/// A moment and the line that shows it.
type Point = (f64, String);

/// In the order of lanes: those of the machine first, then each guest's, the guest first that was started first.
pub fn spans(case: &Case, transcript: &Transcript) -> Vec<Span> {
    let mut spans = machine(transcript);
    let mut guests: Vec<(&String, Vec<f64>)> = case
        .guest
        .keys()
        .map(|guest| (guest, created(transcript, guest)))
        .filter(|(_, begins)| !begins.is_empty())
        .collect();
    guests.sort_by(|a, b| a.1[0].total_cmp(&b.1[0]));
    for (guest, begins) in guests {
        for (i, from) in begins.iter().enumerate() {
            let until = begins.get(i + 1).copied().unwrap_or(f64::INFINITY);
            let window = Window { transcript, guest, number: i, from: *from, until };
            spans.extend(window.spans());
        }
    }
    spans
}

/// When each start of a guest began.
fn created(transcript: &Transcript, guest: &str) -> Vec<f64> {
    let mark = format!("create {guest}");
    let marks: Vec<f64> = transcript.marks.iter().filter(|(_, what)| *what == mark).map(|(at, _)| *at).collect();
    let log = format!("xl-{guest}");
    let first = transcript.console(&log).next().or_else(|| transcript.console(guest).next());
    if marks.is_empty() { first.map(|line| line.at).into_iter().collect() } else { marks }
}

fn machine(transcript: &Transcript) -> Vec<Span> {
    let mut spans = Vec::new();
    let last = transcript.last;
    let span = |lane, what: &str, from: &Option<Point>, to: &Option<Point>| {
        let (from, begins) = from.clone()?;
        let (to, ends) = to.clone().map_or((last, None), |(to, ends)| (to, Some(ends)));
        Some(Span { lane, guest: None, what: what.to_owned(), from, to: to.max(from), begins, ends })
    };
    let xen = || transcript.console(XEN).filter(|line| line.speaker == Some(Speaker::Xen));
    let version = xen().next().map(|line| (0.0, line.text.clone()));
    let handed = xen().rfind(|line| transcript.dom0 > 0.0 && line.at <= transcript.dom0);
    let dom0 = handed.map(|line| (transcript.dom0, line.text.clone()));
    let mark = |what: &str| transcript.mark(what).map(|at| (at, format!("mark {what}")));
    spans.extend(span(Lane::Hypervisor, "hypervisor", &version, &dom0));
    spans.extend(span(Lane::Dom0, "dom0's kernel", &dom0, &mark("init")));
    spans.extend(span(Lane::Toolstack, "toolstack", &mark("init"), &mark("toolstack")));
    spans
}

/// One life of a guest.
struct Window<'t> {
    transcript: &'t Transcript,
    guest: &'t str,
    /// Counts the guest's lives.
    number: usize,
    from: f64,
    until: f64,
}

impl Window<'_> {
    fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        spans.extend(self.create());
        spans.extend(self.qemu_in_dom0());
        spans.extend(self.stubdomain());
        let firmware = self.firmware();
        let booted = firmware.last().and_then(|last| Some((last.to, last.ends.clone()?)));
        spans.extend(firmware);
        spans.extend(self.guest(booted));
        spans
    }

    fn span(&self, lane: Lane, what: &str, from: Point, to: Option<Point>) -> Span {
        let last = self.until.min(self.transcript.last);
        let (to, ends) = to.map_or((last, None), |(to, ends)| (to, Some(ends)));
        let guest = Some(self.guest.to_owned());
        Span { lane, guest, what: what.to_owned(), from: from.0, to: to.max(from.0), begins: from.1, ends }
    }

    fn lines(&self, console: String) -> Vec<&Line> {
        let inside = |line: &&Line| line.at >= self.from && line.at < self.until;
        self.transcript.lines.iter().filter(|line| line.console == console).filter(inside).collect()
    }

    fn mark(&self, what: String) -> Option<Point> {
        let marks = &mut self.transcript.marks.iter();
        let (at, mark) = marks.find(|(at, mark)| *at >= self.from && *at < self.until && *mark == what)?;
        Some((*at, format!("mark {mark}")))
    }

    fn id(&self, name: &str) -> Option<u32> {
        self.transcript.domains(name).get(self.number).copied()
    }

    fn create(&self) -> Option<Span> {
        let log = self.lines(format!("xl-{}", self.guest));
        let from = self.mark(format!("create {}", self.guest)).or_else(|| log.first().map(|line| point(line)))?;
        let to = self.mark(format!("created {}", self.guest)).or_else(|| log.last().map(|line| point(line)));
        Some(self.span(Lane::Create, "xl create", from, to))
    }

    /// A guest whose QEMU is in a stubdomain has one in dom0 as well, for the stubdomain's consoles.
    fn qemu_in_dom0(&self) -> Option<Span> {
        let log = self.lines(format!("xl-{}", self.guest));
        let spawning =
            |line: &&&Line| line.text.contains("Spawning device-model ") && line.text.contains("with arguments");
        let from = log.iter().find(spawning)?;
        let id: Option<u32> =
            from.text.split_once("Domain ").and_then(|(_, rest)| rest.split_once(':')?.0.parse().ok());
        let runs = format!("domain {} device model: spawn watch p=running", id?);
        let to = log.iter().find(|line| line.at >= from.at && line.text.ends_with(&runs)).map(|line| point(line));
        let consoles = id == self.id(&format!("{}-dm", self.guest));
        let what = if consoles { "QEMU in dom0, for the stubdomain's consoles" } else { "QEMU in dom0" };
        Some(self.span(Lane::QemuDom0, what, point(from), to))
    }

    fn stubdomain(&self) -> Vec<Span> {
        let console = self.lines(format!("{}-dm", self.guest));
        let find = |part: &str| console.iter().find(|line| line.text.starts_with(part)).map(|line| point(line));
        let (init, qemu) = (find("stubdom: init "), find("stubdom: QEMU is started"));
        let runs = find("stubdom: QEMU says that it runs");
        let mut spans = Vec::new();
        if let Some(first) = console.first().filter(|line| !line.text.starts_with("stubdom: ")) {
            spans.push(self.span(Lane::StubdomainKernel, "stubdomain's kernel", point(first), init.clone()));
        }
        spans.extend(init.map(|init| self.span(Lane::StubdomainInit, "stubdomain's init", init, qemu.clone())));
        spans.extend(qemu.map(|qemu| self.span(Lane::QemuStubdomain, "QEMU in the stubdomain", qemu, runs)));
        spans
    }

    fn firmware(&self) -> Vec<Span> {
        let id = self.id(self.guest);
        let console = self.lines(XEN.to_owned());
        let own = |line: &&&Line| id.is_some_and(|id| line.speaker == Some(Speaker::Domain(id)));
        let find =
            |part: &str| console.iter().filter(own).find(|line| said(line).starts_with(part)).map(|line| point(line));
        let seabios = find("SeaBIOS (version");
        let loader = find("HVM Loader").map(|from| {
            let to = find("Invoking SeaBIOS").or_else(|| seabios.clone());
            self.span(Lane::Firmware, "hvmloader", from, to)
        });
        let seabios = seabios.map(|from| self.span(Lane::Firmware, "SeaBIOS", from, find("Booting from 0000:7c00")));
        loader.into_iter().chain(seabios).collect()
    }

    /// A guest that says nothing before it was booted says so by its firmware.
    fn guest(&self, booted: Option<Point>) -> Option<Span> {
        let console = self.lines(self.guest.to_owned());
        let first = console.first().map(|line| point(line));
        let from = booted.or(first)?;
        let to = console.iter().rfind(|line| !line.text.is_empty()).map(|line| point(line));
        Some(self.span(Lane::Guest, "guest", from, to))
    }
}

fn point(line: &Line) -> Point {
    (line.at, line.text.clone())
}
