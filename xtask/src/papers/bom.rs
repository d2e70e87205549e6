//! The bill of materials, CycloneDX 1.6 as JSON: sources with their patches, what is linked in, what the distribution supplies, and
//! every path that a step staged with what it is made of.

use super::attribution::{self, Attribution, Copy, OWN, Parts};
use super::bundles::Carried;
use super::{Subject, VERSION, address, escaped, packages, place, purl, timestamp};
use crate::cli::patch::Class;
use crate::digest::{Hash, Key};
use crate::job::Job;
use crate::package::{Item, Packed, What};
use crate::patches::mail::Mail;
use crate::patches::name;
use crate::patches::{self, Patch};
use crate::recipe::{Component, Origin, Provide, Source};
use crate::sources::used;
use crate::toolchain::Deb;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Names of properties; readers ask for them too.
pub const HOLDS: &str = "xenwright:holds";
pub const MAY_HOLD: &str = "xenwright:may-hold";
pub const NEEDS: &str = "xenwright:needs";
pub const STEP: &str = "xenwright:step";
pub const PACKAGE: &str = "xenwright:package";
pub const SOURCE_PACKAGE: &str = "xenwright:source-package";
/// Of a source: a step and the name of a patch that reaches it.
pub const REACHES: &str = "xenwright:reaches";
pub const PLACE: &str = "xenwright:place";

pub fn bom(subject: &Subject, packed: &Packed) -> Value {
    let Subject { job, key, attribution, bundles } = subject;
    let recipe = &job.recipe;
    let Packed { artifacts, document } = packed;
    let mut components = BTreeMap::new();
    let sources = contained(job, attribution);
    for (name, source) in &sources {
        components.insert(format!("source:{name}"), of_source(job, name, source));
    }
    for carried in *bundles {
        components.insert(carried.reference(), of_bundle(job, carried));
    }
    for deb in attribution.startup.iter().filter(|deb| attribution.holds(&attribution::toolchain(&deb.name))) {
        let reference = attribution::toolchain(&deb.name);
        components.insert(reference.clone(), of_startup(&reference, deb));
    }
    components
        .extend(attribution.linked.iter().map(|(reference, deb)| (reference.clone(), of_startup(reference, deb))));
    let own = json!({ "type": "application", "bom-ref": OWN, "name": OWN, "version": VERSION });
    if attribution.holds(OWN) {
        components.insert(OWN.to_owned(), own);
    }
    components.extend(attribution.copies.iter().map(|(reference, copy)| (reference.clone(), of_copy(reference, copy))));
    for (soname, deb) in &attribution.outside {
        let reference = attribution::library(soname, deb.as_ref());
        let value = of_library(&reference, soname, deb.as_ref());
        components.entry(reference).or_insert(value);
    }
    for (component, provide) in &recipe.provide {
        if let Provide::System { path } = provide {
            let reference = format!("system:{}", component.name());
            let value = of_system(&reference, *component, path);
            components.insert(reference, value);
        }
    }
    let mut dependencies = vec![json!({ "ref": recipe.stem(), "dependsOn": components.keys().collect::<Vec<_>>() })];
    let mut values: Vec<Value> = components.into_values().collect();
    for name in sources.keys() {
        let of_source = bundles.iter().filter(|carried| carried.source == *name).map(Carried::reference);
        let on: BTreeSet<String> = of_source.collect();
        if !on.is_empty() {
            dependencies.push(json!({ "ref": format!("source:{name}"), "dependsOn": on }));
        }
    }
    for (component, depends) in packages::components(job, document, artifacts) {
        values.push(component);
        dependencies.push(depends);
    }
    for item in document.entries.iter().filter(|item| item.step.is_some()) {
        let parts = &attribution.paths[&item.path];
        values.push(of_item(item, parts));
        let on: BTreeSet<&String> = parts.holds.iter().chain(&parts.may_hold).chain(&parts.needs).collect();
        dependencies.push(json!({ "ref": file(&item.path), "dependsOn": on }));
    }
    let ours = |prefix: &str| -> Vec<&Value> {
        let references = values.iter().map(|component| &component["bom-ref"]);
        references.filter(|reference| reference.as_str().is_some_and(|text| text.starts_with(prefix))).collect()
    };
    let (packages, sources) = (ours("package:"), ours("source:"));
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(key)),
        "version": 1,
        "metadata": {
            "timestamp": timestamp(recipe),
            "tools": { "components": [{ "type": "application", "name": OWN, "version": VERSION }] },
            "component": {
                "type": "platform",
                "bom-ref": recipe.stem(),
                "name": recipe.name,
                "version": recipe.version.to_string(),
                "description": recipe.summary,
                "licenses": [{ "expression": recipe.license }],
                "purl": format!("pkg:generic/{}@{}", escaped(&recipe.name), escaped(&recipe.version.to_string())),
                "externalReferences": packages::of_all(recipe, artifacts),
            },
        },
        "components": values,
        "dependencies": dependencies,
        // Every file of a package is here; what a source holds of others is, as far as its recipe names it.
        "compositions": [
            { "aggregate": "complete", "assemblies": packages },
            { "aggregate": "incomplete", "assemblies": sources },
        ],
    })
}

