//! From a TOML table with spans to a [`Recipe`]: every key, its type and the form of its value. What one part of a recipe
//! says about another is not looked at here.

use super::diagnose::{Problems, Table, Value, nearest, quoted};
use super::{
    Allow, Architecture, Audit, Component, DebianOrigin, Format, GitOrigin, Kconfig, Origin, Package, PackedQueue,
    Provide, Published, Recipe, Relocate, Source, Step, Support, UrlOrigin,
};
use crate::digest::{GitId, Hash};
use semver::Version;
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeTable;

// Each reader asks for all of its keys before it gives up on a missing one: all mistakes are found in one run.

pub fn recipe(problems: &Problems, document: &DeTable) -> Option<Recipe> {
    let mut table = Table::root(problems, document);
    let name = table.required("name").and_then(|v| v.parsed(identifier));
    let version = table.required("version").and_then(|v| v.parsed(version));
    let series = table.required("series").and_then(|v| v.parsed(series));
    let summary = table.required("summary").and_then(|v| v.parsed(filled));
    let license = table.required("license").and_then(|v| v.parsed(filled));
    let epoch = table.required("epoch").and_then(|v| v.number());
    let toolchain = table.required("toolchain").and_then(|v| v.parsed(identifier));
    let architecture = table.required("architecture").and_then(|v| v.parsed(architecture));
    let formats = optional(table.optional("formats"), |v| each(v, |v| v.parsed(format)));
    let revision = optional(table.optional("revision"), revision);
    let maintainer = optional(table.optional("maintainer"), |v| v.parsed(maintainer));
    let homepage = optional(table.optional("homepage"), |v| v.parsed(|text| address(text, &["https", "http"])));
    let support = optional(table.optional("support"), support);
    let source = table.required("source").and_then(|v| v.named(identifier, source));
    let provide = optional(table.optional("provide"), |v| v.named(component, provide));
    let step = table.required("step").and_then(|v| v.named(identifier, step));
    let relocate = table.required("relocate").and_then(|v| relocate(&v));
    let audit = optional(table.optional("audit"), audit);
    let package = table.required("package").and_then(|v| each(&v, package));
    let published = optional(table.optional("published"), |v| each(v, published));
    table.finish();
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
        source: source?,
        provide: provide?.unwrap_or_default(),
        step: step?,
        relocate: relocate?,
        audit: audit?.unwrap_or_default(),
        package: package?,
        published: published?.unwrap_or_default(),
    })
}

fn support(value: &Value) -> Option<Support> {
    let mut table = value.table()?;
    let security_until = table.required("security-until").and_then(|v| v.parsed(date));
    let reference = table.required("reference").and_then(|v| v.parsed(filled));
    table.finish();
    Some(Support { security_until: security_until?, reference: reference? })
}

