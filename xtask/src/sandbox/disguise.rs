//! Another world for the steps of one build: a clock months ahead, directories read backwards, and another layout inside. Only
//! `repro` makes one, to see whether anything of the usual world reaches an artifact.
//!
//! A disguise belongs to a store and not to a run: a key does not know of it, so what was made in it may lie in no other store.
//! [`crate::store::Store::disguised`] makes such a store, which ordinary ones differ from in their first file.

use crate::context::Context;
use crate::fault::Fault;
use crate::sandbox::Sandbox;
use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Seconds that the preloaded clock is ahead: seven months and some hours, so that month, day and hour of the day are others.
pub const AHEAD: u64 = 18_500_000;

/// The name of the library in a disguised store, and its place inside.
pub const LIBRARY: &str = "disguise.so";
const PRELOADED: &str = "/in/.disguise.so";

/// Accounts of the other layout: file in a disguised store and its place inside.
pub const ACCOUNTS: [(&str, &str, &str); 2] = [
    ("passwd", "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nsomebody:x:2345:2345::/elsewhere/home:/bin/sh\n"),
    ("group", "/etc/group", "root:x:0:\nsomebody:x:2345:\n"),
];

const SOURCE: &str = include_str!("../../data/disguise.c");

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disguise {
    /// The store has a library, which every process inside is given: another clock, and another order of directories.
    pub preload: bool,
    /// Paths, names, user and environment inside are others.
    pub layout: bool,
}

/// What is different inside, for the eyes of a person: what it is, as always, in this layout.
pub const LAYOUT: [(&str, &str, &str); 9] = [
    ("build path inside", super::BUILD, "/elsewhere/a-longer-path/to-the-sources"),
    ("output path inside", super::OUT, "/elsewhere/another/destination"),
    ("host name inside", super::HOST, "another-inner-host"),
    ("user inside", "1000 (builder)", "2345 (somebody)"),
    ("home inside", "/nonexistent", "/elsewhere/home"),
    ("time zone inside", "UTC", "XEN-13:30"),
    ("locale inside", "C.UTF-8", "C"),
    ("folder for temporary files inside", "/tmp", "/elsewhere/scratch"),
    ("umask inside", "022", "027"),
];

const UID: &str = "2345";
const UMASK: &str = "027";

impl Disguise {
    /// User, host name and umask inside.
    pub(super) fn identity(&self) -> (&'static str, &'static str, &'static str) {
        if self.layout { (UID, other("host name inside"), UMASK) } else { (super::UID, super::HOST, super::UMASK) }
    }

    /// Where a place of the usual layout is.
    pub(super) fn place(&self, usual: &str) -> String {
        let moved = [(super::BUILD, other("build path inside")), (super::OUT, other("output path inside"))];
        let moved = moved.into_iter().find_map(|(from, to)| Some((to, usual.strip_prefix(from)?)));
        match moved {
            Some((to, rest)) if self.layout && (rest.is_empty() || rest.starts_with('/')) => format!("{to}{rest}"),
            _ => usual.to_owned(),
        }
    }

    /// A text of a step in which its source's folder is where it is in the usual layout.
    pub fn undo(&self, text: &str) -> String {
        text.replace(&self.place(super::BUILD), super::BUILD)
    }

    /// A step's script, whose first variables say where the output goes.
    pub fn script(&self, usual: &str) -> String {
        let assignment = |place: &str| format!("OUT='{place}'\n");
        usual.replacen(&assignment(super::OUT), &assignment(&self.place(super::OUT)), 1)
    }

    /// Variables that are other inside.
    pub(super) fn env(&self) -> BTreeMap<&'static str, &'static str> {
        if !self.layout {
            return BTreeMap::new();
        }
        let (home, zone, locale) = (other("home inside"), other("time zone inside"), other("locale inside"));
        let scratch = other("folder for temporary files inside");
        BTreeMap::from([("HOME", home), ("TZ", zone), ("LC_ALL", locale), ("TMPDIR", scratch)])
    }

    /// What bubblewrap is told on top of the usual, given the disguised store.
    pub(super) fn arguments(&self, store: &Path) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        if self.preload {
            words.extend(["--ro-bind".into(), store.join(LIBRARY).into(), PRELOADED.into()]);
            // Not in the environment of bubblewrap itself, which has no such file.
            words.extend(["--setenv", "LD_PRELOAD", PRELOADED].map(OsString::from));
        }
        if self.layout {
            for (name, place, _) in ACCOUNTS {
                words.extend(["--ro-bind".into(), store.join(name).into(), place.into()]);
            }
            for place in [other("home inside"), other("folder for temporary files inside")] {
                words.extend(["--tmpfs", place].map(OsString::from));
            }
        }
        words
    }
}

fn other(what: &str) -> &'static str {
    LAYOUT.iter().find(|(name, ..)| *name == what).expect("a line of the table").2
}

/// Compiles the library in the empty folder `work`, with the compiler of the toolchain that is unpacked at `root`.
pub fn compile(ctx: &Context, root: &Path, work: &Path) -> Result<Result<PathBuf, String>> {
    if !root.join("usr/bin/gcc").exists() {
        return Ok(Err("the toolchain has no gcc to compile what is preloaded for it".to_owned()));
    }
    fs::write(work.join("disguise.c"), SOURCE)?;
    let sandbox =
        Sandbox { writable: vec![(work.to_owned(), super::BUILD.to_owned())], ..Sandbox::new(root, super::BUILD) };
    let ahead = format!("-DAHEAD={AHEAD}");
    let words = ["gcc", "-O2", "-fPIC", "-shared", "-nostdlib", &ahead, "-o", LIBRARY, "disguise.c"];
    let output = sandbox.command(ctx, &words)?.output().context("starting gcc")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        return Err(Fault::failed(format!("the library for the second build does not compile:\n{said}")).into());
    }
    Ok(Ok(work.join(LIBRARY)))
}
