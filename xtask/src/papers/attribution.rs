//! What each path of a relocated tree was made of: sources by the step that staged it, libraries by what ELF files ask for, and
//! copies of libraries by the words that they leave in a file.
//!
//! A package of the toolchain is named where Debian's own names say which it is, and by its lock. What cannot be known this way is
//! left out.

use super::bundles::Carried;
use super::linked::{Linked, Part};
use crate::archive;
use crate::audit::Facts;
use crate::elf::{Elf, Type};
use crate::fault::Fault;
use crate::filter::Filter;
use crate::job::Job;
use crate::relocate::{DISPATCH, LINKED, Relocated};
use crate::toolchain::{Deb, Toolchain};
use anyhow::{Context as _, Result};
use fs_err as fs;
use memchr::memmem;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

/// The component that stands for what this program itself adds to a tree.
pub const OWN: &str = "xenwright";

/// What one path holds and needs, as references to components of the bill.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Certainly in it.
    pub holds: BTreeSet<String>,
    /// Its step reads what was built from these.
    pub may_hold: BTreeSet<String>,
    /// Loaded when it starts, from the distribution.
    pub needs: BTreeSet<String>,
}

/// A library that is linked into files.
#[derive(Clone, Debug)]
pub struct Copy {
    pub name: &'static str,
    pub version: Option<String>,
    /// The toolchain's package that it came from.
    pub deb: Option<Deb>,
}

#[derive(Clone, Debug, Default)]
pub struct Attribution {
    pub paths: BTreeMap<String, Parts>,
    /// By reference.
    pub copies: BTreeMap<String, Copy>,
    /// The recipe's outside libraries with the toolchain's package where it is known, by SONAME.
    pub outside: BTreeMap<String, Option<Deb>>,
    /// The toolchain's packages whose code the compiler puts into every program and library.
    pub startup: Vec<Deb>,
    /// Packages of any toolchain that a linker's map shows in a file, by reference.
    pub linked: BTreeMap<String, Deb>,
}

impl Attribution {
    /// `bundles` are the copies in the sources' trees, `linked` is what steps recorded of their files.
    pub fn new(
        job: &Job,
        tree: &Relocated,
        facts: &Facts,
        bundles: &[Carried],
        linked: &Linked,
    ) -> Result<Attribution> {
        let outside = &job.recipe.relocate.outside;
        let outside = outside.iter().map(|soname| (soname.clone(), package(&job.toolchain, soname).cloned()));
        let startup = startup(&job.toolchain);
        let mut attribution = Attribution { outside: outside.collect(), startup, ..Attribution::default() };
        let mut claims = bundles.iter().map(|carried| Claim::new(job, carried)).collect::<Result<Vec<_>>>()?;
        for (path, step) in tree.owners() {
            let elf = facts.entries.get(path).and_then(|fact| fact.elf());
            let recorded = linked.parts(job, step, path)?;
            let known = recorded.is_some();
            let mut parts = match recorded {
                Some(recorded) => attribution.recorded(job, recorded),
                None if elf.is_some_and(is_static) && has_sysroot(job, step) => {
                    return Err(unrecorded(job, step, path));
                }
                None => of_step(job, step),
            };
            let file = tree.path().join(path);
            let claimed = claims.iter().any(|claim| claim.into.keeps(path)) && fs::symlink_metadata(&file)?.is_file();
            let bytes = match elf.is_some() || claimed {
                true => plain(fs::read(&file).context("looking for copies of libraries")?),
                false => Vec::new(),
            };
            for claim in claims.iter_mut().filter(|_| !bytes.is_empty()) {
                if claim.holds(path, step, &bytes)? {
                    parts.holds.insert(claim.carried.reference());
                }
            }
            if let Some(elf) = elf {
                attribution.add_needs(elf, &mut parts);
                // Whatever is linked with the C library the usual way: a hypervisor or a firmware is not.
                let usual =
                    matches!(elf.kind, Type::Executable | Type::Shared) && elf.needed.iter().any(|so| so == LIBC);
                if usual && !known {
                    parts.holds.extend(attribution.startup.iter().map(|deb| toolchain(&deb.name)));
                }
                for copy in copies(&job.toolchain, &bytes) {
                    let reference = format!("copy:{}", copy.name);
                    parts.holds.insert(reference.clone());
                    attribution.copies.insert(reference, copy);
                }
            }
            attribution.paths.insert(path.clone(), parts);
        }
        claims.iter().try_for_each(Claim::kept)?;
        Ok(attribution)
    }

