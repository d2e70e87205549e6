//! Ordered path globs as recipes use them: the last glob that matches decides, `!` takes away. Pure.
//!
//! `*` stays within one folder and `**` crosses folders, as in gitignore; unlike there, a glob always names files, and a list
//! that matches nothing keeps nothing.

use anyhow::{Context as _, Result};
use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// A compiled list of globs.
#[derive(Clone, Debug)]
pub struct Filter {
    set: GlobSet,
    /// For each glob, whether a match keeps the path.
    keeps: Vec<bool>,
}

impl Filter {
    pub fn new(globs: &[String]) -> Result<Filter> {
        let mut set = GlobSetBuilder::new();
        let mut keeps = Vec::new();
        for glob in globs {
            let (pattern, keep) = match glob.strip_prefix('!') {
                Some(pattern) => (pattern, false),
                None => (glob.as_str(), true),
            };
            set.add(compile(pattern)?);
            keeps.push(keep);
        }
        Ok(Filter { set: set.build()?, keeps })
    }

    /// Whether the list keeps a path; relative, `/`-separated, no leading slash.
    pub fn keeps(&self, path: &str) -> bool {
        self.set.matches(path).last().is_some_and(|&index| self.keeps[index])
    }

    /// The positions, in the list, of the globs that match a path.
    pub fn matches(&self, path: &str) -> Vec<usize> {
        self.set.matches(path)
    }

    /// The positions of the globs that match none of `paths`.
    pub fn unused<'p>(&self, paths: impl IntoIterator<Item = &'p str>) -> Vec<usize> {
        let mut used = vec![false; self.keeps.len()];
        for path in paths {
            for index in self.set.matches(path) {
                used[index] = true;
            }
        }
        used.iter().enumerate().filter(|(_, used)| !**used).map(|(index, _)| index).collect()
    }
}

/// Whether a glob, `!` and all, can be read. Far cheaper than a [`Filter`], whose regular expressions it does not make.
pub fn check(glob: &str) -> Result<()> {
    compile(glob.strip_prefix('!').unwrap_or(glob)).map(|_| ())
}

fn compile(pattern: &str) -> Result<Glob> {
    GlobBuilder::new(pattern).literal_separator(true).build().with_context(|| format!("glob `{pattern}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(globs: &[&str]) -> Filter {
        Filter::new(&globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_last_match_decides() {
        let tools = filter(&["**", "!xen/**", "xen/include/**"]);
        assert!(tools.keeps("Config.mk"));
        assert!(tools.keeps("tools/libs/ctrl/Makefile"));
        assert!(!tools.keeps("xen/common/sched.c"));
        assert!(tools.keeps("xen/include/public/xen.h"));
    }

    #[test]
    fn a_star_stays_in_its_folder_and_nothing_is_kept_unasked() {
        let some = filter(&["config/*"]);
        assert!(some.keeps("config/x86_64.mk"));
        assert!(!some.keeps("config/deep/x.mk"));
        assert!(!some.keeps("COPYING"));
    }

    #[test]
    fn a_glob_that_matches_nothing_is_known_by_its_place() {
        assert_eq!(filter(&["etc/**", "!etc/x", "var/**"]).unused(["etc/y", "usr/bin/xl"]), [1, 2]);
    }

    #[test]
    fn a_bad_glob_is_named() {
        assert!(format!("{:#}", Filter::new(&["a[".to_owned()]).unwrap_err()).contains("`a[`"));
    }
}
