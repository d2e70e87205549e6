//! The Debian mirrors that this machine's apt is told to use: sources.list(5), in both its formats. Text in, addresses out.
//!
//! Only entries of Debian's main archive count: a third party's repository and the security archive have other pools. Guessing
//! wrong costs a question to a server that does not have the file; content is always checked against a hash or a signature.

use fs_err as fs;
use std::path::Path;

/// Names of distributions (`dists/<name>`) of Debian's archive, which may be followed by `-updates` and the like.
const SUITES: [&str; 14] = [
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
    "experimental",
    "sid",
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "rc-buggy",
];

const SUFFIXES: [&str; 5] = ["", "-updates", "-proposed-updates", "-backports", "-backports-sloppy"];

/// Base addresses in the order in which apt reads them, without a trailing slash; `etc` is `/etc/apt`. What cannot be read or
/// understood names no mirror: such a file may belong to root alone, and there are other ways to name one.
pub fn mirrors(etc: &Path) -> Vec<String> {
    let mut files = vec![etc.join("sources.list")];
    if let Ok(entries) = fs::read_dir(etc.join("sources.list.d")) {
        let mut more: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        more.sort();
        files.extend(more);
    }
    let mut found = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => found.extend(one_line(&text)),
            Some("sources") => found.extend(deb822(&text)),
            _ => {}
        }
    }
    // Nearly every mirror is called `…/debian`; what is called otherwise is asked after those.
    found.sort_by_key(|base| !base.ends_with("/debian"));
    let mut unique = Vec::new();
    for base in found {
        if !unique.contains(&base) {
            unique.push(base);
        }
    }
    unique
}

/// What an entry says, whatever its format.
struct Entry<'a> {
    uris: Vec<&'a str>,
    suites: Vec<&'a str>,
    components: Vec<&'a str>,
    signed_by: Option<&'a str>,
}

impl Entry<'_> {
    fn mirrors(&self) -> Vec<String> {
        let debian = self.suites.iter().any(|suite| {
            SUITES.iter().any(|name| suite.strip_prefix(name).is_some_and(|rest| SUFFIXES.contains(&rest)))
        });
        let signed = self.signed_by.is_none_or(|keyring| keyring.contains("debian-archive"));
        if !debian || !signed || !self.components.contains(&"main") {
            return Vec::new();
        }
        let http = |uri: &&&str| uri.starts_with("http://") || uri.starts_with("https://");
        let plain = |uri: &&&str| !uri.contains("$(");
        self.uris.iter().filter(http).filter(plain).map(|uri| uri.trim_end_matches('/').to_owned()).collect()
    }
}

/// `deb [option=value …] uri suite component…`
fn one_line(text: &str) -> Vec<String> {
    text.lines().filter_map(line).flat_map(|entry| entry.mirrors()).collect()
}

fn line(line: &str) -> Option<Entry<'_>> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb-src").or_else(|| line.strip_prefix("deb"))?;
    let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    Some(Entry {
        uris: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        signed_by: options.split_whitespace().find_map(|option| option.strip_prefix("signed-by=")),
    })
}

fn deb822(text: &str) -> Vec<String> {
    let Ok(document) = text.parse::<deb822_fast::Deb822>() else { return Vec::new() };
    let mut found = Vec::new();
    for paragraph in document.iter() {
        // Field names are compared without case, and apt's own word list says what is a `no`.
        let get = |name: &str| paragraph.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let words = |name: &str| get(name).unwrap_or_default().split_whitespace().collect::<Vec<_>>();
        let off = get("Enabled").is_some_and(|value| {
            ["no", "false", "without", "off", "disable", "0"].contains(&value.trim().to_ascii_lowercase().as_str())
        });
        let binary = words("Types").iter().any(|kind| matches!(*kind, "deb" | "deb-src"));
        if !off && binary {
            let (uris, suites, components) = (words("URIs"), words("Suites"), words("Components"));
            found.extend(Entry { uris, suites, components, signed_by: get("Signed-By") }.mirrors());
        }
    }
    found
}
