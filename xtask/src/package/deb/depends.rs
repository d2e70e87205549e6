//! What a package depends on, computed from its files as dpkg-shlibdeps(1) and dh_python3(1) do: libraries by the symbols that are
//! really asked for, Python by the version that extension modules are made for.
//!
//! What the distribution offers is what the toolchain's packages say of themselves; nothing is guessed. A library that nobody
//! provides is an error.

use super::library::{self, Library, Needs};
use crate::audit::{Facts, Led};
use crate::debian::relation;
use crate::elf::{Elf, Type};
use crate::fault::Fault;
use crate::job::Job;
use crate::package::Parcel;
use crate::recipe::Recipe;
use crate::relocate::{Relocated, links};
use crate::rootfs;
use crate::shipment::Roots;
use crate::toolchain::Toolchain;
use crate::tree::Kind;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A library of this recipe.
struct Own<'a> {
    package: &'a str,
    /// Nothing for a private library, which fits only those of its very version.
    offer: Option<Library>,
}

/// Who provides which library, by SONAME.
pub struct Providers<'a> {
    job: &'a Job,
    own: BTreeMap<String, Own<'a>>,
    /// What the distribution offers, by the toolchain that says so.
    outside: BTreeMap<String, BTreeMap<String, Library>>,
    /// Path of a library to its SONAME.
    paths: BTreeMap<String, String>,
}

impl<'a> Providers<'a> {
    pub fn new(job: &'a Job, facts: &Facts, roots: &Roots, parcels: &[Parcel<'a>]) -> Result<Providers<'a>> {
        let (mut own, mut paths) = (BTreeMap::new(), BTreeMap::new());
        for parcel in parcels {
            for (path, elf, soname) in libraries(parcel, facts) {
                let offer = is_public(&job.recipe, path).then(|| offer(&job.recipe, parcel, elf)).transpose()?;
                own.insert(soname.to_owned(), Own { package: &parcel.package.name, offer });
                paths.insert(path.to_owned(), soname.to_owned());
            }
        }
        let outside = roots.iter().map(|(name, root)| Ok((name.clone(), outside(&job.toolchains[name], root)?)));
        Ok(Providers { job, own, outside: outside.collect::<Result<_>>()?, paths })
    }

    /// `Depends` of a parcel, without what its recipe says. Every library that cannot be found is in the one error.
    pub fn depends(&self, parcel: &Parcel, tree: &Relocated, facts: &Facts) -> Result<BTreeSet<String>> {
        let recipe = &self.job.recipe;
        let (mut relations, mut needs, mut missing) = (BTreeSet::new(), Needs::default(), Vec::new());
        for entry in parcel.own(tree) {
            let Some(elf) = facts.entries.get(&entry.path).and_then(|fact| fact.elf()) else { continue };
            let toolchain = self.toolchain(tree, &entry.path);
            let outside = self.outside.get(toolchain);
            for soname in &elf.needed {
                let found = match (self.own.get(soname), outside.and_then(|outside| outside.get(soname))) {
                    (Some(own), _) if own.package == parcel.package.name => continue,
                    (Some(Own { package, offer: None }), _) => {
                        relations.insert(format!("{package} (= {})", recipe.full_version()));
                        continue;
                    }
                    (Some(Own { offer: Some(offer), .. }), _) => offer,
                    (None, Some(outside)) => outside,
                    (None, None) => {
                        missing.push(format!("{soname}, which {} needs ({toolchain})", entry.path));
                        continue;
                    }
                };
                found.ask(&elf.versioned_imports, &mut needs);
            }
        }
        if !missing.is_empty() {
            let name = &parcel.package.name;
            let what = format!("nobody provides libraries of package {name}:\n    {}", missing.join("\n    "));
            let cure = "have a package of the recipe claim the library, or add the distribution's to the toolchain of its step, which \
                        stands beside it";
            return Err(Fault::failed(what).cure(cure).into());
        }
        relations.extend(needs.relations());
        relations.extend(self.linked(parcel, tree, facts));
        relations.extend(python(parcel, tree)?);
        relations.extend(parcel.package.needs.iter().map(|package| {
            let relation = if recipe.is_private(package) { "=" } else { ">=" };
            format!("{package} ({relation} {})", recipe.full_version())
        }));
        Ok(relations)
    }
}

impl Providers<'_> {
    /// The toolchain that a path was made in: its step's, or the recipe's for what the project adds itself.
    fn toolchain(&self, tree: &Relocated, path: &str) -> &str {
        let recipe = &self.job.recipe;
        let step = tree.owners().get(path).and_then(|step| recipe.step.get(step));
        step.map_or(&recipe.toolchain, |step| recipe.toolchain_of(step))
    }

    /// Packages whose libraries the links of a development package lead to (Policy 8.4). A public one may be of a later version: its
    /// interface is stable, and packages of two series that need it in one version each could not be installed together.
    fn linked<'t>(&'t self, parcel: &'t Parcel, tree: &'t Relocated, facts: &'t Facts) -> impl Iterator<Item = String> {
        let links = parcel.own(tree).filter(|entry| matches!(entry.kind, Kind::Symlink { .. }));
        links.filter_map(|entry| {
            let Led::To(path) = facts.follow(&entry.path) else { return None };
            let Own { package, offer } = &self.own[self.paths.get(&path)?];
            let relation = if offer.is_some() { ">=" } else { "=" };
            let other = *package != parcel.package.name;
            other.then(|| format!("{package} ({relation} {})", self.job.recipe.full_version()))
        })
    }
}

