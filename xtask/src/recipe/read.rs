//! From a TOML table with spans to a [`Recipe`]: every key, its type and the form of its value. What one part of a recipe
//! says about another is not looked at here.

use super::diagnose::{Problems, Table, Value, each, optional, quoted};
use super::form::{
    absolute, address, architecture, component, date, filled, filter, fingerprint, format, git_id, glob, hash,
    identifier, kconfig_option, license, maintainer, moment, one_of, package_name, relative, rule, series, summary,
    unit, variable, version,
};
use super::{
    Allow, Audit, Bound, Bundle, Cross, DebianOrigin, Folder, Format, GitOrigin, Kconfig, Origin, Package, PackedQueue,
    Provide, Published, Recipe, Relocate, Source, Step, Support, UrlOrigin,
};
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeTable;

// Each reader asks for all of its keys before it gives up on a missing one: all mistakes are found in one run.

pub fn recipe(problems: &Problems, document: &DeTable) -> Option<Recipe> {
    let mut table = Table::root(problems, document);
    let name = table.required("name").and_then(|v| v.parsed(identifier));
    let version = table.required("version").and_then(|v| v.parsed(version));
    let series = table.required("series").and_then(|v| v.parsed(series));
    let summary = table.required("summary").and_then(|v| v.parsed(filled));
    let license = table.required("license").and_then(|v| v.parsed(license));
    let epoch = table.required("epoch").and_then(|v| v.number());
    let toolchain = table.required("toolchain").and_then(|v| v.parsed(identifier));
    let architecture = table.required("architecture").and_then(|v| v.parsed(architecture));
    let formats = optional(table.optional("formats"), |v| each(v, |v| v.parsed(format)));
    let revision = optional(table.optional("revision"), revision);
    let maintainer = optional(table.optional("maintainer"), |v| v.parsed(maintainer));
    let homepage = optional(table.optional("homepage"), |v| v.parsed(|text| address(text, &["https", "http"])));
    let support = optional(table.optional("support"), support);
    let include = optional(table.optional("include"), |v| each(v, |v| v.parsed(identifier)));
    let crosses = optional(table.optional("cross"), |v| v.named(identifier, cross));
    let source = table.required("source").and_then(|v| v.named(identifier, source));
    let provide = optional(table.optional("provide"), |v| v.named(component, provide));
    let step = table.required("step").and_then(|v| v.named(identifier, step));
    let relocate = table.required("relocate").and_then(|v| relocate(&v));
    let audit = optional(table.optional("audit"), audit);
    let package = table.required("package").and_then(|v| each(&v, package));
    let published = optional(table.optional("published"), |v| each(v, published));
    table.finish();
    let cross: Option<BTreeMap<String, Cross>> = crosses.map(Option::unwrap_or_default);
    let step = step.map(|mut steps: BTreeMap<String, Step>| {
        for step in steps.values_mut() {
            within(step, cross.as_ref());
        }
        steps
    });
    Some(Recipe {
        name: name?,
        version: version?,
        series: series?,
        summary: summary?,
        license: license?,
        epoch: epoch?,
        toolchain: toolchain?,
        architecture: architecture?,
        formats: formats?.map_or_else(|| BTreeSet::from([Format::Tar]), |formats| formats.into_iter().collect()),
        revision: revision?.unwrap_or(1),
        maintainer: maintainer?,
        homepage: homepage?,
        support: support?,
        include: include?.unwrap_or_default(),
        cross: cross?,
        source: source?,
        provide: provide?.unwrap_or_default(),
        step: step?,
        relocate: relocate?,
        audit: audit?.unwrap_or_default(),
        package: package?,
        published: published?.unwrap_or_default(),
    })
}

/// A cross toolchain's name stands for its base and its sysroot.
fn within(step: &mut Step, crosses: Option<&BTreeMap<String, Cross>>) {
    let cross = step.toolchain.as_ref().and_then(|name| crosses?.get(name));
    if let Some(Cross { base, sysroot }) = cross {
        step.toolchain = Some(base.clone());
        step.sysroot.extend(sysroot.iter().cloned());
    }
}

