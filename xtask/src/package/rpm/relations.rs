//! What a package offers and needs, computed as rpm's own generators do for what `rpmbuild` packs (elfdeps and script.req of rpm
//! 4.18, which the slow tests ask to compare), and what the recipe says beside that.
//!
//! The libraries of one series are nobody else's: as with `%__provides_exclude_from` and `%__requires_exclude`, no package offers
//! them by name, and who uses them needs the very package that has them.

use super::{Layout, Placed, version};
use crate::audit::Led;
use crate::elf::{Class, Elf};
use crate::fault::Fault;
use crate::package::Goods;
use crate::recipe::{Format, Package, Recipe};
use crate::relocate::links;
use crate::tree::Kind;
use anyhow::Result;
use rpm::{Dependency, DependencyFlags, PackageBuilder};
use std::collections::{BTreeMap, BTreeSet};

/// What has to be known of all packages to say what one needs.
pub struct World<'a> {
    /// Libraries of the series: SONAME to the package that has it.
    private: BTreeMap<&'a str, &'a str>,
    /// Packages in which nothing depends on the architecture.
    portable: BTreeSet<&'a str>,
}

/// What was seen in the files of a package while they were read.
#[derive(Default)]
pub struct Contents {
    /// Of the programs that are scripts.
    pub interpreters: BTreeSet<String>,
}

impl<'a> World<'a> {
    pub fn of(goods: &Goods<'a>, layout: &Layout) -> Result<World<'a>> {
        let prefix = prefix(&goods.job.recipe);
        let mut world = World { private: BTreeMap::new(), portable: BTreeSet::new() };
        for parcel in &goods.parcels {
            let name = parcel.package.name.as_str();
            let mut portable = true;
            for item in layout.items(parcel, goods.tree)?.iter().filter(|item| item.own) {
                let elf = goods.facts.entries.get(item.from).and_then(|fact| fact.elf());
                // A hypervisor is compressed, and a static library is an archive: neither says what it is.
                portable &= elf.is_none() && !item.path.starts_with("boot/") && !item.path.ends_with(".a");
                portable &= linked(goods, item).is_none();
                if links::within(item.from, prefix)
                    && let Some(soname) = elf.and_then(|elf| elf.soname.as_deref())
                {
                    world.private.insert(soname, name);
                }
            }
            if portable {
                world.portable.insert(name);
            }
        }
        Ok(world)
    }

    pub fn is_portable(&self, package: &str) -> bool {
        self.portable.contains(package)
    }
}

/// The recipe's private prefix as a path of the tree.
fn prefix(recipe: &Recipe) -> &str {
    recipe.relocate.private.trim_start_matches('/')
}

/// Adds all relations of a package but those that the crate knows itself: that it provides its own name, its configuration, and
/// what it asks of rpm.
pub fn add(
    builder: &mut PackageBuilder,
    goods: &Goods,
    world: &World,
    package: &Package,
    items: &[Placed],
    contents: &Contents,
) -> Result<()> {
    let recipe = &goods.job.recipe;
    let elves = items.iter().filter_map(|item| {
        let executable = matches!(item.kind, Kind::File { mode, .. } if mode & 0o111 != 0);
        Some((item, goods.facts.entries.get(item.from)?.elf()?)).filter(|_| executable)
    });
    let (mut provides, mut requires, mut packages) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (item, elf) in elves {
        if !links::within(item.from, prefix(recipe)) {
            provides.extend(offered(elf));
        }
        for (library, capability) in needed(elf) {
            match world.private.get(library.as_str()) {
                Some(package) => drop(packages.insert(*package)),
                None => drop(requires.insert(capability)),
            }
        }
    }
    for item in items {
        requires.extend(python(&item.path));
        if let Some((soname, class)) = linked(goods, item) {
            match world.private.get(soname) {
                Some(package) => drop(packages.insert(*package)),
                None => drop(requires.insert(capability(soname, "", class))),
            }
        }
    }
    packages.extend(package.needs.iter().map(String::as_str));
    packages.remove(package.name.as_str());

    requires.extend(contents.interpreters.iter().cloned());
    for name in provides {
        builder.provides(generated(name, DependencyFlags::FIND_PROVIDES));
    }
    for name in requires {
        builder.requires(generated(name, DependencyFlags::FIND_REQUIRES));
    }
    for name in packages {
        builder.requires(whole(recipe, world, name));
    }
    for (field, relations) in package.relations.get(&Format::Rpm).into_iter().flatten() {
        for text in relations {
            let relation = parse(text)?;
            match field.as_str() {
                "conflicts" => builder.conflicts(relation),
                "obsoletes" => builder.obsoletes(relation),
                "provides" => builder.provides(relation),
                "recommends" => builder.recommends(relation),
                "requires" => builder.requires(relation),
                "suggests" => builder.suggests(relation),
                "supplements" => builder.supplements(relation),
                other => unreachable!("the recipe's reader knows no field {other}"),
            };
        }
    }
    Ok(())
}

/// `python(abi) = 3.11`, which the generators split into name and version.
fn generated(text: String, flags: DependencyFlags) -> Dependency {
    match text.split_once(" = ") {
        Some((name, version)) => {
            Dependency { name: name.to_owned(), flags: flags | DependencyFlags::EQUAL, version: version.to_owned() }
        }
        None => Dependency { name: text, flags, version: String::new() },
    }
}

/// Another package of the recipe: `xen-libs-4.17(x86-64) = 4.17.5+72-1`, or `xen-common >= …` where series share it.
fn whole(recipe: &Recipe, world: &World, name: &str) -> Dependency {
    let evr = format!("{}-{}", version(recipe), recipe.revision);
    let isa = if world.is_portable(name) { String::new() } else { isa(recipe.architecture.gnu()) };
    let name_isa = format!("{name}{isa}");
    if recipe.is_private(name) { Dependency::eq(name_isa, evr) } else { Dependency::greater_eq(name_isa, evr) }
}

/// What rpm calls `%_isa`: name and bits.
fn isa(architecture: &str) -> String {
    match architecture {
        "x86_64" => "(x86-64)".to_owned(),
        other => format!("({}-64)", other.trim_end_matches("64")),
    }
}

/// What a library offers: its SONAME, alone and with each version of its symbols.
fn offered(elf: &Elf) -> Vec<String> {
    let Some(soname) = &elf.soname else { return Vec::new() };
    let versions = elf.version_definitions.iter().map(String::as_str);
    versions.chain([""]).map(|version| capability(soname, version, elf.class)).collect()
}

/// What an ELF file needs: the library, and what of it.
fn needed(elf: &Elf) -> Vec<(String, String)> {
    let mut needed = Vec::new();
    for library in &elf.needed {
        needed.push((library.clone(), capability(library, "", elf.class)));
    }
    for (library, versions) in &elf.version_needs {
        needed.extend(versions.iter().map(|version| (library.clone(), capability(library, version, elf.class))));
    }
    if elf.gnu_hash_only {
        needed.push((String::new(), "rtld(GNU_HASH)".to_owned()));
    }
    needed
}

/// `libxencall.so.1(VERS_1.0)(64bit)`.
fn capability(soname: &str, version: &str, class: Class) -> String {
    match (class, version) {
        (Class::Elf64, version) => format!("{soname}({version})(64bit)"),
        (Class::Elf32, "") => soname.to_owned(),
        (Class::Elf32, version) => format!("{soname}({version})"),
    }
}

/// The library behind a link that a linker reads (`libxencall.so`), as rpm's generator for such links has it.
fn linked<'g>(goods: &'g Goods, item: &Placed) -> Option<(&'g str, Class)> {
    if !matches!(item.kind, Kind::Symlink { .. }) || !item.path.ends_with(".so") {
        return None;
    }
    let Led::To(library) = goods.facts.follow(item.from) else { return None };
    let elf = goods.facts.entries.get(&library)?.elf()?;
    Some((elf.soname.as_deref()?, elf.class))
}