/// The libraries of a parcel that others are linked with: path, facts, SONAME.
pub fn libraries<'f>(parcel: &Parcel, facts: &'f Facts) -> Vec<(&'f str, &'f Elf, &'f str)> {
    let found = parcel.entries.iter().filter_map(|entry| {
        let (path, fact) = facts.entries.get_key_value(&entry.path)?;
        let elf = fact.elf().filter(|elf| elf.kind == Type::Shared)?;
        Some((path.as_str(), elf, elf.soname.as_deref()?))
    });
    found.collect()
}

/// True where the loader looks without being told, so that anybody can use the library.
pub fn is_public(recipe: &Recipe, path: &str) -> bool {
    links::parent(path) == recipe.relocate.public_libdir.trim_start_matches('/')
}

/// What a public library of ours offers. A symbol counts as no older than this version: the next may add some to the same library,
/// and which it had before is not known here.
pub fn offer(recipe: &Recipe, parcel: &Parcel, elf: &Elf) -> Result<Library> {
    let version = relation::version(&recipe.version.to_string())?;
    // dpkg-gensymbols(1) counts the versions themselves as symbols.
    let mut symbols: BTreeSet<String> = elf.version_definitions.iter().map(|node| format!("{node}@{node}")).collect();
    symbols.extend(elf.versioned_exports.iter().cloned());
    Ok(Library::new(&parcel.package.name, &symbols, &version))
}

/// What the toolchain's packages say of the libraries in them. Of two packages with a library of one name, one holds it for another
/// architecture; it cannot be installed beside itself (Multi-Arch).
fn outside(toolchain: &Toolchain, root: &Path) -> Result<BTreeMap<String, Library>> {
    let mut found: BTreeMap<String, (bool, Library)> = BTreeMap::new();
    for deb in &toolchain.debs {
        let read = |member: &str| -> Result<Option<String>> {
            let path = root.join(rootfs::INFO).join(format!("{}.{member}", deb.name));
            path.is_file().then(|| Ok(fs::read_to_string(&path)?)).transpose()
        };
        let symbols = read("symbols")?.map(|text| library::read_symbols(&text)).transpose();
        let symbols = symbols.with_context(|| format!("reading the symbols file of package {}", deb.name))?;
        let shlibs = read("shlibs")?.map(|text| library::read_shlibs(&text)).unwrap_or_default();
        if symbols.is_none() && shlibs.is_empty() {
            continue;
        }
        let control = read("control")?.unwrap_or_default();
        let native = control.lines().any(|line| line == "Multi-Arch: same");
        // What stands in both is taken from the first, which knows more.
        for (soname, library) in shlibs.into_iter().chain(symbols.unwrap_or_default()) {
            let better = found.get(&soname).is_none_or(|(known, _)| native || !known);
            if better {
                found.insert(soname, (native, library));
            }
        }
    }
    Ok(found.into_iter().map(|(soname, (_, library))| (soname, library)).collect())
}

/// Python for programs and modules; extension modules bind it to one version, which stands in their names (PEP 3149).
fn python(parcel: &Parcel, tree: &Relocated) -> Result<BTreeSet<String>> {
    let (mut any, mut bounds) = (false, BTreeSet::new());
    for entry in parcel.own(tree) {
        if let Some(minor) = entry.path.split(".cpython-3").nth(1).filter(|_| entry.path.ends_with(".so")) {
            let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
            if let Ok(minor) = digits.parse::<u32>() {
                bounds.insert(format!("python3 (>= 3.{minor}~)"));
                bounds.insert(format!("python3 (<< 3.{})", minor + 1));
            }
        }
        any |= entry.path.ends_with(".py") || is_python(&tree.path().join(&entry.path), &entry.kind)?;
    }
    // A program runs with whatever Python there is, of whatever architecture.
    Ok(if bounds.is_empty() && any { ["python3:any".to_owned()].into() } else { bounds })
}

fn is_python(path: &Path, kind: &Kind) -> Result<bool> {
    if !matches!(kind, Kind::File { mode, .. } if mode & 0o111 != 0) {
        return Ok(false);
    }
    let mut start = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(fs::File::open(path)?, 64), &mut start)?;
    let line = String::from_utf8_lossy(start.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned();
    Ok(line.starts_with("#!") && line.contains("python3"))
}
