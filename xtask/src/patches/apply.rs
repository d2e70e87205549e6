//! One patch applied to files in memory: without fuzz, and saying by how many lines each hunk was off.
//!
//! What applies is what `git apply` applies, with the same result (`place.rs` has the rule for hunks). Parts of one patch that name
//! the same file are applied one after another, but renames and copies read the files as they were before the patch.

mod binary;
mod place;

use super::Patch;
use super::content::{File, Files, Mode, Through, above};
use super::diff::{FileDiff, Moved};
use crate::fault::Fault;
use anyhow::Result;
use place::{Image, Wanted};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How a patch is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    /// What it removes is added, what it adds is removed.
    Reverse,
}

/// A hunk that was found elsewhere than its header says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    pub path: String,
    /// Counted from 1 within its file.
    pub hunk: usize,
    /// Found minus said.
    pub lines: i64,
}

/// Why a patch does not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// `hunk 2 of xen/arch/x86/mm.c does not apply at line 311`
    Hunk { path: String, hunk: usize, line: u64 },
    /// Whatever else: a file that is missing, or there already, or of another mode.
    File { path: String, why: String },
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfit::Hunk { path, hunk, line } => write!(f, "hunk {hunk} of {path} does not apply at line {line}"),
            Misfit::File { path, why } => write!(f, "{path}: {why}"),
        }
    }
}

/// For patches that do not apply to the source of their own queue.
pub const CURE: &str =
    "mend the patch by hand, import it anew, or take it away; `patch rebase --onto` carries a queue to another version";

impl Misfit {
    /// For the patch `file`, in the queue of the source that it does not fit.
    pub fn fault(&self, file: &str) -> Fault {
        Fault::failed(format!("applying {file}: {self}")).cure(CURE)
    }
}

/// Applies the patch to `files`, which are unchanged when it does not fit. The outer error is one of reading the base; the inner
/// one says where the patch does not fit. No offsets: it applies exactly.
pub fn apply(files: &mut Files<'_>, patch: &Patch, direction: Direction) -> Result<Result<Vec<Offset>, Misfit>> {
    let mut parts: Vec<Part<'_>> = patch.diff.files.iter().map(|file| Part::of(file, direction)).collect();
    if direction == Direction::Reverse {
        parts.reverse();
    }
    let leaving = parts.iter().filter(|part| part.leaves()).filter_map(|part| part.old).collect();
    let mut attempt = Attempt {
        files,
        text: &patch.text,
        direction,
        leaving,
        results: BTreeMap::new(),
        copies: Vec::new(),
        offsets: Vec::new(),
    };
    match parts.iter().try_for_each(|part| attempt.part(part)).and_then(|()| attempt.copies_were_such()) {
        Ok(()) => {}
        Err(Stop::Misfit(misfit)) => return Ok(Err(misfit)),
        Err(Stop::Error(error)) => return Err(error),
    }
    let Attempt { results, offsets, .. } = attempt;
    for (path, file) in results {
        files.set(&path, file);
    }
    Ok(Ok(offsets))
}

/// One file's part of a patch as it is applied: names and modes the way round that they are taken.
struct Part<'p> {
    file: &'p FileDiff,
    old: Option<&'p str>,
    new: Option<&'p str>,
    old_mode: Option<Mode>,
    new_mode: Option<Mode>,
    /// A copy taken back: `old` goes, and was a copy of this.
    copy_of: Option<&'p str>,
}

impl<'p> Part<'p> {
    fn of(file: &'p FileDiff, direction: Direction) -> Part<'p> {
        let (old, new) = (file.old.as_deref(), file.new.as_deref());
        match direction {
            Direction::Forward => {
                Part { file, old, new, old_mode: file.old_mode, new_mode: file.new_mode, copy_of: None }
            }
            Direction::Reverse => {
                let copied = file.moved == Some(Moved::Copy);
                // A mode that only the `index` line says is not one that the patch sets.
                let sets = file.new_mode.is_some() || new.is_none();
                Part {
                    file,
                    old: new,
                    new: old.filter(|_| !copied),
                    old_mode: file.new_mode,
                    new_mode: file.old_mode.filter(|_| sets),
                    copy_of: old.filter(|_| copied),
                }
            }
        }
    }

    fn renames(&self) -> bool {
        self.file.moved == Some(Moved::Rename) && self.old != self.new
    }

    /// Whether the file of the old name is gone afterwards.
    fn leaves(&self) -> bool {
        self.new.is_none() || self.renames()
    }

    /// What messages call the file.
    fn name(&self) -> &'p str {
        self.old.or(self.new).unwrap_or_default()
    }