    /// Whether any path holds a component.
    pub fn holds(&self, reference: &str) -> bool {
        self.paths.values().any(|parts| parts.holds.contains(reference))
    }

    /// Whether any path holds a component or may do so. What is built and then not linked in is in none.
    pub fn may_hold(&self, reference: &str) -> bool {
        self.holds(reference) || self.paths.values().any(|parts| parts.may_hold.contains(reference))
    }

    /// What a record says that is in a file.
    fn recorded(&mut self, job: &Job, recorded: BTreeSet<Part>) -> Parts {
        let mut parts = Parts::default();
        for part in recorded {
            parts.holds.insert(match part {
                Part::Source(name) => format!("source:{name}"),
                Part::Package(from, name) => {
                    // The recipe's own toolchain needs no telling.
                    let reference = match from == job.toolchain.name {
                        true => toolchain(&name),
                        false => toolchain(&format!("{from}/{name}")),
                    };
                    let mut debs = job.toolchains[&from].debs.iter();
                    let deb = debs.find(|deb| deb.name == name).expect("the record was read against this lock");
                    self.linked.insert(reference.clone(), deb.clone());
                    reference
                }
            });
        }
        parts
    }

    fn add_needs(&self, elf: &Elf, parts: &mut Parts) {
        let outside = elf.needed.iter().filter_map(|soname| Some((soname, self.outside.get(soname)?)));
        parts.needs.extend(outside.map(|(soname, deb)| library(soname, deb.as_ref())));
    }
}

const LIBC: &str = "libc.so.6";

/// A program that brings all its libraries along.
fn is_static(elf: &Elf) -> bool {
    elf.kind == Type::Executable && !elf.dynamic
}

fn has_sysroot(job: &Job, step: &str) -> bool {
    job.recipe.step.get(step).is_some_and(|step| !step.sysroot.is_empty())
}

fn unrecorded(job: &Job, step: &str, path: &str) -> anyhow::Error {
    let what = format!("{path} of step {step} of {} is static, and nothing says what is in it", job.recipe.stem());
    Fault::failed(what)
        .cure(format!("link it with `-Wl,-Map=$OUT/{LINKED}/{path}`: the papers read the linker's map"))
        .into()
}

/// The reference of a package of the toolchain whose code is linked in.
pub fn toolchain(name: &str) -> String {
    format!("toolchain:{name}")
}

/// Where crt1.o, crti.o and libc_nonshared.a come from, and crtbegin.o and libgcc.a.
fn startup(toolchain: &Toolchain) -> Vec<Deb> {
    toolchain.debs.iter().filter(|deb| is_startup(&deb.name)).cloned().collect()
}

/// A package of what the compiler adds to every program.
pub fn is_startup(name: &str) -> bool {
    let version = name.strip_prefix("libgcc-").and_then(|rest| rest.strip_suffix("-dev"));
    name == "libc6-dev" || version.is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What is in a compressed file, such as a hypervisor's image; the bytes themselves where they are not compressed.
fn plain(bytes: Vec<u8>) -> Vec<u8> {
    if !bytes.starts_with(b"\x1f\x8b") {
        return bytes;
    }
    let mut inside = Vec::new();
    let read = archive::decompress(bytes.as_slice()).and_then(|mut stream| Ok(stream.read_to_end(&mut inside)?));
    if read.is_ok() { inside } else { bytes }
}

/// A copy in a source, and what is seen of it in the staged files.
struct Claim<'c> {
    job: &'c Job,
    carried: &'c Carried,
    into: Filter,
    /// Steps that read it.
    steps: BTreeSet<&'c str>,
    /// Whether a file was named, and whether one showed a mark.
    named: bool,
    seen: bool,
}

