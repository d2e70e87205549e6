//! What a library's package asks of those that use it: `symbols` (deb-symbols(5)) and `shlibs` (deb-shlibs(5)), read and written.
//!
//! Text in, plain values out, and back. Which package is asked is for `depends` to say.

use crate::debian::relation;
use anyhow::{Context as _, Result, bail};
use debversion::Version;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Where a dependency's minimum version goes.
const MINIMUM: &str = "#MINVER#";

/// One library of a package.
#[derive(Clone, Debug)]
pub struct Library {
    /// Dependencies as the file writes them; symbols name one by its number.
    templates: Vec<String>,
    /// `puts@GLIBC_2.2.5` to the first version that has it, and the template.
    symbols: BTreeMap<String, (Version, usize)>,
}

/// Dependencies with the highest version that was asked of each.
#[derive(Clone, Debug, Default)]
pub struct Needs(BTreeMap<String, Option<Version>>);

impl Needs {
    /// `libc6 #MINVER#`, or several of the kind separated by commas; one without the mark is taken as it is.
    fn add(&mut self, template: &str, version: &Version) {
        for part in template.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let minimum = part.contains(MINIMUM).then(|| version.clone());
            let known = self.0.entry(part.to_owned()).or_default();
            *known = std::mem::take(known).max(minimum);
        }
    }

    /// As they stand in `Depends`.
    pub fn relations(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(template, version)| match version {
            Some(version) => template.replace(MINIMUM, &format!("(>= {version})")),
            None => template.clone(),
        })
    }
}

impl Library {
    /// A library of ours: all its symbols are as old as this version of its package.
    pub fn new(package: &str, symbols: &BTreeSet<String>, version: &Version) -> Library {
        let symbols = symbols.iter().map(|symbol| (symbol.clone(), (version.clone(), 0))).collect();
        Library { templates: vec![format!("{package} {MINIMUM}")], symbols }
    }

    /// What someone needs who asks for `imports`: the library, in the version that has the youngest of its symbols among them. What
    /// the library does not have is another one's.
    pub fn ask(&self, imports: &BTreeSet<String>, needs: &mut Needs) {
        // The library itself: the oldest version that the file knows, as dpkg-shlibdeps(1) has it.
        if let Some((version, _)) = self.symbols.values().filter(|(_, template)| *template == 0).min() {
            needs.add(&self.templates[0], version);
        } else {
            needs.0.entry(self.templates[0].replace(MINIMUM, "").trim().to_owned()).or_default();
        }
        for (version, template) in imports.iter().filter_map(|name| self.symbols.get(name)) {
            needs.add(&self.templates[*template], version);
        }
    }

    /// The paragraph of a `symbols` file.
    pub fn symbols(&self, soname: &str) -> String {
        let mut text = format!("{soname} {}\n", self.templates[0]);
        for (symbol, (version, _)) in &self.symbols {
            let _ = writeln!(text, " {symbol} {version}");
        }
        text
    }
}

/// Reads a `symbols` file: SONAME to library.
pub fn read_symbols(text: &str) -> Result<BTreeMap<String, Library>> {
    let mut found: BTreeMap<String, Library> = BTreeMap::new();
    let mut current = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let read = |library: Option<&mut Library>| -> Result<()> {
            let library = library.context("it stands before the first library")?;
            let mut words = line.split_whitespace();
            let (Some(symbol), Some(version), template) = (words.next(), words.next(), words.next()) else {
                bail!("a symbol and its version are expected");
            };
            if symbol.starts_with('(') {
                bail!("it is a pattern, which no built package has");
            }
            let template = template.map_or(Ok(0), str::parse).context("the template is not a number")?;
            if template >= library.templates.len() {
                bail!("there is no template {template}");
            }
            library.symbols.insert(symbol.to_owned(), (relation::version(version)?, template));
            Ok(())
        };
        match line.chars().next() {
            None | Some('*' | '#') => {}
            Some(' ') => read(found.get_mut(&current)).with_context(|| format!("line {number}"))?,
            Some('|') => {
                let library = found.get_mut(&current).with_context(|| format!("line {number}"))?;
                library.templates.push(line[1..].trim().to_owned());
            }
            Some(_) => {
                let (soname, template) = line.split_once(' ').with_context(|| format!("line {number}"))?;
                let library = Library { templates: vec![template.trim().to_owned()], symbols: BTreeMap::new() };
                current = soname.to_owned();
                found.insert(current.clone(), library);
            }
        }
    }
    Ok(found)
}

