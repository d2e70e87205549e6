//! The forms of single values in a recipe: each takes a text and gives the value, or what is wrong with it.

use super::diagnose::{nearest, quoted};
use super::{Architecture, Component, Format};
use crate::digest::{GitId, Hash};
use semver::Version;

pub fn filled(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("is empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// Names that become folders and parts of file names: a dash is followed by a letter, so that name and version can be told
/// apart in `xen-4.17.5`.
pub fn identifier(text: &str) -> Result<String, String> {
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
pub fn package_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if text.len() >= 2 && text.starts_with(plain) && text.chars().all(|c| plain(c) || "+-.".contains(c)) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a package name: expected lower-case letters, digits and `+-.`"))
}

/// An expression of the SPDX specification, annex D. What has no identifier there is `LicenseRef-…`.
pub fn license(text: &str) -> Result<String, String> {
    match spdx::Expression::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("`{text}` is not an SPDX expression: {}", error.reason)),
    }
}

/// Debian and RPM agree on one line that does not end in a full stop.
pub fn summary(text: &str) -> Result<String, String> {
    if text.trim() != text || text.is_empty() || text.contains('\n') || text.ends_with('.') || text.chars().count() > 79
    {
        return Err("is not a summary: expected one line of at most 79 characters without a final full stop".to_owned());
    }
    Ok(text.to_owned())
}

pub fn unit(text: &str) -> Result<String, String> {
    const KINDS: [&str; 5] = [".service", ".mount", ".socket", ".target", ".timer"];
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_@.".contains(c);
    if KINDS.iter().any(|kind| text.len() > kind.len() && text.ends_with(kind)) && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a systemd unit: expected a name such as `xenstored.service`"))
}

/// As package managers show it: a name and one address.
pub fn maintainer(text: &str) -> Result<String, String> {
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

pub fn format(text: &str) -> Result<Format, String> {
    let name = one_of(text, &Format::ALL.map(Format::name))?;
    Ok(Format::ALL.into_iter().find(|format| format.name() == name).expect("one_of checked the name"))
}

pub fn version(text: &str) -> Result<Version, String> {
    Version::parse(text).map_err(|e| format!("`{text}` is not a semantic version such as `4.17.5+72`: {e}"))
}

pub fn series(text: &str) -> Result<String, String> {
    let number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    match text.split_once('.') {
        Some((major, minor)) if number(major) && number(minor) => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not a series: expected two numbers such as `4.17`")),
    }
}

pub fn architecture(text: &str) -> Result<Architecture, String> {
    let name = one_of(text, &Architecture::ALL.map(Architecture::gnu))?;
    Ok(Architecture::ALL.into_iter().find(|a| a.gnu() == name).expect("one_of checked the name"))
}

pub fn component(text: &str) -> Result<Component, String> {
    let name = one_of(text, &Component::ALL.map(Component::name))?;
    Ok(Component::ALL.into_iter().find(|c| c.name() == name).expect("one_of checked the name"))
}

pub fn rule(text: &str) -> Result<String, String> {
    one_of(text, &crate::audit::RULES.iter().map(|rule| rule.name).collect::<Vec<_>>())
}

pub fn one_of(text: &str, choices: &[&str]) -> Result<String, String> {
    if choices.contains(&text) {
        return Ok(text.to_owned());
    }
    let hint =
        nearest(text, choices.iter().copied()).map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
    Err(format!("`{text}` is not one of {}{hint}", quoted(choices.iter().copied())))
}

pub fn date(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is not a date: expected a day that exists, as `YYYY-MM-DD`");
    let parsed: toml::value::Datetime = text.parse().map_err(|_| wrong())?;
    if parsed.date.is_none() || parsed.time.is_some() { Err(wrong()) } else { Ok(text.to_owned()) }
}

pub fn git_id(text: &str) -> Result<GitId, String> {
    GitId::try_from(text.to_owned()).map_err(|e| e.to_string())
}

pub fn hash(text: &str) -> Result<Hash, String> {
    Hash::try_from(text.to_owned()).map_err(|e| e.to_string())
}

/// Of a whole OpenPGP key of version 4: an abbreviation can be met by somebody else's key.
pub fn fingerprint(text: &str) -> Result<String, String> {
    if text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_uppercase());
    }
    Err(format!("`{text}` is not a fingerprint: expected 40 hexadecimal digits without spaces"))
}

pub fn address(text: &str, schemes: &[&str]) -> Result<String, String> {
    match text.split_once("://") {
        Some((scheme, rest)) if schemes.contains(&scheme) && !rest.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not an address: expected one that begins with {}", {
            quoted(schemes.iter().map(|s| format!("{s}://")).collect::<Vec<_>>().iter().map(String::as_str))
        })),
    }
}

pub fn plain_path(text: &str) -> bool {
    !text.is_empty() && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

pub fn absolute(text: &str) -> Result<String, String> {
    if text.strip_prefix('/').is_some_and(plain_path) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{text}` is not absolute and plain: expected a path such as `/usr/lib/xen-4.17`, without `.`, `..` or a final slash"
    ))
}

pub fn relative(text: &str) -> Result<String, String> {
    if plain_path(text) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not relative and plain: expected a path without a leading slash, `.` or `..`"))
}

pub fn glob(text: &str) -> Result<String, String> {
    if text.starts_with('/') {
        return Err(format!("`{text}` begins with a slash: a glob is relative to the root of the tree"));
    }
    crate::filter::check(text).map(|()| text.to_owned()).map_err(|e| e.root_cause().to_string())
}

pub fn filter(text: &str) -> Result<String, String> {
    glob(text.strip_prefix('!').unwrap_or(text)).map(|_| text.to_owned())
}

pub fn variable(text: &str) -> Result<String, String> {
    let word = |c: char| c.is_ascii_alphabetic() || c == '_';
    if text.starts_with(word) && text.chars().all(|c| word(c) || c.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` cannot be the name of a variable: expected letters, digits and `_`"))
}

pub fn kconfig_option(text: &str) -> Result<String, String> {
    if let Some(rest) = text.strip_prefix("CONFIG_") {
        return Err(format!("`{text}`: options are named without `CONFIG_`, expected `{rest}`"));
    }
    variable(text)
}

/// As Debian's snapshot archive writes moments: `20261120T021254Z`.
pub fn moment(text: &str) -> Result<String, String> {
    let shape = "00000000T000000Z".bytes();
    let fits = |(byte, shape): (u8, u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    if text.len() == shape.len() && text.bytes().zip(shape).all(fits) {
        return Ok(text.to_owned());
    }
    Err(format!("expected a moment such as `20261120T021254Z`, found `{text}`"))
}
