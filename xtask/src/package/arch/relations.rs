//! What a package needs and offers, in pacman's words: libraries that stay compatible by SONAME (`libxencall.so=1-64`, as makepkg's
//! `libprovides` has it), those of one series by the package that has them, Arch's by the name of Arch's package, and what the
//! recipe says beside that.

use super::{Package, version};
use crate::elf::Class;
use crate::fault::Fault;
use crate::package::Goods;
use crate::recipe::Format;
use crate::relocate::links;
use crate::tree::Kind;
use anyhow::{Result, bail};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

/// Arch's package for each library that Xen takes from outside. Most do not provide their SONAMEs, so the name is asked for.
const OUTSIDE: [(&str, &str); 23] = [
    ("ld-linux-x86-64.so.2", "glibc"),
    ("libbz2.so.1.0", "bzip2"),
    ("libc.so.6", "glibc"),
    ("libcrypto.so.3", "openssl"),
    ("libdl.so.2", "glibc"),
    ("libext2fs.so.2", "e2fsprogs"),
    ("libgcrypt.so.20", "libgcrypt"),
    ("libglib-2.0.so.0", "glib2"),
    ("liblzma.so.5", "xz"),
    ("liblzo2.so.2", "lzo"),
    ("libm.so.6", "glibc"),
    ("libncurses.so.6", "ncurses"),
    ("libpixman-1.so.0", "pixman"),
    ("libpthread.so.0", "glibc"),
    ("libpython3.11.so.1.0", "python"),
    ("librt.so.1", "glibc"),
    ("libtinfo.so.6", "ncurses"),
    ("libusb-1.0.so.0", "libusb"),
    ("libutil.so.1", "glibc"),
    ("libuuid.so.1", "util-linux-libs"),
    ("libyajl.so.2", "yajl"),
    ("libz.so.1", "zlib"),
    ("libzstd.so.1", "zstd"),
];

/// Arch's packages for the interpreters of scripts.
const INTERPRETERS: [(&str, &str); 4] = [("bash", "bash"), ("perl", "perl"), ("python3", "python"), ("sh", "sh")];

/// Which package of the recipe has a library of the series; those that stay compatible are known by their SONAME alone.
pub struct World<'a> {
    private: BTreeMap<&'a str, &'a str>,
    public: BTreeSet<&'a str>,
}

impl<'a> World<'a> {
    pub fn of(goods: &Goods<'a>) -> World<'a> {
        let prefix = goods.job.recipe.relocate.private.trim_start_matches('/');
        let mut world = World { private: BTreeMap::new(), public: BTreeSet::new() };
        for parcel in &goods.parcels {
            for entry in parcel.own(goods.tree) {
                let elf = goods.facts.entries.get(&entry.path).and_then(|fact| fact.elf());
                let Some(soname) = elf.and_then(|elf| elf.soname.as_deref()) else { continue };
                if links::within(&entry.path, prefix) {
                    world.private.insert(soname, &parcel.package.name);
                } else {
                    world.public.insert(soname);
                }
            }
        }
        world
    }
}

/// By the field's name in a recipe; sorted.
pub fn of(goods: &Goods, world: &World, package: &Package) -> Result<BTreeMap<&'static str, Vec<String>>> {
    let recipe = package.recipe;
    let prefix = recipe.relocate.private.trim_start_matches('/');
    let (mut depends, mut provides, mut packages) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for item in package.items.iter().filter(|item| item.own) {
        if let Kind::File { mode, .. } = item.kind
            && mode & 0o111 != 0
        {
            depends.extend(interpreter(&goods.tree.path().join(item.from))?.map(str::to_owned));
        }
        let Some(elf) = goods.facts.entries.get(item.from).and_then(|fact| fact.elf()) else { continue };
        if !links::within(item.from, prefix) {
            provides.extend(elf.soname.as_deref().and_then(|soname| versioned(soname, elf.class)));
        }
        for library in elf.needed.iter().map(String::as_str) {
            if let Some(package) = world.private.get(library) {
                packages.insert(*package);
            } else if world.public.contains(library) {
                depends.extend(versioned(library, elf.class));
            } else if let Some((_, package)) = OUTSIDE.iter().find(|(soname, _)| *soname == library) {
                depends.insert((*package).to_owned());
            } else {
                let what = format!("{} needs {library}, and no package of Arch Linux is known to have it", item.from);
                bail!(Fault::failed(what).cure("name the package in xtask/src/package/arch/relations.rs"));
            }
        }
    }
    packages.extend(package.package.needs.iter().map(String::as_str));
    packages.remove(package.package.name.as_str());
    for name in packages {
        let how = if recipe.is_private(name) { "=" } else { ">=" };
        depends.insert(format!("{name}{how}{}", version(recipe)));
    }
    // Its own libraries are there with it.
    depends.retain(|needed| !provides.contains(needed));
    let mut all = BTreeMap::from([("depends", depends), ("provides", provides)]);
    for field in Format::Arch.relations() {
        let more = package.package.relations.get(&Format::Arch).and_then(|relations| relations.get(*field));
        all.entry(field).or_default().extend(more.into_iter().flatten().cloned());
    }
    Ok(all.into_iter().map(|(field, values)| (field, values.into_iter().collect())).collect())
}

/// `libxencall.so=1-64` for `libxencall.so.1`.
fn versioned(soname: &str, class: Class) -> Option<String> {
    let bits = match class {
        Class::Elf64 => 64,
        Class::Elf32 => 32,
    };
    let (name, version) = soname.split_once(".so.")?;
    Some(format!("{name}.so={version}-{bits}"))
}

/// The package of a script's interpreter.
fn interpreter(script: &std::path::Path) -> Result<Option<&'static str>> {
    let mut start = Vec::new();
    fs::File::open(script)?.take(128).read_to_end(&mut start)?;
    let Some(line) = start.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next()) else {
        return Ok(None);
    };
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let program = words.next().map(|word| if word == "env" { words.next().unwrap_or(word) } else { word });
    let known = INTERPRETERS.iter().find(|(name, _)| Some(*name) == program);
    match known {
        Some((_, package)) => Ok(Some(package)),
        None => {
            let what =
                format!("{} runs in `{line}`, and no package of Arch Linux is known to have it", script.display());
            bail!(Fault::failed(what).cure("name the package in xtask/src/package/arch/relations.rs"))
        }
    }
}