fn support(value: &Value) -> Option<Support> {
    let mut table = value.table()?;
    let security_until = table.required("security-until").and_then(|v| v.parsed(date));
    let reference = table.required("reference").and_then(|v| v.parsed(filled));
    table.finish();
    Some(Support { security_until: security_until?, reference: reference? })
}

fn cross(value: &Value) -> Option<Cross> {
    let mut table = value.table()?;
    let base = table.required("base").and_then(|v| v.parsed(identifier));
    let sysroot = table.required("sysroot").and_then(|v| each(&v, |v| v.parsed(identifier)));
    table.finish();
    Some(Cross { base: base?, sysroot: sysroot? })
}

/// The project's own files are what they are: no pin, no origin, no patches.
fn folder(mut table: Table) -> Option<Source> {
    let path = table.required("folder").and_then(|v| v.parsed(relative));
    let epoch = optional(table.optional("epoch"), |v| v.number());
    let license = optional(table.optional("license"), |v| v.parsed(license));
    table.finish();
    let path = path?;
    Some(Source {
        commit: None,
        tree: None,
        sha256: None,
        release: path.clone(),
        folder: Some(Folder { path, files: BTreeMap::new() }),
        epoch: epoch?,
        license: license?,
        signed_by: None,
        debian: None,
        queue: None,
        origins: Vec::new(),
        bundle: Vec::new(),
    })
}

fn source(value: &Value) -> Option<Source> {
    let mut table = value.table()?;
    if table.has("folder") {
        return folder(table);
    }
    let commit = optional(table.optional("commit"), |v| v.parsed(git_id));
    let tree = optional(table.optional("tree"), |v| v.parsed(git_id));
    let sha256 = optional(table.optional("sha256"), |v| v.parsed(hash));
    let release = table.required("release").and_then(|v| v.parsed(filled));
    let epoch = optional(table.optional("epoch"), |v| v.number());
    let license = optional(table.optional("license"), |v| v.parsed(license));
    let signed_by = optional(table.optional("signed-by"), |v| v.parsed(fingerprint));
    let debian = optional(table.optional("debian"), |v| v.parsed(filled));
    let queue = optional(table.optional("queue"), packed_queue);
    let origins = table.required("origins").and_then(|v| each(&v, origin));
    let bundle = optional(table.optional("bundle"), |v| each(v, bundle));
    match (table.has("commit"), table.has("sha256")) {
        (true, true) => value.problem(format!("`{}` has `commit` and `sha256`: content has one identity", value.name)),
        (false, false) => value.problem(format!(
            "`{}` is not pinned: expected `commit` (and `tree`, so that a tarball can stand in), `sha256` of its tarball, or a `folder` of this project",
            value.name
        )),
        (false, true) if table.has("tree") => {
            value.problem(format!("`{}` has a `tree` without the `commit` that it belongs to", value.name));
        }
        _ => (),
    }
    table.finish();
    Some(Source {
        commit: commit?,
        tree: tree?,
        sha256: sha256?,
        folder: None,
        release: release?,
        epoch: epoch?,
        license: license?,
        signed_by: signed_by?,
        debian: debian?,
        queue: queue?,
        origins: origins?,
        bundle: bundle?.unwrap_or_default(),
    })
}

fn bundle(value: &Value) -> Option<Bundle> {
    let mut table = value.table()?;
    let name = table.required("name").and_then(|v| v.parsed(package_name));
    let version = optional(table.optional("version"), |v| v.parsed(filled));
    let license = optional(table.optional("license"), |v| v.parsed(license));
    let from = optional(table.optional("from"), |v| v.parsed(|text| address(text, &["https", "http"])));
    let files = table.required("files").and_then(|v| globs(&v));
    let into = table.required("into").and_then(|v| each(&v, |v| v.parsed(filter)));
    let marks = optional(table.optional("marks"), |v| each(v, |v| v.parsed(filled)));
    table.finish();
    Some(Bundle {
        name: name?,
        version: version?,
        license: license?,
        from: from?,
        files: files?,
        into: into?,
        marks: marks?.unwrap_or_default(),
    })
}

fn packed_queue(value: &Value) -> Option<PackedQueue> {
    let mut table = value.table()?;
    let source = table.required("source").and_then(|v| v.parsed(identifier));
    let path = table.required("path").and_then(|v| v.parsed(relative));
    table.finish();
    Some(PackedQueue { source: source?, path: path? })
}