    fn misfit(&self, why: impl Into<String>) -> Stop {
        Stop::Misfit(Misfit::File { path: self.name().to_owned(), why: why.into() })
    }
}

/// Why applying ends early.
enum Stop {
    Misfit(Misfit),
    Error(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Stop {
        Stop::Error(error)
    }
}

fn through_misfit(path: &str, through: &Through) -> Stop {
    Stop::Misfit(Misfit::File { path: path.to_owned(), why: through.to_string() })
}

struct Attempt<'a, 'b> {
    files: &'a Files<'b>,
    text: &'a [u8],
    direction: Direction,
    /// The files that this patch deletes or renames.
    leaving: BTreeSet<&'a str>,
    /// What this patch has made so far.
    results: BTreeMap<String, Option<File>>,
    /// Copies taken back: name, what it was a copy of, and its content then.
    copies: Vec<(&'a str, &'a str, Vec<u8>)>,
    offsets: Vec<Offset>,
}

impl<'a> Attempt<'a, '_> {
    fn part(&mut self, part: &Part<'a>) -> Result<(), Stop> {
        let old = self.old(part)?;
        self.check_types(part, old.as_ref())?;
        if let Some(new) = part.new
            && (old.is_none() || part.old != Some(new))
        {
            self.check_room(new)?;
        }
        let before = old.as_ref().map_or(&[][..], |file| &file.bytes);
        let after = self.changed(part, before)?;
        let mode = part.new_mode.or(old.map(|file| file.mode)).unwrap_or(Mode::Plain);
        match part.new {
            Some(new) => {
                // A file that this patch puts where the renamed one was has come before.
                if let Some(old) = part.old.filter(|_| part.renames())
                    && !matches!(self.results.get(old), Some(Some(_)))
                {
                    self.results.insert(old.to_owned(), None);
                }
                self.results.insert(new.to_owned(), Some(File { mode, bytes: after.into() }));
            }
            None => {
                match part.copy_of {
                    Some(original) => self.copies.push((part.name(), original, after)),
                    None if !after.is_empty() => {
                        return Err(part.misfit("has other content than the patch takes away"));
                    }
                    None => {}
                }
                self.results.insert(part.name().to_owned(), None);
            }
        }
        Ok(())
    }

    /// The file before the part; None where it is made.
    fn old(&self, part: &Part<'_>) -> Result<Option<File>, Stop> {
        let Some(path) = part.old else { return Ok(None) };
        let file = if part.file.moved.is_some() { self.at_first(path)? } else { self.now(path)? };
        // A plain diff may call a new file by both names; then all it has is one hunk upon nothing.
        let may_be_new = !part.file.git && matches!(part.file.hunks.as_slice(), [hunk] if self.sides(hunk).0 == 0);
        match file {
            None if !may_be_new => Err(part.misfit("there is no such file")),
            file => Ok(file),
        }
    }

    /// The file as the patch has found it.
    fn at_first(&self, path: &str) -> Result<Option<File>, Stop> {
        self.files.get(path).map_err(|error| match error.downcast::<Through>() {
            Ok(through) => through_misfit(path, &through),
            Err(error) => Stop::Error(error),
        })
    }

    /// The file after the parts so far.
    fn now(&self, path: &str) -> Result<Option<File>, Stop> {
        if let Some(file) = self.results.get(path) {
            return Ok(file.clone());
        }
        // What is still to leave may be in a folder whose name the patch has given to something else.
        if self.leaving.contains(path) {
            return self.at_first(path);
        }
        if self.was_freed_above(path)? { Ok(None) } else { self.at_first(path) }
    }