impl<'c> Claim<'c> {
    fn new(job: &'c Job, carried: &'c Carried) -> Result<Claim<'c>> {
        let mut steps = BTreeSet::new();
        for (name, step) in job.recipe.step.iter().filter(|(_, step)| step.source == carried.source) {
            let filter = Filter::new(&step.paths)?;
            if carried.files.iter().any(|file| filter.keeps(file)) {
                steps.insert(name.as_str());
            }
        }
        Ok(Claim { job, carried, into: Filter::new(&carried.bundle.into)?, steps, named: false, seen: false })
    }

    /// Whether the copy is in a file: the recipe says so, and the steps and the marks do not say otherwise.
    fn holds(&mut self, path: &str, step: &str, bytes: &[u8]) -> Result<bool> {
        let marks = &self.carried.bundle.marks;
        let shows = marks.iter().any(|mark| memmem::find(bytes, mark.as_bytes()).is_some());
        match (self.into.keeps(path), self.steps.contains(step)) {
            (true, true) => {
                self.named = true;
                self.seen |= shows;
                Ok(true)
            }
            (true, false) => Err(self.wrong(format!("{path} is of step {step}, which reads none of its files"))),
            (false, true) if shows => Err(self.wrong(format!("{path} shows its mark and is not in `into`"))),
            (false, _) => Ok(false),
        }
    }

    /// At the end: the claim named something, and what it named looks like it.
    fn kept(&self) -> Result<()> {
        let marks = &self.carried.bundle.marks;
        if !self.named {
            return Err(self.wrong("nothing that was staged matches `into`".to_owned()));
        }
        if !marks.is_empty() && !self.seen {
            return Err(self.wrong(format!("no file of `into` shows one of its marks: {}", marks.join(", "))));
        }
        Ok(())
    }

    fn wrong(&self, what: String) -> anyhow::Error {
        let (source, name) = (&self.carried.source, &self.carried.bundle.name);
        Fault::failed(format!("`{name}` in source {source} of {}: {what}", self.job.recipe.stem()))
            .cure(format!("correct `source.{source}.bundle` in the recipe"))
            .into()
    }
}

/// The reference of an outside library.
pub fn library(soname: &str, deb: Option<&Deb>) -> String {
    deb.map_or_else(|| format!("library:{soname}"), |deb| format!("deb:{}", deb.name))
}

/// What the outputs of a step are made of.
fn of_step(job: &Job, name: &str) -> Parts {
    let mut parts = Parts::default();
    let Some(step) = job.recipe.step.get(name) else {
        debug_assert_eq!(name, DISPATCH);
        parts.holds.insert(OWN.to_owned());
        return parts;
    };
    parts.holds.insert(format!("source:{}", step.source));
    let mut waiting: Vec<&String> = step.inputs().collect();
    let mut seen = BTreeSet::new();
    while let Some(need) = waiting.pop() {
        if seen.insert(need) {
            let step = &job.recipe.step[need];
            parts.may_hold.insert(format!("source:{}", step.source));
            waiting.extend(step.inputs());
        }
    }
    parts.may_hold.retain(|reference| !parts.holds.contains(reference));
    parts
}

/// Libraries whose packages are not called after their SONAME.
const RENAMED: [(&str, &str); 5] = [
    ("libdl.so.2", "libc6"),
    ("libm.so.6", "libc6"),
    ("libpthread.so.0", "libc6"),
    ("librt.so.1", "libc6"),
    ("libz.so.1", "zlib1g"),
];

/// The toolchain's package of a library: by Debian's rule (Policy 8.1), the SONAME with `.so.` left out, or put as a dash where the
/// name ends in a digit.
fn package<'t>(toolchain: &'t Toolchain, soname: &str) -> Option<&'t Deb> {
    let by_rule = || {
        let (name, version) = soname.split_once(".so.")?;
        let dash = if name.ends_with(|last: char| last.is_ascii_digit()) { "-" } else { "" };
        Some(format!("{name}{dash}{version}").to_lowercase().replace('_', "-"))
    };
    let renamed = RENAMED.iter().find(|(library, _)| *library == soname).map(|(_, package)| package.to_string());
    let wanted = renamed.or_else(by_rule)?;
    toolchain.debs.iter().find(|deb| deb.name == wanted)
}

/// The Debian source package of a locked package, which is a folder of the archive.
pub fn source_package(deb: &Deb) -> Option<&str> {
    let parts: Vec<&str> = deb.path.split('/').collect();
    match parts[..] {
        ["pool", _, _, source, _] => Some(source),
        _ => None,
    }
}