fn source(value: &Value) -> Option<Source> {
    let mut table = value.table()?;
    let commit = optional(table.optional("commit"), |v| v.parsed(git_id));
    let tree = optional(table.optional("tree"), |v| v.parsed(git_id));
    let sha256 = optional(table.optional("sha256"), |v| v.parsed(hash));
    let release = table.required("release").and_then(|v| v.parsed(filled));
    let license = optional(table.optional("license"), |v| v.parsed(filled));
    let signed_by = optional(table.optional("signed-by"), |v| v.parsed(fingerprint));
    let queue = optional(table.optional("queue"), packed_queue);
    let origins = table.required("origins").and_then(|v| each(&v, origin));
    match (table.has("commit"), table.has("sha256")) {
        (true, true) => value.problem(format!("`{}` has `commit` and `sha256`: content has one identity", value.name)),
        (false, false) => value.problem(format!(
            "`{}` is not pinned: expected `commit` (and `tree`, so that a tarball can stand in), or `sha256` of its tarball",
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
        release: release?,
        license: license?,
        signed_by: signed_by?,
        queue: queue?,
        origins: origins?,
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
    let kconfig = optional(table.optional("kconfig"), kconfig);
    let env = optional(table.optional("env"), |v| v.named(variable, |v| v.string().map(str::to_owned)));
    let run = table.required("run").and_then(|v| v.parsed(filled));
    table.finish();
    Some(Step {
        source: source?,
        paths: paths?.unwrap_or_else(|| vec!["**".to_owned()]),
        needs: needs?.unwrap_or_default(),
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
    table.finish();
    Some(Audit { allow: allow?.unwrap_or_default() })
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

/// `None` when the value is there and wrong; `Some(None)` when it is not there.
fn optional<'a, T>(value: Option<Value<'a>>, read: impl FnOnce(&Value<'a>) -> Option<T>) -> Option<Option<T>> {
    match value {
        Some(value) => read(&value).map(Some),
        None => Some(None),
    }
}

/// All items of a list, or `None` after every wrong one was reported.
fn each<'a, T>(value: &Value<'a>, read: impl Fn(&Value<'a>) -> Option<T>) -> Option<Vec<T>> {
    let items: Vec<Option<T>> = value.list()?.iter().map(read).collect();
    items.into_iter().collect()
}

fn globs(value: &Value) -> Option<Vec<String>> {
    each(value, |v| v.parsed(glob))
}

fn filled(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("is empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// Names that become folders and parts of file names: a dash is followed by a letter, so that name and version can be told
/// apart in `xen-4.17.5`.
fn identifier(text: &str) -> Result<String, String> {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    if text.split('-').all(word) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a name: expected lower-case words joined by dashes, such as `pv-shim`"))
}

/// As Debian policy 5.6.1 has it, the strictest of the package formats.
fn package_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if text.len() >= 2 && text.starts_with(plain) && text.chars().all(|c| plain(c) || "+-.".contains(c)) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a package name: expected lower-case letters, digits and `+-.`"))
}

/// Debian and RPM agree on one line that does not end in a full stop.
fn summary(text: &str) -> Result<String, String> {
    if text.trim() != text || text.is_empty() || text.contains('\n') || text.ends_with('.') || text.chars().count() > 79
    {
        return Err("is not a summary: expected one line of at most 79 characters without a final full stop".to_owned());
    }
    Ok(text.to_owned())
}

fn revision(value: &Value) -> Option<u32> {
    let number = u32::try_from(value.number()?).ok().filter(|number| *number > 0);
    if number.is_none() {
        value.problem(format!("`{}` counts packagings from 1", value.name));
    }
    number
}

fn unit(text: &str) -> Result<String, String> {
    const KINDS: [&str; 5] = [".service", ".mount", ".socket", ".target", ".timer"];
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_@.".contains(c);
    if KINDS.iter().any(|kind| text.len() > kind.len() && text.ends_with(kind)) && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a systemd unit: expected a name such as `xenstored.service`"))
}

/// As package managers show it: a name and one address.
fn maintainer(text: &str) -> Result<String, String> {
    let good = text.strip_suffix('>').and_then(|text| text.split_once(" <")).is_some_and(|(name, address)| {
        let plain = |part: &str| !part.is_empty() && !part.contains(['<', '>', '\n']);
        plain(name)
            && plain(address)
            && address
                .split_once('@')
                .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !address.contains(' '))
    });
    if good { Ok(text.to_owned()) } else { Err(format!("`{text}` is not a maintainer: expected `Name <address>`")) }
}

fn format(text: &str) -> Result<Format, String> {
    let name = one_of(text, &Format::ALL.map(Format::name))?;
    Ok(Format::ALL.into_iter().find(|format| format.name() == name).expect("one_of checked the name"))
}

fn version(text: &str) -> Result<Version, String> {
    Version::parse(text).map_err(|e| format!("`{text}` is not a semantic version such as `4.17.5+72`: {e}"))
}

fn series(text: &str) -> Result<String, String> {
    let number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    match text.split_once('.') {
        Some((major, minor)) if number(major) && number(minor) => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not a series: expected two numbers such as `4.17`")),
    }
}

fn architecture(text: &str) -> Result<Architecture, String> {
    let name = one_of(text, &Architecture::ALL.map(Architecture::gnu))?;
    Ok(Architecture::ALL.into_iter().find(|a| a.gnu() == name).expect("one_of checked the name"))
}

fn component(text: &str) -> Result<Component, String> {
    let name = one_of(text, &Component::ALL.map(Component::name))?;
    Ok(Component::ALL.into_iter().find(|c| c.name() == name).expect("one_of checked the name"))
}

fn rule(text: &str) -> Result<String, String> {
    one_of(text, &crate::audit::RULES.iter().map(|rule| rule.name).collect::<Vec<_>>())
}

fn one_of(text: &str, choices: &[&str]) -> Result<String, String> {
    if choices.contains(&text) {
        return Ok(text.to_owned());
    }
    let hint =
        nearest(text, choices.iter().copied()).map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
    Err(format!("`{text}` is not one of {}{hint}", quoted(choices.iter().copied())))
}

fn date(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is not a date: expected a day that exists, as `YYYY-MM-DD`");
    let parsed: toml::value::Datetime = text.parse().map_err(|_| wrong())?;
    if parsed.date.is_none() || parsed.time.is_some() { Err(wrong()) } else { Ok(text.to_owned()) }
}

fn git_id(text: &str) -> Result<GitId, String> {
    GitId::try_from(text.to_owned()).map_err(|e| e.to_string())
}

fn hash(text: &str) -> Result<Hash, String> {
    Hash::try_from(text.to_owned()).map_err(|e| e.to_string())
}

/// Of a whole OpenPGP key of version 4: an abbreviation can be met by somebody else's key.
fn fingerprint(text: &str) -> Result<String, String> {
    if text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_uppercase());
    }
    Err(format!("`{text}` is not a fingerprint: expected 40 hexadecimal digits without spaces"))
}

fn address(text: &str, schemes: &[&str]) -> Result<String, String> {
    match text.split_once("://") {
        Some((scheme, rest)) if schemes.contains(&scheme) && !rest.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not an address: expected one that begins with {}", {
            quoted(schemes.iter().map(|s| format!("{s}://")).collect::<Vec<_>>().iter().map(String::as_str))
        })),
    }
}

fn plain_path(text: &str) -> bool {
    !text.is_empty() && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn absolute(text: &str) -> Result<String, String> {
    if text.strip_prefix('/').is_some_and(plain_path) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{text}` is not absolute and plain: expected a path such as `/usr/lib/xen-4.17`, without `.`, `..` or a final slash"
    ))
}

fn relative(text: &str) -> Result<String, String> {
    if plain_path(text) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not relative and plain: expected a path without a leading slash, `.` or `..`"))
}

fn glob(text: &str) -> Result<String, String> {
    if text.starts_with('/') {
        return Err(format!("`{text}` begins with a slash: a glob is relative to the root of the tree"));
    }
    crate::filter::check(text).map(|()| text.to_owned()).map_err(|e| e.root_cause().to_string())
}

fn filter(text: &str) -> Result<String, String> {
    glob(text.strip_prefix('!').unwrap_or(text)).map(|_| text.to_owned())
}

fn variable(text: &str) -> Result<String, String> {
    let word = |c: char| c.is_ascii_alphabetic() || c == '_';
    if text.starts_with(word) && text.chars().all(|c| word(c) || c.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` cannot be the name of a variable: expected letters, digits and `_`"))
}

fn kconfig_option(text: &str) -> Result<String, String> {
    if let Some(rest) = text.strip_prefix("CONFIG_") {
        return Err(format!("`{text}`: options are named without `CONFIG_`, expected `{rest}`"));
    }
    variable(text)
}

/// As Debian's snapshot archive writes moments: `20261120T021254Z`.
fn moment(text: &str) -> Result<String, String> {
    let shape = "00000000T000000Z".bytes();
    let fits = |(byte, shape): (u8, u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    if text.len() == shape.len() && text.bytes().zip(shape).all(fits) {
        return Ok(text.to_owned());
    }
    Err(format!("expected a moment such as `20261120T021254Z`, found `{text}`"))
}