/// The key that is present says which kind of origin it is, so that a mistake in it is explained in that kind's terms.
fn origin(value: &Value) -> Option<Origin> {
    const KINDS: [&str; 3] = ["git", "debian", "url"];
    let mut table = value.table()?;
    let present: Vec<&str> = KINDS.into_iter().filter(|kind| table.has(kind)).collect();
    let [kind] = present[..] else {
        let found = if present.is_empty() { "none".to_owned() } else { quoted(present.into_iter()) };
        value.problem(format!("an origin has exactly one of {}, found {found}", quoted(KINDS.into_iter())));
        return None;
    };
    if kind == "git" {
        let git = table
            .required("git")
            .and_then(|v| v.parsed(|text| address(text, &["https", "http", "git", "ssh", "file"])));
        table.finish();
        return Some(Origin::Git(GitOrigin { git: git? }));
    }
    let debian = optional(table.optional("debian"), |v| v.parsed(relative));
    let url = optional(table.optional("url"), |v| v.parsed(|text| address(text, &["https", "http"])));
    let sha256 = table.required("sha256").and_then(|v| v.parsed(hash));
    let size = table.required("size").and_then(|v| v.number());
    // Asked for only where it means something: elsewhere it is an unknown key.
    let snapshot = match kind {
        "debian" => optional(table.optional("snapshot"), |v| v.parsed(moment)),
        _ => Some(None),
    };
    table.finish();
    let (sha256, size, snapshot) = (sha256?, size?, snapshot?);
    match (debian?, url?) {
        (Some(debian), _) => Some(Origin::Debian(DebianOrigin { debian, sha256, size, snapshot })),
        (None, url) => Some(Origin::Url(UrlOrigin { url: url?, sha256, size })),
    }
}

fn provide(value: &Value) -> Option<Provide> {
    let mut table = value.table()?;
    let provider =
        table.required("provider").and_then(|v| v.parsed(|text| one_of(text, &["pinned", "system", "off"])))?;
    let provide = match provider.as_str() {
        "pinned" => {
            let step = table.required("step").and_then(|v| v.parsed(identifier));
            let path = table.required("path").and_then(|v| v.parsed(absolute));
            step.zip(path).map(|(step, path)| Provide::Pinned { step, path })
        }
        "system" => table.required("path").and_then(|v| v.parsed(absolute)).map(|path| Provide::System { path }),
        _ => Some(Provide::Off),
    };
    table.finish();
    provide
}

fn step(value: &Value) -> Option<Step> {
    let mut table = value.table()?;
    let source = table.required("source").and_then(|v| v.parsed(identifier));
    let paths = optional(table.optional("paths"), |v| each(v, |v| v.parsed(filter)));
    let needs = optional(table.optional("needs"), |v| each(v, |v| v.parsed(identifier)));
    let sysroot = optional(table.optional("sysroot"), |v| each(v, |v| v.parsed(identifier)));
    let toolchain = optional(table.optional("toolchain"), |v| v.parsed(identifier));
    let intermediate = optional(table.optional("intermediate"), |v| v.yes());
    let kconfig = optional(table.optional("kconfig"), kconfig);
    let env = optional(table.optional("env"), |v| v.named(variable, |v| v.string().map(str::to_owned)));
    let run = table.required("run").and_then(|v| v.parsed(filled));
    table.finish();
    Some(Step {
        source: source?,
        paths: paths?.unwrap_or_else(|| vec!["**".to_owned()]),
        needs: needs?.unwrap_or_default(),
        sysroot: sysroot?.unwrap_or_default(),
        toolchain: toolchain?,
        intermediate: intermediate?.unwrap_or_default(),
        kconfig: kconfig?,
        env: env?.unwrap_or_default(),
        run: run?,
    })
}

fn kconfig(value: &Value) -> Option<Kconfig> {
    let mut table = value.table()?;
    let file = table.required("file").and_then(|v| v.parsed(relative));
    let options: Option<BTreeMap<String, String>> =
        table.required("options").and_then(|v| v.named(kconfig_option, |v| v.parsed(filled)));
    table.finish();
    Some(Kconfig { file: file?, options: options? })
}

