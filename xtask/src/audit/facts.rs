//! A tree as the rules see it: every path with what its content says, and where links lead. Judges nothing.

use crate::elf::Elf;
use crate::relocate::links;
use crate::tree::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// A tree as the rules see it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// By path, relative to the tree's root.
    pub entries: BTreeMap<String, Fact>,
}

#[derive(Clone, Debug)]
pub struct Fact {
    pub kind: Kind,
    /// The step that staged it; nothing for a folder that holds something.
    pub step: Option<String>,
    /// What an ELF file says, or why it cannot be read.
    pub elf: Option<Result<Elf, String>>,
    /// Build paths found in the content.
    pub leaks: Vec<String>,
}

impl Fact {
    /// The ELF facts of a readable ELF file.
    pub fn elf(&self) -> Option<&Elf> {
        self.elf.as_ref().and_then(|elf| elf.as_ref().ok())
    }
}

/// Where a path leads once all links in it are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Led {
    /// To this entry, which is not a link.
    To(String),
    /// To this path, where nothing is.
    Nowhere(String),
    /// Out of the root by `..`, or round in a circle.
    Astray,
}

impl Facts {
    /// Follows links in every component, as the kernel would with the tree as root.
    pub fn follow(&self, path: &str) -> Led {
        let mut path = path.to_owned();
        for _ in 0..LINKS {
            let Some((link, target, rest)) = self.first_link(&path) else {
                return if self.entries.contains_key(&path) { Led::To(path) } else { Led::Nowhere(path) };
            };
            let Some(led) = links::lead(links::parent(link), &format!("{target}/{rest}")) else { return Led::Astray };
            path = led;
        }
        Led::Astray
    }

    /// The first component of `path` that is a link: its own path, its target, and what follows it.
    fn first_link<'p>(&self, path: &'p str) -> Option<(&'p str, &str, &'p str)> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            if let Some(Fact { kind: Kind::Symlink { target }, .. }) = self.entries.get(&path[..end]) {
                return Some((&path[..end], target, path[end..].trim_start_matches('/')));
            }
        }
        None
    }

    /// The ELF files that can be read.
    pub fn elves(&self) -> impl Iterator<Item = (&str, &Elf)> {
        self.entries.iter().filter_map(|(path, fact)| Some((path.as_str(), fact.elf()?)))
    }
}

/// `MAXSYMLINKS` of Linux (include/linux/namei.h).
const LINKS: usize = 40;

/// Symbol versions that the distribution's libraries offer, by SONAME.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    pub libraries: BTreeMap<String, BTreeSet<String>>,
}
