//! Cases: what a machine is given, what dom0 does in it, and what must and must not appear. Text in, plain value out.
//!
//! A case is written once for all series: `$PRIVATE`, `$SERIES` and `$VERSION` stand for a recipe's own, and are filled in by
//! [`Case::of`] wherever dom0's shell does not do it by itself. This module reads no file and starts nothing.

mod check;
mod read;

use crate::fault::Fault;
use crate::recipe::diagnose::Problems;
use crate::recipe::{Recipe, nearest, quoted};
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;

/// The console of COM1: Xen's, dom0's kernel's and, through Xen, firmware's.
pub const XEN: &str = "xen";
/// What the case's own script writes.
pub const RUN: &str = "run";

/// The words that are filled in.
const WORDS: [&str; 3] = ["PRIVATE", "SERIES", "VERSION"];

#[derive(Clone, Debug)]
pub struct Case {
    /// The file's stem.
    pub name: String,
    pub summary: String,
    /// Seconds of guest time from power-on to power-off.
    pub limit: u64,
    /// Only these; empty means all.
    pub series: Vec<String>,
    /// Paths in dom0 without which the case says nothing.
    pub needs: Vec<String>,
    /// Recipes, as `build` takes them, whose packages are installed too. The one that is booted may be among them.
    pub with: Vec<String>,
    /// The next revision's packages lie in `/case/upgrade`.
    pub upgrade: bool,
    pub guest: BTreeMap<String, Guest>,
    /// dom0's shell script.
    pub run: String,
    pub expect: Vec<Expect>,
    pub refuse: Vec<Refuse>,
    /// Inputs that make the case fail.
    pub broken: BTreeMap<String, Broken>,
    /// Features for the emulator's `-cpu`, such as `-svm`; none as a rule.
    pub cpu: String,
    /// Words for the hypervisor's command line; none as a rule.
    pub xen: String,
    /// A script for dom0 before anything of Xen's is started; empty as a rule.
    pub before: String,
    /// What this case was broken by, see [`Case::broken_by`].
    pub applied: Option<Applied>,
}

#[derive(Clone, Debug)]
pub struct Guest {
    pub boots: Boots,
    /// As xl reads it.
    pub config: String,
}

/// What a guest boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Boots {
    /// A boot sector that exercises the emulated network card and clock.
    DeviceSector,
    /// A boot sector that reads and writes the emulated disk.
    DiskSector,
    /// A kernel of ours for PV and PVH.
    Hello,
    /// A Debian kernel on an emulated IDE disk.
    Linux,
}

impl Boots {
    pub const ALL: [Boots; 4] = [Boots::DeviceSector, Boots::DiskSector, Boots::Hello, Boots::Linux];

    /// The name in a case.
    pub fn name(self) -> &'static str {
        match self {
            Boots::DeviceSector => "device-sector",
            Boots::DiskSector => "disk-sector",
            Boots::Hello => "hello",
            Boots::Linux => "linux",
        }
    }
}

/// A line that must come.
#[derive(Clone, Debug)]
pub struct Expect {
    pub console: String,
    /// A part of the line.
    pub text: String,
    /// Seconds of guest time after the script began.
    pub within: Option<u64>,
}

/// A line that must not come.
#[derive(Clone, Debug)]
pub struct Refuse {
    pub console: String,
    pub text: String,
}

/// An input that is wrong on purpose: with it the case must fail, or it proves nothing.
#[derive(Clone, Debug)]
pub struct Broken {
    pub summary: String,
    /// A part of the reason that must be given.
    pub says: String,
    pub cpu: Option<String>,
    pub xen: Option<String>,
    /// Paths in dom0 that are taken away.
    pub remove: Vec<String>,
    /// Paths in dom0 whose middle is overwritten.
    pub corrupt: Vec<String>,
    pub config: BTreeMap<String, Replace>,
    /// A script for dom0 before anything of Xen's is started.
    pub before: String,
}

#[derive(Clone, Debug)]
pub struct Replace {
    pub old: String,
    pub new: String,
}

/// The broken input that a case was given.
#[derive(Clone, Debug, Serialize)]
pub struct Applied {
    pub name: String,
    pub says: String,
}

/// Reads the case called `name`. The error names every mistake with its line in `file`, which is the name shown to people.
pub fn parse(name: &str, file: &str, text: &str) -> Result<Case> {
    let problems = Problems::new(vec![(0, file)], text);
    let (document, syntax) = toml::de::DeTable::parse_recoverable(text);
    let case = if syntax.is_empty() { read::case(&problems, name, document.get_ref()) } else { None };
    for error in &syntax {
        problems.add(error.span().unwrap_or_default(), error.message());
    }
    match (case, problems.render()) {
        (Some(case), None) => Ok(case),
        (_, mistakes) => {
            let mistakes = mistakes.unwrap_or_default();
            Err(Fault::usage(format!("{file} is not a valid case\n{mistakes}")).into())
        }
    }
}

impl Case {
    /// The case with a recipe's own words filled in. In scripts the shell does it.
    pub fn of(&self, recipe: &Recipe) -> Case {
        let words = [recipe.relocate.private.clone(), recipe.series.clone(), recipe.version.to_string()];
        let mut case = self.clone();
        let needs = case.needs.clone();
        case.needs = needs.into_iter().map(|path| fill(path, &words)).collect();
        for text in case.texts() {
            *text = fill(std::mem::take(text), &words);
        }
        case
    }

