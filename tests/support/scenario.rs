//! Recipes and trees for the cases of relocation, audit and packing: a recipe with single places changed, a folder filled from text.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use xtask::recipe::{self, Recipe};

/// A change to one place of the recipe.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    pub find: String,
    pub put: String,
}

/// The recipe of all cases, with each edit made where its text stands.
pub fn recipe(edits: &[Edit]) -> Recipe {
    let mut text = include_str!("recipe.toml").to_owned();
    for edit in edits {
        assert!(text.contains(&edit.find), "the recipe has no `{}`", edit.find);
        text = text.replace(&edit.find, &edit.put);
    }
    recipe::parse("recipe.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

/// A folder's content.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Content {
    /// Path to text.
    pub files: BTreeMap<String, String>,
    /// Path to target.
    pub links: BTreeMap<String, String>,
    /// Empty ones.
    pub folders: Vec<String>,
    /// Path to octal digits; 644 and 755 otherwise.
    pub modes: BTreeMap<String, String>,
}

impl Content {
    pub fn write(&self, root: &Path) {
        let above = |path: &str| {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        for (path, text) in &self.files {
            let path = above(path);
            fs_err::write(&path, text).unwrap();
            set_mode(&path, 0o644);
        }
        for (path, target) in &self.links {
            let path = above(path);
            fs_err::os::unix::fs::symlink(target, path).unwrap();
        }
        for path in &self.folders {
            fs_err::create_dir_all(root.join(path)).unwrap();
        }
        for (path, mode) in &self.modes {
            set_mode(&root.join(path), u32::from_str_radix(mode, 8).unwrap());
        }
    }
}

pub fn set_mode(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
