//! From names to packages: the closure of `Depends` and `Pre-Depends`. Pure, and independent of the order of its inputs.
//!
//! Greedy, without search: of each name the highest version, of alternatives the first that can be had, unless another one is
//! on the list of wanted packages. That is enough when a person writes the list and a lock records the outcome; what does not
//! fit together is an error, not a puzzle. `Recommends` are never followed.

use super::index::Package;
use super::relation::{self, Relation};
use crate::fault::Fault;
use anyhow::{Context as _, Result};
use debversion::Version;
use std::collections::{BTreeMap, BTreeSet};

/// One package that takes part, with its version and fields parsed.
struct Candidate<'a> {
    package: &'a Package,
    version: Version,
    provides: Vec<Relation>,
}

struct World<'a> {
    architecture: &'a str,
    wanted: &'a BTreeSet<String>,
    /// Of each name the highest version.
    candidates: BTreeMap<&'a str, Candidate<'a>>,
    /// Virtual names, with the names of those who provide them.
    providers: BTreeMap<String, BTreeSet<&'a str>>,
}

/// The packages that `wanted` needs, itself included, sorted by name. All that does not fit is one error.
pub fn resolve<'a>(
    wanted: &'a BTreeSet<String>,
    packages: impl IntoIterator<Item = &'a Package>,
    architecture: &'a str,
) -> Result<Vec<&'a Package>> {
    let world = World::new(wanted, packages, architecture)?;
    let mut problems = BTreeSet::new();
    let mut chosen: BTreeSet<&str> = BTreeSet::new();
    let mut ahead: Vec<&str> = Vec::new();
    for name in wanted {
        match world.candidates.get_key_value(name.as_str()) {
            Some((name, _)) => ahead.push(name),
            None => {
                problems
                    .insert(format!("{name} is wanted: {}", world.why_not(std::slice::from_ref(&relation_to(name)))));
            }
        }
    }
    while let Some(name) = ahead.pop() {
        if !chosen.insert(name) {
            continue;
        }
        let package = world.candidates[name].package;
        for group in world.fields(package, &package.depends)? {
            match world.choose(&group) {
                Some(next) => ahead.push(next),
                None => {
                    let group_text: Vec<String> = group.iter().map(Relation::to_string).collect();
                    problems.insert(format!(
                        "{name} {} depends on {}: {}",
                        package.version,
                        group_text.join(" | "),
                        world.why_not(&group)
                    ));
                }
            }
        }
    }
    world.quarrels(&chosen, &mut problems)?;
    if problems.is_empty() {
        return Ok(chosen.into_iter().map(|name| world.candidates[name].package).collect());
    }
    let problems: Vec<String> = problems.into_iter().collect();
    Err(Fault::failed(format!("the packages do not fit together:\n    {}", problems.join("\n    ")))
        .cure("change `packages`, or `suites`, of the toolchain")
        .into())
}

fn relation_to(name: &str) -> Relation {
    Relation { name: name.to_owned(), bound: None }
}

impl<'a> World<'a> {
    fn new(
        wanted: &'a BTreeSet<String>,
        packages: impl IntoIterator<Item = &'a Package>,
        architecture: &'a str,
    ) -> Result<World<'a>> {
        let mut named: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
        for package in packages {
            named.entry(&package.name).or_default().push(package);
        }
        let mut world = World { architecture, wanted, candidates: BTreeMap::new(), providers: BTreeMap::new() };
        for (name, packages) in named {
            let mut best: Option<(Version, &Package)> = None;
            for package in packages {
                let version = relation::version(&package.version).with_context(|| format!("package {name}"))?;
                // The hash decides between two of one version, so that the order of suites does not.
                if best.as_ref().is_none_or(|(v, p)| (v, &p.sha256) < (&version, &package.sha256)) {
                    best = Some((version, package));
                }
            }
            let Some((version, package)) = best else { continue };
            let provides: Vec<Relation> = world.fields(package, &package.provides)?.into_iter().flatten().collect();
            for provided in &provides {
                world.providers.entry(provided.name.clone()).or_default().insert(name);
            }
            world.candidates.insert(name, Candidate { package, version, provides });
        }
        Ok(world)
    }

    fn fields(&self, package: &Package, field: &str) -> Result<Vec<Vec<Relation>>> {
        relation::parse(field, self.architecture)
            .with_context(|| format!("package {} {}", package.name, package.version))
    }

    fn choose(&self, group: &[Relation]) -> Option<&'a str> {
        let all: Vec<&str> = group.iter().flat_map(|relation| self.answers(relation)).collect();
        all.iter().find(|name| self.wanted.contains(**name)).or(all.first()).copied()
    }

    /// Who answers a relation: the package of that name, then those that provide it, by name.
    fn answers(&self, relation: &Relation) -> Vec<&'a str> {
        let real = self.candidates.get_key_value(relation.name.as_str());
        let real = real.filter(|(_, candidate)| relation.admits(&candidate.version)).map(|(name, _)| *name);
        let providers = self.providers.get(&relation.name).into_iter().flatten().copied();
        let providers = providers.filter(|name| provides(&self.candidates[name], relation));
        real.into_iter().chain(providers).collect()
    }

    fn why_not(&self, group: &[Relation]) -> String {
        let reasons: Vec<String> = group
            .iter()
            .map(|relation| match self.candidates.get(relation.name.as_str()) {
                Some(candidate) => format!("{} has version {}", relation.name, candidate.package.version),
                None => match self.providers.get(&relation.name) {
                    Some(providers) => {
                        let providers: Vec<&str> = providers.iter().copied().collect();
                        let version = if relation.bound.is_some() { " without such a version" } else { "" };
                        format!("{} is only provided, by {}{version}", relation.name, providers.join(", "))
                    }
                    None => format!("there is no {}", relation.name),
                },
            })
            .collect();
        reasons.join(", ")
    }

    /// `Conflicts` and `Breaks` between those that were chosen.
    fn quarrels(&self, chosen: &BTreeSet<&str>, problems: &mut BTreeSet<String>) -> Result<()> {
        for name in chosen {
            let package = self.candidates[name].package;
            for relation in self.fields(package, &package.conflicts)?.into_iter().flatten() {
                let providers = self.providers.get(&relation.name).into_iter().flatten().copied();
                for other in providers.chain([relation.name.as_str()]) {
                    // A package may provide what it conflicts with: then it is alone in doing so (Policy 7.6.2).
                    if other == *name || !chosen.contains(other) {
                        continue;
                    }
                    let candidate = &self.candidates[other];
                    let meant = other == relation.name && relation.admits(&candidate.version);
                    if meant || provides(candidate, &relation) {
                        let other = format!("{other} {}", candidate.package.version);
                        problems.insert(format!("{name} {} conflicts with {relation}: {other}", package.version));
                    }
                }
            }
        }
        Ok(())
    }
}

fn provides(candidate: &Candidate, relation: &Relation) -> bool {
    candidate.provides.iter().any(|provided| provided.name == relation.name && relation.admits_provided(provided))
}
