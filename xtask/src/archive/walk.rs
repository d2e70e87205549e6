//! Finds folders below a destination the way the kernel would if the destination were `/`, and refuses to leave it.
//!
//! Several threads may walk one destination at once: since nothing that is there is ever replaced, a folder that was found
//! once stays found.

use super::Links;
use fs_err as fs;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

/// The kernel's own bound, path_resolution(7).
const HOPS: usize = 40;

const LEAVES: &str = "leaves the folder it is unpacked into";

pub struct Walk {
    root: PathBuf,
    links: Links,
    /// Folders as archives name them, with what they really are.
    found: BTreeMap<PathBuf, PathBuf>,
    /// Folders made since someone last took them away.
    pub made: Vec<PathBuf>,
}

impl Walk {
    pub fn new(root: &Path, links: Links) -> Walk {
        Walk { root: root.to_owned(), links, found: BTreeMap::new(), made: Vec::new() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder `name` after links were followed, relative to the root; made where it is missing and `make` says so.
    /// `name` has normal components only. The error is the end of a sentence about the name.
    pub fn folder(&mut self, name: &Path, make: bool) -> Result<PathBuf, String> {
        if let Some(real) = self.found.get(name) {
            return Ok(real.clone());
        }
        let mut steps = Steps::new(PathBuf::new(), name);
        while let Some(part) = steps.next(self.links)? {
            let next = steps.at.join(&part);
            let place = self.root.join(&next);
            match fs::symlink_metadata(&place) {
                Ok(data) if data.is_dir() => steps.at = next,
                Ok(data) if data.is_symlink() => steps.follow(&place)?,
                Ok(_) => return Err(format!("goes through `{}`, which is not a folder", next.display())),
                Err(error) if error.kind() == ErrorKind::NotFound && make => {
                    match fs::create_dir(&place).and_then(|()| {
                        // Whatever the umask.
                        fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755))
                    }) {
                        Ok(()) => self.made.push(next.clone()),
                        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                            // Another thread was faster; what it made is looked at again.
                            steps.ahead.push_front(part);
                            continue;
                        }
                        Err(error) => return Err(format!("making `{}` failed: {error}", place.display())),
                    }
                    steps.at = next;
                }
                Err(error) => return Err(format!("`{}` cannot be entered: {error}", next.display())),
            }
        }
        self.found.insert(name.to_owned(), steps.at.clone());
        Ok(steps.at)
    }

    /// An error if following the link at `link` (relative to the root) could lead out of it. What does not exist cannot be
    /// followed; the rest of such a target is judged by its names.
    pub fn check_link(&self, link: &Path) -> Result<(), String> {
        let mut steps = Steps::new(link.parent().unwrap_or(Path::new("")).to_owned(), Path::new(""));
        steps.follow(&self.root.join(link))?;
        let shown = steps.shown();
        loop {
            match steps.next(self.links) {
                Ok(None) => return Ok(()),
                // A loop is dangling, but inside.
                Err(_) if steps.hops > HOPS => return Ok(()),
                Err(reason) => return Err(format!("its target `{shown}` {reason}")),
                Ok(Some(part)) => {
                    let next = steps.at.join(&part);
                    let place = self.root.join(&next);
                    match fs::symlink_metadata(&place) {
                        Ok(data) if data.is_symlink() => steps.follow(&place)?,
                        _ => steps.at = next,
                    }
                }
            }
        }
    }
}

/// A path being followed: where it is, relative to the root, and the components ahead.
struct Steps {
    at: PathBuf,
    ahead: VecDeque<OsString>,
    hops: usize,
}

impl Steps {
    fn new(at: PathBuf, name: &Path) -> Steps {
        Steps { at, ahead: name.iter().map(OsString::from).collect(), hops: 0 }
    }

    fn shown(&self) -> String {
        self.ahead.iter().collect::<PathBuf>().display().to_string()
    }

    /// The next component that is a name.
    fn next(&mut self, links: Links) -> Result<Option<OsString>, String> {
        if self.hops > HOPS {
            return Err(format!("goes through more than {HOPS} links"));
        }
        while let Some(part) = self.ahead.pop_front() {
            match Path::new(&part).components().next() {
                Some(Component::Normal(_)) => return Ok(Some(part)),
                Some(Component::ParentDir) if self.at.pop() => {}
                Some(Component::ParentDir) => return Err(LEAVES.to_owned()),
                Some(Component::RootDir) if links == Links::Rooted => self.at = PathBuf::new(),
                Some(Component::RootDir) => return Err(LEAVES.to_owned()),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Puts the target of the link before what is ahead.
    fn follow(&mut self, place: &Path) -> Result<(), String> {
        self.hops += 1;
        let target = fs::read_link(place).map_err(|error| format!("reading `{}` failed: {error}", place.display()))?;
        for part in target.iter().rev() {
            self.ahead.push_front(part.to_owned());
        }
        Ok(())
    }
}
