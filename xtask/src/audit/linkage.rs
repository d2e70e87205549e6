//! The laws about libraries: that each one needed is found, is the right one, and offers what is asked of it; that unstable
//! libraries are private and everyone who uses them knows where they are.

use super::facts::{Facts, Led, Offer};
use super::{Abi, Finding, Findings, Nature};
use crate::elf::{Class, Elf, Type};
use crate::recipe::Recipe;
use crate::relocate::below_root;
use crate::relocate::links::{file_name, join, lead, parent, within};
use goblin::elf::header::machine_to_str;
use std::collections::BTreeSet;

/// What the laws compare with, taken from the recipe once.
struct Laws<'a> {
    recipe: &'a Recipe,
    facts: &'a Facts,
    offer: &'a Offer,
    /// `usr/lib/xen-4.17`, and its `lib`.
    private: &'a str,
    private_lib: String,
    public: &'a str,
}

impl<'a> Laws<'a> {
    fn new(recipe: &'a Recipe, facts: &'a Facts, offer: &'a Offer) -> Laws<'a> {
        let private = below_root(&recipe.relocate.private);
        let public = below_root(&recipe.relocate.public_libdir);
        Laws { recipe, facts, offer, private, private_lib: join(private, "lib"), public }
    }
}

pub fn check(recipe: &Recipe, facts: &Facts, offer: &Offer, findings: &mut Findings) {
    let laws = Laws::new(recipe, facts, offer);
    let abi = Abi::of(recipe.architecture);
    for (path, elf) in laws.userland(facts) {
        findings.extend(machine(path, elf, &abi));
        findings.extend(laws.interpreter(path, elf, &abi));
        laws.search_path(path, elf, findings);
        laws.soname(path, elf, findings);
        findings.extend(elf.needed.iter().filter_map(|name| laws.needed(path, elf, name)));
    }
}

/// What the files of one tree miss when their libraries are looked for in `root`, which holds more than that tree.
pub fn needs(recipe: &Recipe, own: &Facts, root: &Facts, offer: &Offer) -> Findings {
    let laws = Laws::new(recipe, root, offer);
    let needed = laws.userland(own).flat_map(|(path, elf)| elf.needed.iter().map(move |name| (path, elf, name)));
    needed.filter_map(|(path, elf, name)| laws.needed(path, elf, name)).collect()
}

fn machine(path: &str, elf: &Elf, abi: &Abi) -> Option<Finding> {
    if (elf.class, elf.machine) == (Class::Elf64, abi.machine) {
        return None;
    }
    let bits = if elf.class == Class::Elf32 { 32 } else { 64 };
    let message = format!(
        "is of {bits} bits for {}, expected 64 for {}",
        machine_to_str(elf.machine),
        machine_to_str(abi.machine)
    );
    Some(Finding::new("foreign-machine", path, message))
}

/// The part of a library's file name or SONAME before `.so`.
fn stem(name: &str) -> &str {
    name.split_once(".so").map_or(name, |(stem, _)| stem)
}

impl Laws<'_> {
    fn userland<'f>(&self, facts: &'f Facts) -> impl Iterator<Item = (&'f str, &'f Elf)> {
        facts.elves().filter(|(path, elf)| Nature::of(path, elf, self.private) == Nature::Userland)
    }

    fn is_unstable(&self, name: &str) -> bool {
        let series = format!(".so.{}", self.recipe.series);
        self.recipe.relocate.unstable.iter().any(|unstable| unstable == stem(name)) || name.ends_with(&series)
    }

    fn interpreter(&self, path: &str, elf: &Elf, abi: &Abi) -> Option<Finding> {
        match &elf.interpreter {
            Some(found) if found != abi.interpreter => {
                Some(Finding::new("interpreter", path, format!("asks for {found}, expected {}", abi.interpreter)))
            }
            None if elf.kind == Type::Executable && elf.dynamic => Some(Finding::new(
                "interpreter",
                path,
                format!("is a dynamic program without one, expected {}", abi.interpreter),
            )),
            _ => None,
        }
    }

    /// The folders of the RUNPATH as paths of the tree; `None` for one that means nothing there.
    fn runpath<'e>(&self, path: &str, elf: &'e Elf) -> Vec<(&'e str, Option<String>)> {
        let origin = format!("/{}", parent(path));
        let place = |entry: &str| {
            let entry = entry.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin);
            if entry.starts_with('/') && !entry.contains('$') { lead("", &entry) } else { None }
        };
        elf.runpath.iter().map(|entry| (entry.as_str(), place(entry))).collect()
    }

    fn search_path(&self, path: &str, elf: &Elf, findings: &mut Findings) {
        if !elf.rpath.is_empty() {
            findings.push(Finding::new("rpath", path, format!("has RPATH {}", elf.rpath.join(":"))));
        }
        if parent(path) == self.public && !elf.runpath.is_empty() {
            let message = format!("has RUNPATH {}", elf.runpath.join(":"));
            findings.push(Finding::new("runpath-on-stable-library", path, message));
            return;
        }
        for (entry, place) in self.runpath(path, elf) {
            if !place.is_some_and(|place| within(&place, self.private)) {
                let entry = if entry.is_empty() { "an empty entry (the current folder)" } else { entry };
                let message = format!("has {entry} in its RUNPATH, which is not below /{}", self.private);
                findings.push(Finding::new("runpath-undeclared", path, message));
            }
        }
    }

    fn soname(&self, path: &str, elf: &Elf, findings: &mut Findings) {
        let folder = parent(path);
        let in_library_folder = folder == self.public || folder == self.private_lib;
        let looks_like_library = in_library_folder && file_name(path).starts_with("lib") && path.contains(".so");
        let Some(soname) = &elf.soname else {
            if looks_like_library && elf.kind == Type::Shared {
                findings.push(Finding::new(
                    "soname-missing",
                    path,
                    format!("has none, expected one like {}", file_name(path)),
                ));
            }
            return;
        };
        if looks_like_library && self.facts.follow(&join(folder, soname)) != Led::To(path.to_owned()) {
            let message = format!("has SONAME {soname}, but /{} is not it", join(folder, soname));
            findings.push(Finding::new("soname-mismatch", path, message));
        }
        if !self.is_unstable(soname) {
            return;
        }
        let expected = format!("{}.so.{}", stem(soname), self.recipe.series);
        if *soname != expected {
            findings.push(Finding::new("unstable-soname", path, format!("has SONAME {soname}, expected {expected}")));
        }
        if !within(path, self.private) {
            let message = format!("is the unstable {soname}, expected below /{}", self.private);
            findings.push(Finding::new("unstable-library-public", path, message));
        }
    }

    /// Looks for a library as ld.so does: in the RUNPATH of the file itself, then in the default folders, of which the tree
    /// has one; what is left must be the distribution's.
    fn needed(&self, path: &str, elf: &Elf, name: &str) -> Option<Finding> {
        let runpath: Vec<String> = self.runpath(path, elf).into_iter().filter_map(|(_, place)| place).collect();
        if self.is_unstable(name) && !runpath.contains(&self.private_lib) {
            let message = format!("needs {name} and has {}", shown_runpath(elf));
            return Some(Finding::new("unstable-user-without-runpath", path, message));
        }
        let asked = elf.version_needs.get(name).cloned().unwrap_or_default();
        for folder in runpath.iter().map(String::as_str).chain([self.public]) {
            if let Led::To(library) = self.facts.follow(&join(folder, name)) {
                return self.supplied(path, elf, name, &library, &asked);
            }
        }
        if !self.recipe.relocate.outside.iter().any(|outside| outside == name) {
            let message =
                format!("needs {name}, which is neither in the tree ({}) nor declared outside", shown_runpath(elf));
            return Some(Finding::new("needed-unresolved", path, message));
        }
        let offered = self.offer.libraries.get(name);
        let missing: Vec<&String> =
            asked.iter().filter(|version| !offered.is_some_and(|o| o.contains(*version))).collect();
        if missing.is_empty() {
            return None;
        }
        let wanted = joined(&missing);
        let message = match offered {
            None => format!("asks {name} for {wanted}, the toolchain's root has no such library"),
            Some(offered) => match newest(offered) {
                Some(newest) => format!("asks {name} for {wanted}, the toolchain's offers up to {newest}"),
                None => format!("asks {name} for {wanted}, the toolchain's has no versions"),
            },
        };
        Some(Finding::new("version-undefined", path, message))
    }

    /// Checks a library of the tree that a file would be given.
    fn supplied(&self, path: &str, elf: &Elf, name: &str, library: &str, asked: &BTreeSet<String>) -> Option<Finding> {
        let mismatch =
            |found: String| Some(Finding::new("needed-mismatch", path, format!("needs {name}, but {library} {found}")));
        let Some(supplied) = self.facts.entries.get(library).and_then(|fact| fact.elf()) else {
            return mismatch("is no readable ELF file".to_owned());
        };
        if (supplied.class, supplied.machine) != (elf.class, elf.machine) || supplied.kind != Type::Shared {
            return mismatch(format!("is {}, expected {}", shown_abi(supplied), shown_abi(elf)));
        }
        let missing: Vec<&String> = asked.difference(&supplied.version_definitions).collect();
        if missing.is_empty() {
            return None;
        }
        let message = format!("asks {name} for {}, which {library} does not define", joined(&missing));
        Some(Finding::new("version-undefined", path, message))
    }
}

fn shown_runpath(elf: &Elf) -> String {
    if elf.runpath.is_empty() { "no RUNPATH".to_owned() } else { format!("RUNPATH {}", elf.runpath.join(":")) }
}

fn shown_abi(elf: &Elf) -> String {
    let bits = if elf.class == Class::Elf32 { 32 } else { 64 };
    let kind = if elf.kind == Type::Shared { "a library" } else { "not a library" };
    format!("{kind} of {bits} bits for {}", machine_to_str(elf.machine))
}

fn joined(versions: &[&String]) -> String {
    versions.iter().map(|version| version.as_str()).collect::<Vec<_>>().join(", ")
}

/// The version with the highest numbers: `GLIBC_2.36` after `GLIBC_2.4`.
fn newest(versions: &BTreeSet<String>) -> Option<&String> {
    let numbers = |version: &String| -> Vec<u64> {
        version.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
    };
    versions.iter().max_by_key(|version| numbers(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let versions = ["GLIBC_2.4", "GLIBC_2.36", "GLIBC_2.2.5"].map(str::to_owned).into();
        assert_eq!(newest(&versions).map(String::as_str), Some("GLIBC_2.36"));
    }
}