/// The sources of which something is, or may be, in a file, and those that hold their patches. What else a step read is among the
/// materials of the provenance: a library that was built, and of which no program took anything, is nothing to look for.
fn contained<'j>(job: &'j Job, attribution: &Attribution) -> BTreeMap<&'j str, &'j Source> {
    let all = used(&job.recipe);
    let held: BTreeSet<&str> =
        all.keys().copied().filter(|name| attribution.may_hold(&format!("source:{name}"))).collect();
    let queues = held.iter().filter_map(|name| job.recipe.source[*name].queue.as_ref());
    let names: BTreeSet<&str> = held.iter().copied().chain(queues.map(|queue| queue.source.as_str())).collect();
    all.into_iter().filter(|(name, _)| names.contains(name)).collect()
}

/// The reference of a path.
pub fn file(path: &str) -> String {
    format!("file:{path}")
}

fn property(name: &str, value: impl AsRef<str>) -> Value {
    json!({ "name": name, "value": value.as_ref() })
}

/// A UUID of the kind that is free for all (RFC 9562, version 8), from the first half of the result's key.
fn uuid(key: &Key) -> String {
    let digits = &key.as_str()[..32];
    let variant = ["8", "9", "a", "b"][usize::from(digits.as_bytes()[16]) % 4];
    format!("{}-{}-8{}-{variant}{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
}

fn of_source(job: &Job, name: &str, source: &Source) -> Value {
    let is_firmware = |(component, provide): (&Component, &Provide)| {
        let Provide::Pinned { step, .. } = provide else { return false };
        job.recipe.step.get(step).is_some_and(|step| step.source == name) && kind(*component) == "firmware"
    };
    let version = version(&source.release);
    let mut properties = vec![property("xenwright:release", &source.release)];
    let mut value = json!({
        "type": if job.recipe.provide.iter().any(is_firmware) { "firmware" } else { "application" },
        "bom-ref": format!("source:{name}"),
        "name": name,
        "version": version,
        "purl": format!("pkg:generic/{}@{}", escaped(name), escaped(&version)),
        "externalReferences": source.origins.iter().map(reference).collect::<Vec<_>>(),
    });
    if let Some(license) = &source.license {
        value["licenses"] = json!([{ "expression": license }]);
    }
    if let Some(folder) = &source.folder {
        // The project's own, which has the version of the program that it belongs to.
        let lines: String = folder.files.iter().map(|(path, (_, sha256))| format!("{sha256}  {path}\n")).collect();
        value["version"] = json!(VERSION);
        value["purl"] = json!(format!("pkg:generic/{OWN}-{}@{}", escaped(name), escaped(VERSION)));
        value["hashes"] = json!([{ "alg": "SHA-256", "content": Hash::of(lines.as_bytes()) }]);
    }
    if let Some(sha256) = &source.sha256 {
        value["hashes"] = json!([{ "alg": "SHA-256", "content": sha256 }]);
    }
    let mut ids = Vec::new();
    if let Some(commit) = &source.commit {
        properties.push(property("xenwright:commit", commit.as_str()));
        ids.push(format!("swh:1:rev:{}", commit.as_str()));
    }
    if let Some(tree) = &source.tree {
        properties.push(property("xenwright:tree", tree.as_str()));
        ids.push(format!("swh:1:dir:{}", tree.as_str()));
    }
    if !ids.is_empty() {
        value["swhid"] = json!(ids);
    }
    let patches = &job.queues[name].patches;
    properties.extend(
        patches.iter().map(|patch| property("xenwright:patch", format!("{} {}", Hash::of(&patch.text), patch.file))),
    );
    for step in job.plan.steps.iter().filter(|step| step.step.source == name) {
        let file = |file: &String| file.rsplit('/').next().unwrap_or_default().to_owned();
        properties.extend(step.patches.iter().map(|patch| property(REACHES, format!("{} {}", step.name, file(patch)))));
    }
    if !patches.is_empty() {
        value["pedigree"] = json!({ "patches": patches.iter().map(|patch| of_patch(patch, place(&job.recipe, source, patch))).collect::<Vec<_>>() });
    }
    value["properties"] = json!(properties);
    value
}

/// `rel-1.16.2` is 1.16.2: from the first word, of those between dashes, that begins as a number; all of it where none does. Commits
/// after a release, as `git describe` counts them, are what a recipe's version calls `+72`.
fn version(release: &str) -> String {
    let starts = std::iter::once(0).chain(release.match_indices('-').map(|(at, _)| at + 1));
    let words = starts.map(|at| release[at..].strip_prefix('v').unwrap_or(&release[at..]));
    let mut words = words.into_iter();
    let version = words.find(|word| word.starts_with(|first: char| first.is_ascii_digit())).unwrap_or(release);
    let described = version.rsplit_once("-g").and_then(|(start, _)| start.rsplit_once('-'));
    match described.filter(|(_, count)| !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit())) {
        Some((release, count)) => format!("{release}+{count}"),
        None => version.to_owned(),
    }
}

