//! What must hold of a relocated tree, read from its ELF files and names. Pure: facts in, all findings out.
//!
//! The files are read by `inspection`; everything here only looks at what it found. The audit changes nothing and prints nothing; a
//! finding that is right as it is can be allowed in the recipe, with its reason.

mod bounds;
pub mod coinstall;
mod facts;
mod hardening;
mod layout;
mod leaks;
mod linkage;
mod rule;
mod verdict;

pub use bounds::Measured;
pub use facts::{Fact, Facts, Led, Offer};
pub use leaks::{SANDBOX, search};
pub use rule::{RULES, Rule, rule};
pub use verdict::{Allowed, Verdict};

use crate::elf::{Class, Elf, Type};
use crate::recipe::{Architecture, Recipe};
use crate::relocate::links::within;
use anyhow::Result;
use goblin::elf::header::{EM_AARCH64, EM_X86_64};
use serde::Serialize;

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The law that is broken, kebab-case: `needed-unresolved`. One of [`RULES`].
    pub rule: &'static str,
    /// The file, relative to the tree's root; the package or the glob where a rule is about those.
    pub path: String,
    /// What was found and what was expected.
    pub message: String,
}

impl Finding {
    pub(crate) fn new(rule: &'static str, path: &str, message: String) -> Finding {
        Finding { rule, path: path.to_owned(), message }
    }
}

type Findings = Vec<Finding>;

/// Holds the facts against every law. The only error is a glob of the recipe that cannot be read.
pub fn audit(recipe: &Recipe, facts: &Facts, offer: &Offer) -> Result<Verdict> {
    let mut findings = Findings::new();
    linkage::check(recipe, facts, offer, &mut findings);
    hardening::check(recipe, facts, &mut findings);
    layout::check(recipe, facts, &mut findings)?;
    let measured = bounds::check(recipe, facts, &mut findings)?;
    verdict::judge(recipe, findings, measured)
}

/// What a dynamic program of an architecture looks like.
struct Abi {
    interpreter: &'static str,
    /// `e_machine`.
    machine: u16,
}

impl Abi {
    fn of(architecture: Architecture) -> Abi {
        match architecture {
            Architecture::X86_64 => Abi { interpreter: "/lib64/ld-linux-x86-64.so.2", machine: EM_X86_64 },
            Architecture::Aarch64 => Abi { interpreter: "/lib/ld-linux-aarch64.so.1", machine: EM_AARCH64 },
        }
    }
}

/// Which laws an ELF file is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    /// A program or library that Linux runs.
    Userland,
    /// A hypervisor, firmware, a guest's kernel; symbols kept apart for a debugger; an object file. Linux never runs it, so
    /// that neither its libraries nor its hardening are userland's.
    Other,
}

impl Nature {
    /// Decided from the file itself where that is possible: something that Linux runs has a loader or a dynamic section, or is
    /// a static program of 64 bits. Of the static ones, those with a note of Xen's, those in a `boot` folder, and 32-bit ones
    /// (hvmloader) are started by Xen or a boot loader.
    fn of(path: &str, elf: &Elf, private: &str) -> Nature {
        let below = |folder: &str| within(path, &format!("{private}/{folder}"));
        let linked = elf.dynamic || elf.interpreter.is_some();
        let for_a_debugger = below("lib/debug");
        let booted = within(path, "boot") || below("boot") || elf.notes.contains("Xen") || elf.class == Class::Elf32;
        let object = matches!(elf.kind, Type::Relocatable | Type::Other);
        if object || for_a_debugger || (booted && !linked) { Nature::Other } else { Nature::Userland }
    }
}