/// The interpreter of a script: the first word after `#!`.
pub fn interpreter(bytes: &[u8]) -> Option<String> {
    let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = std::str::from_utf8(line).ok()?.split_ascii_whitespace().next()?;
    word.starts_with('/').then(|| word.to_owned())
}

/// The Python that an extension was built for, by the tag in its name (PEP 3149): `xc.cpython-311-x86_64-linux-gnu.so`.
fn python(path: &str) -> Option<String> {
    let tag = links::file_name(path).strip_suffix(".so")?.split(".cpython-").nth(1)?;
    let digits = tag.split('-').next()?;
    let (major, minor) = digits.split_at_checked(1)?;
    minor.parse::<u32>().ok().map(|minor| format!("python(abi) = {major}.{minor}"))
}

/// A relation as a spec file has it: `NAME`, `NAME >= 1.0`, or a whole expression in parentheses.
fn parse(text: &str) -> Result<Dependency> {
    let refuse = || {
        let what = format!("`{text}` is not a relation that rpm knows");
        Fault::usage(what)
            .cure("write `NAME`, `NAME = VERSION` with one of = < > <= >=, or an expression in parentheses")
    };
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (flags, version) = match words.as_slice() {
        [_] => return Ok(Dependency::any(text.trim())),
        [first, ..] if first.starts_with('(') && text.trim_end().ends_with(')') => {
            return Ok(Dependency::any(text.trim()));
        }
        [_, sign, version] => {
            let flags = match *sign {
                "=" => DependencyFlags::EQUAL,
                "<" => DependencyFlags::LESS,
                ">" => DependencyFlags::GREATER,
                "<=" => DependencyFlags::LE,
                ">=" => DependencyFlags::GE,
                _ => return Err(refuse().into()),
            };
            (flags, *version)
        }
        _ => return Err(refuse().into()),
    };
    Ok(Dependency { name: words[0].to_owned(), flags, version: version.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_of_a_script_is_its_interpreter() {
        for (text, expected) in [
            ("#!/bin/sh\nexit\n", Some("/bin/sh")),
            ("#! /bin/bash -e\n", Some("/bin/bash")),
            ("#!/usr/bin/env python3", Some("/usr/bin/env")),
            ("#!sh\n", None),
            ("#!\n", None),
            ("\x7fELF", None),
        ] {
            assert_eq!(interpreter(text.as_bytes()).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn an_extension_says_which_python_it_is_for() {
        for (path, expected) in [
            ("usr/lib/xen-4.17/lib/python/xen/lowlevel/xc.cpython-311-x86_64-linux-gnu.so", Some("python(abi) = 3.11")),
            ("a/xenfsimage.cpython-39-x86_64-linux-gnu.so", Some("python(abi) = 3.9")),
            ("a/__pycache__/util.cpython-311.pyc", None),
            ("a/fsimage.so", None),
            ("a/x.cpython-é.so", None),
        ] {
            assert_eq!(python(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn relations_are_those_of_a_spec_file() {
        let read = |text: &str| parse(text).map(|relation| relation.to_string());
        for text in ["xen-libs", "xen-libs < 4.20", "xen >= 4.17.5+72-1", "(a >= 1 or b)"] {
            assert_eq!(read(text).unwrap(), text);
        }
        for text in ["", "xen ~ 1", "xen >=", "a b c d"] {
            assert!(read(text).unwrap_err().to_string().contains(&format!("`{text}` is not a relation")), "{text}");
        }
    }
}