fn reference(origin: &Origin) -> Value {
    let sha256 = match origin {
        Origin::Git(_) => return json!({ "type": "vcs", "url": address(origin) }),
        Origin::Debian(origin) => &origin.sha256,
        Origin::Url(origin) => &origin.sha256,
    };
    let hashes = json!([{ "alg": "SHA-256", "content": sha256 }]);
    json!({ "type": "source-distribution", "url": address(origin), "hashes": hashes })
}

fn of_patch(patch: &Patch, place: String) -> Value {
    let class = name::number(patch.name()).and_then(Class::of);
    let backported = matches!(class, Some(Class::Security | Class::Backport));
    let mut value = json!({
        "type": if backported { "backport" } else { "unofficial" },
        "diff": { "url": place },
    });
    // A head that cannot be read names no advisory; `patch lint` has a word on it.
    let mail = Mail::read(&patch.text[..patch.diff.start()]).unwrap_or_default();
    let named = mail.trailer("Advisory").unwrap_or_default();
    let ids = named.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let ids: Vec<Value> = ids
        .filter(|id| id.starts_with("XSA-") || id.starts_with("CVE-"))
        .map(|id| json!({ "type": "security", "id": id }))
        .collect();
    if !ids.is_empty() {
        value["resolves"] = json!(ids);
    }
    value
}

/// A copy in a source's tree. Its digest is that of the lines which `sha256sum` prints for its files.
fn of_bundle(job: &Job, carried: &Carried) -> Value {
    let bundle = &carried.bundle;
    let mut properties = vec![property("xenwright:how", format!("a copy in the tree of source:{}", carried.source))];
    properties.extend(bundle.files.iter().map(|glob| property("xenwright:files", glob)));
    let mut value = json!({
        "type": "library",
        "bom-ref": carried.reference(),
        "name": bundle.name,
        "hashes": [{ "alg": "SHA-256", "content": carried.sha256 }],
        "properties": properties,
    });
    if let Some(version) = &bundle.version {
        value["version"] = json!(version);
        value["purl"] = json!(format!("pkg:generic/{}@{}", escaped(&bundle.name), escaped(version)));
    }
    if let Some(license) = &bundle.license {
        value["licenses"] = json!([{ "expression": license }]);
    }
    if let Some(from) = &bundle.from {
        value["externalReferences"] = json!([{ "type": "website", "url": from }]);
    }
    let source = &job.recipe.source[&carried.source];
    let reaching =
        patches::reaching(&job.queues[&carried.source], |path| carried.files.iter().any(|file| file == path));
    if !reaching.is_empty() {
        value["pedigree"] = json!({ "patches": reaching.into_iter().map(|patch| of_patch(patch, place(&job.recipe, source, patch))).collect::<Vec<_>>() });
    }
    value
}

/// What the compiler adds to each program.
fn of_startup(reference: &str, deb: &Deb) -> Value {
    let mut properties =
        vec![property("xenwright:how", "linked in by the compiler: startup code, helpers of libgcc and libc")];
    properties.extend(attribution::source_package(deb).map(|source| property(SOURCE_PACKAGE, source)));
    json!({
        "type": "library",
        "bom-ref": reference,
        "name": deb.name,
        "version": deb.version,
        "hashes": [{ "alg": "SHA-256", "content": deb.sha256 }],
        "purl": purl(deb),
        "properties": properties,
    })
}