    /// The case with what is known of a guest since its disk or kernel was made: `{GUEST.NAME}` stands for a fact, in scripts as well.
    pub fn with(&self, guest: &str, facts: &BTreeMap<String, String>) -> Result<Case> {
        let mut case = self.clone();
        let (mut run, mut before) = (case.run.clone(), case.before.clone());
        for text in case.texts().into_iter().chain([&mut run, &mut before]) {
            for (name, value) in facts {
                *text = text.replace(&format!("{{{guest}.{name}}}"), value);
            }
            let open = format!("{{{guest}.");
            if let Some((_, rest)) = text.split_once(&open) {
                let name = rest.split(['}', '\n', ' ']).next().unwrap_or_default();
                let what = format!("case {}: nothing is known as `{name}` of guest {guest}", self.name);
                let cure = match facts.len() {
                    0 => "what it boots says nothing of itself".to_owned(),
                    _ => format!("known: {}", quoted(facts.keys().map(String::as_str))),
                };
                return Err(Fault::usage(what).cure(cure).into());
            }
        }
        (case.run, case.before) = (run, before);
        Ok(case)
    }

    /// What no shell reads.
    fn texts(&mut self) -> Vec<&mut String> {
        let configs = self.guest.values_mut().map(|guest| &mut guest.config);
        let expected = self.expect.iter_mut().map(|expect| &mut expect.text);
        let refused = self.refuse.iter_mut().map(|refuse| &mut refuse.text);
        let says = self.applied.iter_mut().map(|applied| &mut applied.says);
        configs.chain(expected).chain(refused).chain(says).collect()
    }

    /// Whether the case says anything of a Xen of this series; `has` looks for a path in dom0. The error is the reason.
    pub fn applies(&self, series: &str, has: impl Fn(&str) -> bool) -> Result<(), String> {
        if !self.series.is_empty() && !self.series.iter().any(|only| only == series) {
            return Err(format!("it is for series {} alone", self.series.join(" and ")));
        }
        match self.needs.iter().find(|path| !has(path)) {
            Some(path) => Err(format!("what was built has no {path}")),
            None => Ok(()),
        }
    }

    /// The case with one of its broken inputs.
    pub fn broken_by(&self, name: &str) -> Result<Case> {
        let Some(broken) = self.broken.get(name) else {
            let known = self.broken.keys().map(String::as_str);
            let cure = match nearest(name, known.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if self.broken.is_empty() => "it has none".to_owned(),
                None => format!("it has {}", quoted(known)),
            };
            let what = format!("case {} has no broken input `{name}`", self.name);
            return Err(Fault::usage(what).cure(cure).into());
        };
        let mut case = self.clone();
        case.cpu = broken.cpu.clone().unwrap_or_default();
        case.xen = broken.xen.clone().unwrap_or_default();
        for (guest, Replace { old, new }) in &broken.config {
            if let Some(guest) = case.guest.get_mut(guest) {
                guest.config = guest.config.replacen(old, new, 1);
            }
        }
        let there = |path: &String| format!("[ -e \"{path}\" ] || fail \"there is no {path} to be broken\"\n");
        for path in &broken.remove {
            case.before += &format!("{}rm -r \"{path}\"\n", there(path));
        }
        // All ones: a middle of zeros would be nothing new to a sparse file.
        for path in &broken.corrupt {
            case.before += &there(path);
            case.before += &format!("blocks=$(($(stat -L -c %s \"{path}\") / 8192))\n");
            case.before += "head -c 65536 /dev/zero | tr '\\0' '\\377' |\n";
            case.before +=
                &format!("  dd of=\"{path}\" bs=4096 seek=$blocks conv=notrunc iflag=fullblock status=none\n");
        }
        case.before += &broken.before;
        case.applied = Some(Applied { name: name.to_owned(), says: broken.says.clone() });
        Ok(case)
    }

    /// A guest that only a processor with SVM or VMX can run, if there is one.
    pub fn needs_hvm(&self) -> Option<&str> {
        let hardware = |guest: &Guest| matches!(check::setting(&guest.config, "type"), Some((_, "hvm" | "pvh")));
        self.guest.iter().find(|(_, guest)| hardware(guest)).map(|(name, _)| name.as_str())
    }

    /// The names of all consoles that a machine of this case has.
    pub fn consoles(&self) -> Vec<String> {
        consoles(self.guest.keys())
    }
}

fn fill(text: String, values: &[String; WORDS.len()]) -> String {
    WORDS.iter().zip(values).fold(text, |text, (word, value)| text.replace(&format!("${word}"), value))
}

fn consoles<'g>(guests: impl Iterator<Item = &'g String>) -> Vec<String> {
    let of = |guest: &String| [guest.clone(), format!("{guest}-dm"), format!("qemu-{guest}"), format!("xl-{guest}")];
    let own = [XEN, RUN, "xencommons", "xenstored"].map(str::to_owned);
    own.into_iter().chain(guests.flat_map(of)).collect()
}