/// Copies of libraries that say so themselves.
fn copies(toolchain: &Toolchain, bytes: &[u8]) -> Vec<Copy> {
    let mut found = Vec::new();
    if let Some(version) = zlib(bytes) {
        let deb = of_source(toolchain, "zlib", "-dev").filter(|deb| deb.version.contains(&version)).cloned();
        found.push(Copy { name: "zlib", version: Some(version), deb });
    }
    // What the run time of OCaml's native programs asks the environment for.
    if memmem::find(bytes, b"OCAMLRUNPARAM").is_some() {
        let deb = toolchain.debs.iter().find(|deb| deb.name == "ocaml" || deb.name == "ocaml-nox").cloned();
        found.push(Copy { name: "ocaml", version: None, deb });
    }
    found
}

/// A package of a source package, by the end of its name.
fn of_source<'t>(toolchain: &'t Toolchain, source: &str, end: &str) -> Option<&'t Deb> {
    toolchain.debs.iter().find(|deb| source_package(deb) == Some(source) && deb.name.ends_with(end))
}

/// The version in zlib's own notice, ` inflate 1.2.13 Copyright 1995-…`, which every file that holds its code has.
fn zlib(bytes: &[u8]) -> Option<String> {
    for at in memmem::find_iter(bytes, b"flate ") {
        let rest = &bytes[at + b"flate ".len()..];
        let end = rest.iter().take(16).position(|byte| *byte == b' ').unwrap_or(0);
        let version = &rest[..end];
        if !version.is_empty()
            && version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
            && rest[end..].starts_with(b" Copyright 1995-")
        {
            return String::from_utf8(version.to_vec()).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Hash;

    fn toolchain(debs: &[(&str, &str)]) -> Toolchain {
        let deb = |(name, path): &(&str, &str)| Deb {
            name: name.to_string(),
            version: "1:1.2.13.dfsg-1".to_owned(),
            path: path.to_string(),
            size: 1,
            sha256: Hash::of(name.as_bytes()),
        };
        Toolchain {
            name: "t".to_owned(),
            architecture: "amd64".to_owned(),
            links: BTreeMap::new(),
            snapshot: String::new(),
            debs: debs.iter().map(deb).collect(),
        }
    }

    #[test]
    fn a_library_leads_to_its_package() {
        let toolchain = toolchain(&[
            ("libc6", "pool/main/g/glibc/libc6_1_amd64.deb"),
            ("libext2fs2", "pool/main/e/e2fsprogs/libext2fs2_1_amd64.deb"),
            ("libfdt1-1", "pool/main/f/f/f.deb"),
            ("zlib1g", "pool/main/z/zlib/zlib1g_1_amd64.deb"),
        ]);
        let named = |soname: &str| package(&toolchain, soname).map(|deb| deb.name.as_str());
        assert_eq!(named("libc.so.6"), Some("libc6"));
        assert_eq!(named("libm.so.6"), Some("libc6"));
        assert_eq!(named("libext2fs.so.2"), Some("libext2fs2"));
        assert_eq!(named("libfdt1.so.1"), Some("libfdt1-1"));
        assert_eq!(named("libz.so.1"), Some("zlib1g"));
        assert_eq!(named("libunknown.so.1"), None, "what the lock does not have is not known");
        assert_eq!(source_package(&toolchain.debs[3]), Some("zlib"));
    }

    #[test]
    fn a_copy_is_known_by_its_own_words() {
        let toolchain = toolchain(&[("zlib1g-dev", "pool/main/z/zlib/zlib1g-dev_1_amd64.deb")]);
        let found = copies(&toolchain, b"\0 inflate 1.2.13 Copyright 1995-2022 Mark Adler \0");
        assert_eq!((found[0].name, found[0].version.as_deref()), ("zlib", Some("1.2.13")));
        assert_eq!(found[0].deb.as_ref().map(|deb| deb.name.as_str()), Some("zlib1g-dev"));
        let other = copies(&toolchain, b"deflate 1.2.8 Copyright 1995-2013");
        assert!(other[0].deb.is_none(), "the toolchain's is another version");
        assert!(copies(&toolchain, b"inflate it, deflate 9 Copyright").is_empty());
        assert_eq!(copies(&toolchain, b"x OCAMLRUNPARAM")[0].name, "ocaml");
    }
}
