//! What each path of a relocated tree was made of: sources by the step that staged it, libraries by what ELF files ask for, and
//! copies of libraries by the words that they leave in a file.
//!
//! A package of the toolchain is named where Debian's own names say which it is, and by its lock. What cannot be known this way is
//! left out.

use crate::audit::Facts;
use crate::elf::Elf;
use crate::job::Job;
use crate::relocate::{DISPATCH, Relocated};
use crate::toolchain::{Deb, Toolchain};
use anyhow::{Context as _, Result};
use fs_err as fs;
use memchr::memmem;
use std::collections::{BTreeMap, BTreeSet};

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
}

impl Attribution {
    pub fn new(job: &Job, tree: &Relocated, facts: &Facts) -> Result<Attribution> {
        let outside = &job.recipe.relocate.outside;
        let outside = outside.iter().map(|soname| (soname.clone(), package(&job.toolchain, soname).cloned()));
        let mut attribution = Attribution { outside: outside.collect(), ..Attribution::default() };
        for (path, step) in tree.owners() {
            let mut parts = of_step(job, step);
            if let Some(elf) = facts.entries.get(path).and_then(|fact| fact.elf()) {
                attribution.add_needs(elf, &mut parts);
                let bytes = fs::read(tree.path().join(path)).context("looking for copies of libraries")?;
                for copy in copies(&job.toolchain, &bytes) {
                    let reference = format!("copy:{}", copy.name);
                    parts.holds.insert(reference.clone());
                    attribution.copies.insert(reference, copy);
                }
            }
            attribution.paths.insert(path.clone(), parts);
        }
        Ok(attribution)
    }

    fn add_needs(&self, elf: &Elf, parts: &mut Parts) {
        let outside = elf.needed.iter().filter_map(|soname| Some((soname, self.outside.get(soname)?)));
        parts.needs.extend(outside.map(|(soname, deb)| library(soname, deb.as_ref())));
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
    let mut waiting: Vec<&String> = step.needs.iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(need) = waiting.pop() {
        if seen.insert(need) {
            let step = &job.recipe.step[need];
            parts.may_hold.insert(format!("source:{}", step.source));
            waiting.extend(&step.needs);
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