fn of_copy(reference: &str, copy: &Copy) -> Value {
    let mut value = json!({ "type": "library", "bom-ref": reference, "name": copy.name });
    let mut properties = vec![property("xenwright:how", "linked in; known by its own words in the file")];
    if let Some(version) = copy.version.as_ref().or(copy.deb.as_ref().map(|deb| &deb.version)) {
        value["version"] = json!(version);
    }
    if let Some(deb) = &copy.deb {
        value["purl"] = json!(purl(deb));
        properties.push(property("xenwright:deb", &deb.path));
        properties.extend(attribution::source_package(deb).map(|source| property(SOURCE_PACKAGE, source)));
    }
    value["properties"] = json!(properties);
    value
}

/// A library of the distribution; the toolchain's is the oldest that the artifacts are for.
fn of_library(reference: &str, soname: &str, deb: Option<&Deb>) -> Value {
    let mut properties = vec![property("xenwright:how", "the distribution's, not in the artifacts")];
    let Some(deb) = deb else {
        return json!({
            "type": "library", "bom-ref": reference, "name": soname, "scope": "required", "properties": properties,
        });
    };
    properties.extend(attribution::source_package(deb).map(|source| property(SOURCE_PACKAGE, source)));
    json!({
        "type": "library",
        "bom-ref": reference,
        "name": deb.name,
        "version": deb.version,
        "scope": "required",
        "purl": purl(deb),
        "properties": properties,
    })
}

fn kind(component: Component) -> &'static str {
    match component {
        Component::Qemu => "application",
        Component::Seabios | Component::Ovmf | Component::Ipxe => "firmware",
    }
}

fn of_system(reference: &str, component: Component, path: &str) -> Value {
    json!({
        "type": kind(component),
        "bom-ref": reference,
        "name": component.name(),
        "scope": "optional",
        "properties": [property("xenwright:how", "the distribution's, not in the artifacts"), property(PLACE, path)],
    })
}

fn of_item(item: &Item, parts: &Parts) -> Value {
    let mut properties: Vec<Value> = Vec::new();
    for (name, references) in [(HOLDS, &parts.holds), (MAY_HOLD, &parts.may_hold), (NEEDS, &parts.needs)] {
        properties.extend(references.iter().map(|reference| property(name, reference)));
    }
    properties.extend(item.package.iter().map(|package| property(PACKAGE, package)));
    properties.extend(item.step.iter().map(|step| property(STEP, step)));
    let mut value = json!({ "type": "file", "bom-ref": file(&item.path), "name": item.path });
    match &item.what {
        What::File { sha256, .. } => value["hashes"] = json!([{ "alg": "SHA-256", "content": sha256 }]),
        What::Symlink { target } => properties.push(property("xenwright:target", target)),
        What::Directory { .. } => properties.push(property("xenwright:kind", "directory")),
    }
    value["properties"] = json!(properties);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_says_its_version() {
        for (release, wanted) in [
            ("RELEASE-4.17.5-72-g01140da4e8", "4.17.5+72"),
            ("rel-1.16.2", "1.16.2"),
            ("v1.21.1", "1.21.1"),
            ("qemu-xen-4.17.0", "4.17.0"),
            ("edk2-stable202302", "edk2-stable202302"),
            ("1.0.0", "1.0.0"),
        ] {
            assert_eq!(version(release), wanted);
        }
    }

    #[test]
    fn an_advisory_is_resolved_by_the_patch_that_names_it() {
        let text = "From: A <a@b>\nSubject: fix\n\nWhy, unlike XSA-1.\n\nAdvisory: XSA-458, CVE-2024-31143\n---\n";
        let diff = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n";
        let patch = |name: &str| Patch::of(format!("{text}{diff}").into_bytes(), format!("patches/xen-1+2/xen/{name}"));
        let value = of_patch(&patch("0201-fix.patch").unwrap(), "a/place".to_owned());
        assert_eq!(value["type"], "backport");
        assert_eq!(value["diff"]["url"], "a/place");
        let wanted = json!([{ "type": "security", "id": "XSA-458" }, { "type": "security", "id": "CVE-2024-31143" }]);
        assert_eq!(value["resolves"], wanted);
        assert_eq!(of_patch(&patch("0101-fix.patch").unwrap(), String::new())["type"], "unofficial");
    }

    #[test]
    fn the_serial_number_is_a_uuid_of_the_key() {
        let key = crate::digest::KeyBuilder::new("t/1").finish();
        let uuid = uuid(&key);
        assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "8");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
    }
}