    /// Whether the patch takes away what the path led through; that it has put something there is a misfit.
    fn was_freed_above(&self, path: &str) -> Result<bool, Stop> {
        for at in above(path) {
            match self.results.get(at) {
                Some(Some(file)) => {
                    let through = Through { at: at.to_owned(), link: file.mode == Mode::Link };
                    return Err(through_misfit(path, &through));
                }
                Some(None) => return Ok(true),
                None if self.leaving.contains(at) => return Ok(true),
                None => {}
            }
        }
        Ok(false)
    }

    /// Only links become links: git takes such a change as two parts, one that deletes and one that makes.
    fn check_types(&self, part: &Part<'_>, old: Option<&File>) -> Result<(), Stop> {
        let Some(file) = old else { return Ok(()) };
        let is_link = |mode: Mode| mode == Mode::Link;
        let wrong = part.old_mode.is_some_and(|mode| is_link(mode) != is_link(file.mode));
        let becomes = part.new_mode.is_some_and(|mode| is_link(mode) != is_link(file.mode));
        match (wrong || becomes, is_link(file.mode)) {
            (false, _) => Ok(()),
            (true, true) => Err(part.misfit("is a symbolic link here and a file in the patch")),
            (true, false) => Err(part.misfit("is a file here and a symbolic link in the patch")),
        }
    }

    /// Nothing may be where a file is made, but for what this very patch takes away.
    fn check_room(&self, path: &str) -> Result<(), Stop> {
        let taken = |why: &str| Err(Stop::Misfit(Misfit::File { path: path.to_owned(), why: why.to_owned() }));
        self.was_freed_above(path)?;
        let stays = !self.leaving.contains(path) || self.results.contains_key(path);
        if stays && self.now(path)?.is_some() {
            return taken("is there already");
        }
        let inside = format!("{path}/");
        let mut made = self.results.range(inside.clone()..).take_while(|(path, _)| path.starts_with(&inside));
        if made.any(|(_, file)| file.is_some())
            || self.files.below(path)?.iter().any(|below| !self.leaving.contains(below.as_str()))
        {
            return taken("is a folder");
        }
        Ok(())
    }

    fn copies_were_such(&self) -> Result<(), Stop> {
        for (name, original, content) in &self.copies {
            if self.now(original)?.is_none_or(|file| *file.bytes != **content) {
                let why = format!("is not the copy of {original} that the patch makes");
                return Err(Stop::Misfit(Misfit::File { path: (*name).to_owned(), why }));
            }
        }
        Ok(())
    }

    fn changed(&mut self, part: &Part<'_>, before: &[u8]) -> Result<Vec<u8>, Stop> {
        if let Some(binary) = &part.file.binary {
            let data = &self.text[binary.data.clone()];
            return binary::apply(before, binary, data, self.direction).map_err(|why| part.misfit(why));
        }
        let mut image = Image::of(before);
        for (index, hunk) in part.file.hunks.iter().enumerate() {
            let (_, old_start, new_start) = self.sides(hunk);
            let wanted = Wanted::read(&self.text[hunk.span.clone()], old_start, new_start, self.direction);
            let Some(lines) = image.replace(&wanted) else {
                let path = part.name().to_owned();
                return Err(Stop::Misfit(Misfit::Hunk { path, hunk: index + 1, line: old_start }));
            };
            if lines != 0 {
                self.offsets.push(Offset { path: part.name().to_owned(), hunk: index + 1, lines });
            }
        }
        Ok(image.into_bytes())
    }

    /// Count and start on the side that is looked for, and the start on the other one.
    fn sides(&self, hunk: &super::diff::Hunk) -> (u64, u64, u64) {
        match self.direction {
            Direction::Forward => (hunk.old_count, hunk.old_start, hunk.new_start),
            Direction::Reverse => (hunk.new_count, hunk.new_start, hunk.old_start),
        }
    }
}
