//! Sources that are folders of the checkout: the project's own files, identified by what they hold.

use super::tree;
use crate::digest::Hash;
use crate::fault::Fault;
use crate::recipe::{Folder, Recipe};
use crate::tree::walk;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What a compiler leaves beside its sources.
const BUILT: &str = "target";

/// Reads what the folders of a recipe hold.
pub fn look(checkout: &Path, recipe: &mut Recipe) -> Result<()> {
    for (name, source) in &mut recipe.source {
        if let Some(folder) = &mut source.folder {
            list(checkout, folder).with_context(|| format!("reading source {name}"))?;
        }
    }
    Ok(())
}

fn list(checkout: &Path, folder: &mut Folder) -> Result<()> {
    let root = checkout.join(&folder.path);
    if !root.is_dir() {
        return Err(Fault::usage(format!("{} is no folder", root.display()))
            .cure("`folder` is a path below the checkout: correct it in the recipe")
            .into());
    }
    for found in walk(&root)? {
        let hidden = found.path.split('/').any(|part| part == BUILT || part.starts_with('.'));
        if hidden || found.metadata.is_dir() {
            continue;
        }
        let path = root.join(&found.path);
        if !found.metadata.is_file() {
            return Err(Fault::usage(format!("{}: only files can be sources", path.display()))
                .cure("replace it by the file that it stands for")
                .into());
        }
        let executable = found.metadata.permissions().mode() & 0o100 != 0;
        folder.files.insert(found.path, (executable, Hash::of(&fs::read(path)?)));
    }
    Ok(())
}

/// Fills `into` with the files that were found when the recipe was read.
pub fn bring(checkout: &Path, folder: &Folder, into: &Path) -> Result<()> {
    for (path, (executable, sha256)) in &folder.files {
        let from = checkout.join(&folder.path).join(path);
        let bytes = fs::read(&from)?;
        if Hash::of(&bytes) != *sha256 {
            return Err(Fault::failed(format!("{} was changed while it was read", from.display()))
                .cure("run the command again")
                .into());
        }
        let to = into.join(path);
        fs::create_dir_all(to.parent().expect("a file is below the folder"))?;
        fs::write(&to, bytes)?;
        fs::set_permissions(&to, std::fs::Permissions::from_mode(if *executable { 0o755 } else { 0o644 }))?;
    }
    tree::normalize(into)
}