fn relocate(value: &Value) -> Option<Relocate> {
    let mut table = value.table()?;
    let private = table.required("private").and_then(|v| v.parsed(absolute));
    let public_libdir = table.required("public-libdir").and_then(|v| v.parsed(absolute));
    let unstable = table.required("unstable").and_then(|v| each(&v, |v| v.parsed(filled)));
    let common = table.required("common").and_then(|v| globs(&v));
    let drop = optional(table.optional("drop"), globs);
    let dispatch = optional(table.optional("dispatch"), globs);
    let outside = table.required("outside").and_then(|v| each(&v, |v| v.parsed(filled)));
    table.finish();
    Some(Relocate {
        private: private?,
        public_libdir: public_libdir?,
        unstable: unstable?,
        common: common?,
        drop: drop?.unwrap_or_default(),
        dispatch: dispatch?.unwrap_or_default(),
        outside: outside?,
    })
}

fn audit(value: &Value) -> Option<Audit> {
    let mut table = value.table()?;
    let allow = optional(table.optional("allow"), |v| each(v, allow));
    let bound = optional(table.optional("bound"), |v| each(v, bound));
    table.finish();
    Some(Audit { allow: allow?.unwrap_or_default(), bound: bound?.unwrap_or_default() })
}

fn bound(value: &Value) -> Option<Bound> {
    let mut table = value.table()?;
    let files = table.required("files").and_then(|v| globs(&v));
    let bytes = table.required("bytes").and_then(|v| v.number());
    let reason = table.required("reason").and_then(|v| v.parsed(filled));
    table.finish();
    Some(Bound { files: files?, bytes: bytes?, reason: reason? })
}

fn allow(value: &Value) -> Option<Allow> {
    let mut table = value.table()?;
    let rule = table.required("rule").and_then(|v| v.parsed(rule));
    let files = table.required("files").and_then(|v| globs(&v));
    let reason = table.required("reason").and_then(|v| v.parsed(filled));
    table.finish();
    Some(Allow { rule: rule?, files: files?, reason: reason? })
}

fn package(value: &Value) -> Option<Package> {
    let mut table = value.table()?;
    let name = table.required("name").and_then(|v| v.parsed(package_name));
    let files = table.required("files").and_then(|v| globs(&v));
    let summary = optional(table.optional("summary"), |v| v.parsed(summary));
    let description = optional(table.optional("description"), |v| v.parsed(filled));
    let section = optional(table.optional("section"), |v| v.parsed(identifier));
    let needs = optional(table.optional("needs"), |v| each(v, |v| v.parsed(package_name)));
    let services = optional(table.optional("services"), |v| each(v, |v| v.parsed(unit)));
    let relations: Option<BTreeMap<_, _>> = Format::ALL
        .into_iter()
        .filter(|format| !format.relations().is_empty())
        .map(|format| {
            let field = |text: &str| one_of(text, format.relations());
            let list = |v: &Value| each(v, |v| v.parsed(filled));
            Some((format, optional(table.optional(format.name()), |v| v.named(field, list))?.unwrap_or_default()))
        })
        .collect();
    table.finish();
    Some(Package {
        name: name?,
        files: files?,
        summary: summary?,
        description: description?,
        section: section?,
        needs: needs?.unwrap_or_default(),
        services: services?.unwrap_or_default(),
        relations: relations?,
    })
}

fn published(value: &Value) -> Option<Published> {
    let mut table = value.table()?;
    let debian = table.required("debian").and_then(|v| v.parsed(relative));
    let sha256 = table.required("sha256").and_then(|v| v.parsed(hash));
    let size = table.required("size").and_then(|v| v.number());
    let snapshot = optional(table.optional("snapshot"), |v| v.parsed(moment));
    let files = table.required("files").and_then(|v| each(&v, |v| v.parsed(relative)));
    table.finish();
    let deb = DebianOrigin { debian: debian?, sha256: sha256?, size: size?, snapshot: snapshot? };
    Some(Published { deb, files: files? })
}

fn globs(value: &Value) -> Option<Vec<String>> {
    each(value, |v| v.parsed(glob))
}

fn revision(value: &Value) -> Option<u32> {
    let number = u32::try_from(value.number()?).ok().filter(|number| *number > 0);
    if number.is_none() {
        value.problem(format!("`{}` counts packagings from 1", value.name));
    }
    number
}
