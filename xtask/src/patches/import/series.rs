//! The `series` file of a quilt directory: which patches, in which order, read how.

use crate::fault::Fault;
use anyhow::{Result, bail};
use fs_err as fs;
use std::path::{Path, PathBuf};

/// A line of `series`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Below the folder of `series`.
    pub file: String,
    pub strip: usize,
    pub reversed: bool,
    /// What the line says and the queue cannot.
    pub said: Vec<String>,
}

/// Where the folder, or a source package with quilt patches, keeps its `series`.
pub fn find(folder: &Path) -> Option<PathBuf> {
    ["series", "patches/series", "debian/patches/series"]
        .iter()
        .map(|place| folder.join(place))
        .find(|path| path.is_file())
}

/// Reads the text of a `series`. Errors name the line.
pub fn read(text: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(entry) = entry(line).map_err(|error| error.context(format!("line {}", number + 1)))? {
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// `file [-pN] [-R] [# comment]`, with the guards of Mercurial and of the `guards` program around it.
fn entry(line: &str) -> Result<Option<Entry>> {
    // A name may hold the mark of a comment.
    let comment = line.match_indices('#').map(|(at, _)| at).find(|&at| at == 0 || line[..at].ends_with([' ', '\t']));
    let (line, comment) = line.split_at(comment.unwrap_or(line.len()));
    let mut words = line.split_whitespace().peekable();
    let guard = |word: &str| format!("guard {word}: not kept");
    let mut said = Vec::new();
    while let Some(word) = words.next_if(|word| word.starts_with(['+', '-'])) {
        said.push(guard(word));
    }
    let comments = comment.split_whitespace();
    said.extend(
        comments.filter_map(|word| word.strip_prefix('#')).filter(|word| word.starts_with(['+', '-'])).map(guard),
    );
    let Some(file) = words.next() else { return Ok(None) };
    if file.starts_with('/') || file.split('/').any(|part| matches!(part, "" | "." | "..")) {
        bail!("`{file}` leaves the folder of the series");
    }
    let mut entry = Entry { file: file.to_owned(), strip: 1, reversed: false, said };
    for option in words {
        match option.strip_prefix("-p") {
            // `-p ab` is how quilt writes what it refreshes; it reads it as one folder.
            Some("ab") => entry.strip = 1,
            Some(level) => {
                let Ok(level) = level.parse() else { bail!("`{option}` is not -p and a number") };
                entry.strip = level;
            }
            None if option == "-R" || option == "--reverse" => entry.reversed = true,
            None => bail!("`{option}` is not -pN or -R"),
        }
    }
    Ok(Some(entry))
}

/// The path of an entry's file, which must lie in the folder, whatever links say.
pub fn path(series: &Path, entry: &Entry) -> Result<PathBuf> {
    let folder = fs::canonicalize(series.parent().unwrap_or(Path::new(".")))?;
    let path = folder.join(&entry.file);
    let Ok(real) = fs::canonicalize(&path) else {
        return Err(Fault::usage(format!("{}: names {}, which is not there", series.display(), entry.file)).into());
    };
    if !real.starts_with(&folder) || !real.is_file() {
        bail!(Fault::usage(format!("{}: {} leads out of {}", series.display(), entry.file, folder.display())));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_comments_and_guards_are_told_apart() {
        let text = "# all\n\na.patch\n  sub/b#1.diff -p0 -R # turned\n+x86 c.patch #+later\n-- \n";
        let entries = read(text).unwrap();
        let plain = |file: &str| Entry { file: file.to_owned(), strip: 1, reversed: false, said: Vec::new() };
        assert_eq!(entries[0], plain("a.patch"));
        assert_eq!(entries[1], Entry { strip: 0, reversed: true, ..plain("sub/b#1.diff") });
        let said = vec!["guard +x86: not kept".to_owned(), "guard +later: not kept".to_owned()];
        assert_eq!(entries[2], Entry { said, ..plain("c.patch") });
        assert_eq!(entries.len(), 3);
    }

    #[test]
    fn what_leaves_the_folder_or_is_not_understood_is_refused_with_its_line() {
        for (text, why) in [
            ("a\n../b\n", "line 2: `../b` leaves the folder of the series"),
            ("/etc/passwd", "line 1: `/etc/passwd` leaves the folder of the series"),
            ("a --fuzz=3", "line 1: `--fuzz=3` is not -pN or -R"),
        ] {
            assert_eq!(format!("{:#}", read(text).unwrap_err()), why);
        }
    }
}
