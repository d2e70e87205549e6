//! Debian's own checker over all packages of both series. It must find no error; what else it says must be in
//! `tests/lintian/accepted.toml` with a reason, and all that is there must be said.

use super::machine::context;
use super::{SERIES, asked, built};
use crate::support::root;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use xtask::rootfs;
use xtask::sandbox::Sandbox;
use xtask::toolchain::Toolchain;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    tag: Vec<Tag>,
}

/// One tag and every package that it is accepted in; `*` stands for a series in their names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tag {
    name: String,
    packages: BTreeSet<String>,
    /// Why it is right as it is.
    reason: String,
}

/// What lintian said of all packages below `/in`, one finding a line: `W: package: tag context`.
fn findings() -> Vec<String> {
    let ctx = context();
    let toolchain = Toolchain::load(&root(), "lintian").unwrap();
    let readonly = SERIES.map(|stem| (built(stem), format!("/in/{stem}"))).to_vec();
    let sandbox = Sandbox {
        root: rootfs::obtain(&ctx, &toolchain).unwrap().path,
        writable: Vec::new(),
        readonly,
        env: BTreeMap::new(),
        cwd: "/tmp".to_owned(),
        interactive: false,
        administrator: false,
        open_root: false,
    };
    let script = "exec lintian --no-cfg --allow-root --tag-display-limit 0 --fail-on none --jobs 2 /in/*/*.deb";
    let output = sandbox.command(&ctx, &["/bin/sh", "-c", script]).unwrap().output().unwrap();
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && complaint.is_empty(), "lintian: {}\n{said}{complaint}", output.status);
    said.lines().filter(|line| !line.starts_with("N: ")).map(str::to_owned).collect()
}

/// Letter, package and tag of a finding.
fn parts(finding: &str) -> (&str, &str, &str) {
    let mut words = finding.split(' ');
    let mut word = || words.next().unwrap_or_else(|| panic!("lintian says what is no finding: {finding}"));
    (word().trim_end_matches(':'), word().trim_end_matches(':'), word())
}

/// `xen-utils-*` for `xen-utils-4.17`.
fn without_series(package: &str) -> String {
    let series = SERIES.map(|stem| super::recipe(stem).series);
    let stem = series.iter().find_map(|series| package.strip_suffix(series.as_str()));
    stem.map_or(package.to_owned(), |stem| format!("{stem}*"))
}

#[test]
fn lintian_finds_no_error_and_nothing_that_is_not_accepted() {
    if !asked() {
        return;
    }
    let text = fs_err::read_to_string(root().join("tests/lintian/accepted.toml")).unwrap();
    let accepted: Accepted = toml::from_str(&text).unwrap();
    assert!(accepted.tag.iter().all(|tag| tag.reason.len() > 10));
    let listed: BTreeSet<(String, String)> = accepted
        .tag
        .into_iter()
        .flat_map(|tag| tag.packages.into_iter().map(move |package| (tag.name.clone(), package)))
        .collect();
    let mut wrong = Vec::new();
    let mut said = BTreeSet::new();
    let findings = findings();
    for finding in &findings {
        let (letter, package, tag) = parts(finding);
        let known = (tag.to_owned(), without_series(package));
        if letter != "E" && listed.contains(&known) {
            said.insert(known);
        } else {
            wrong.push(finding.clone());
        }
    }
    wrong.extend(listed.difference(&said).map(|(tag, package)| format!("not said any more: {tag} of {package}")));
    assert!(wrong.is_empty(), "{} findings, of which these are wrong:\n{}", findings.len(), wrong.join("\n"));
}