/// Reads a `shlibs` file: SONAME to dependency. Lines for another type of package (`udeb:`) are left out.
pub fn read_shlibs(text: &str) -> BTreeMap<String, Library> {
    let line = |line: &str| {
        let (name, rest) = line.split_once(' ')?;
        let (version, depends) = rest.trim_start().split_once(' ')?;
        let library = Library { templates: vec![depends.trim().to_owned()], symbols: BTreeMap::new() };
        (!name.ends_with(':')).then(|| (format!("{name}.so.{version}"), library))
    };
    text.lines().filter_map(line).collect()
}

/// A line of a `shlibs` file; nothing for a SONAME that the format cannot say.
pub fn shlibs(soname: &str, package: &str, version: &str) -> Option<String> {
    let (name, number) = soname.split_once(".so.")?;
    Some(format!("{name} {number} {package} (>= {version})\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYMBOLS: &str = "libc.so.6 libc6 #MINVER#\n| libc6 (>> 2.36), libc6 (<< 2.37)\n* Build-Depends-Package: libc6-dev\n \
        GLIBC_2.34@GLIBC_2.34 2.34\n __libc_start_main@GLIBC_2.34 2.34\n puts@GLIBC_2.2.5 2.2.5\n \
        __private@GLIBC_PRIVATE 0 1\nlibm.so.6 libc6 #MINVER#\n sin@GLIBC_2.2.5 2.2.5\n";

    fn asked(library: &Library, imports: &[&str]) -> Vec<String> {
        let mut needs = Needs::default();
        library.ask(&imports.iter().map(|name| name.to_string()).collect(), &mut needs);
        needs.relations().collect()
    }

    #[test]
    fn the_youngest_symbol_decides() {
        let libraries = read_symbols(SYMBOLS).unwrap();
        let libc = &libraries["libc.so.6"];
        assert_eq!(asked(libc, &["puts@GLIBC_2.2.5", "sin@GLIBC_2.2.5"]), ["libc6 (>= 2.2.5)"]);
        assert_eq!(asked(libc, &["puts@GLIBC_2.2.5", "__libc_start_main@GLIBC_2.34"]), ["libc6 (>= 2.34)"]);
        let bounds = ["libc6 (>= 2.2.5)", "libc6 (<< 2.37)", "libc6 (>> 2.36)"];
        assert_eq!(asked(libc, &["__private@GLIBC_PRIVATE"]), bounds);
        assert_eq!(asked(libc, &[]), ["libc6 (>= 2.2.5)"], "a library that is asked for nothing has to be there");
    }

    #[test]
    fn a_library_without_symbols_asks_for_what_its_shlibs_say() {
        let libraries = read_shlibs("libzstd 1 libzstd1 (>= 1.5.2)\nudeb: libzstd 1 libzstd1-udeb (>= 1.5.2)\n");
        assert_eq!(libraries.keys().collect::<Vec<_>>(), ["libzstd.so.1"]);
        assert_eq!(asked(&libraries["libzstd.so.1"], &["ZSTD_decompress@Base"]), ["libzstd1 (>= 1.5.2)"]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let symbols = ["one@VERS_1.0", "two@VERS_1.1"].map(str::to_owned).into();
        let library = Library::new("libx1", &symbols, &relation::version("4.17.5+72").unwrap());
        let text = library.symbols("libx.so.1");
        assert_eq!(text, "libx.so.1 libx1 #MINVER#\n one@VERS_1.0 4.17.5+72\n two@VERS_1.1 4.17.5+72\n");
        let again = &read_symbols(&text).unwrap()["libx.so.1"];
        assert_eq!(asked(again, &["two@VERS_1.1"]), ["libx1 (>= 4.17.5+72)"]);
        assert_eq!(shlibs("libx.so.1", "libx1", "4.17.5+72").unwrap(), "libx 1 libx1 (>= 4.17.5+72)\n");
        assert_eq!(shlibs("libx-1.so", "libx1", "1"), None);
    }

    #[test]
    fn a_file_that_is_none_is_refused_with_its_line() {
        for (text, reason) in [
            (" puts@Base 1\n", "line 1: it stands before the first library"),
            ("libx.so.1 libx1\n puts@Base\n", "line 2: a symbol and its version are expected"),
            ("libx.so.1 libx1\n puts@Base 1 1\n", "line 2: there is no template 1"),
            ("libx.so.1 libx1\n (regex)\"^p\" 1\n", "line 2: it is a pattern"),
            ("libx.so.1\n", "line 1"),
        ] {
            let error = format!("{:#}", read_symbols(text).unwrap_err());
            assert!(error.contains(reason), "{error}");
        }
    }
}
