//! From staged outputs to the tree that is shipped: outputs laid over each other, unwanted files left out, stable libraries made
//! public, the dispatcher, its links and init scripts added, modes and times made plain, every path owned by a step.
//!
//! SONAMEs and RUNPATHs are set when a library is linked, by flags and patches of the recipe; no ELF file is edited here, and
//! whether the result holds together is for the audit to say.

pub mod links;
mod overlay;
pub mod own;

pub use overlay::{DISPATCH, below_root};

use crate::builder::Staged;
use crate::context::Context;
use crate::digest::Hasher;
use crate::fault::Fault;
use crate::interrupt;
use crate::recipe::Recipe;
use crate::tree::{Entry, Kind, Manifest};
use anyhow::{Context as _, Result};
use fs_err as fs;
use overlay::{Content, Leaves};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The folder of an output that says what is linked or packed into its files. It is for the papers, and not shipped.
pub const LINKED: &str = ".linked";

/// The tree that is shipped. Only this module makes one.
#[derive(Debug)]
pub struct Relocated {
    path: PathBuf,
    manifest: Manifest,
    /// Path to the step that made it (`dispatch` for what the project adds itself). Folders that hold something have no owner.
    owners: BTreeMap<String, String>,
}

impl Relocated {
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub fn owners(&self) -> &BTreeMap<String, String> {
        &self.owners
    }
}

/// The output of one step.
#[derive(Clone, Debug)]
pub struct Layer {
    pub step: String,
    pub root: PathBuf,
    pub manifest: Manifest,
}

/// Makes the relocated tree in `work`, an empty folder on the store's file system.
pub fn relocate(ctx: &Context, recipe: &Recipe, staged: &Staged, work: &Path) -> Result<Relocated> {
    let mut layers = Vec::new();
    for (step, stored) in staged.outputs().iter().filter(|(step, _)| !recipe.step[*step].intermediate) {
        let mut manifest = ctx.store.manifest(stored)?;
        manifest.entries.retain(|entry| entry.path.split('/').next() != Some(LINKED));
        layers.push(Layer { step: step.clone(), root: stored.path.clone(), manifest });
    }
    lay_over(recipe, &layers, work)
}

/// The same from layers that are at hand. Each file is checked against its layer's manifest while it is copied.
pub fn lay_over(recipe: &Recipe, layers: &[Layer], work: &Path) -> Result<Relocated> {
    let leaves = overlay::overlay(recipe, layers)?;
    let manifest = manifest(&leaves, &overlay::folder_modes(layers));
    write(layers, &leaves, &manifest, work, recipe.epoch).with_context(|| format!("relocating {}", recipe.stem()))?;
    let owners = leaves.into_iter().map(|(path, leaf)| (path, leaf.step)).collect();
    Ok(Relocated { path: work.to_owned(), manifest, owners })
}

/// The leaves and the folders above them, in byte order.
fn manifest(leaves: &Leaves, modes: &BTreeMap<&str, u32>) -> Manifest {
    let mut entries: BTreeMap<&str, Kind> = BTreeMap::new();
    for (path, leaf) in leaves {
        entries.insert(path, leaf.kind.clone());
        let mut folder = links::parent(path);
        while !folder.is_empty() {
            let mode = modes.get(folder).copied().unwrap_or(0o755);
            entries.entry(folder).or_insert(Kind::Directory { mode });
            folder = links::parent(folder);
        }
    }
    Manifest { entries: entries.into_iter().map(|(path, kind)| Entry { path: path.to_owned(), kind }).collect() }
}

fn write(layers: &[Layer], leaves: &Leaves, manifest: &Manifest, work: &Path, epoch: u64) -> Result<()> {
    for entry in &manifest.entries {
        let to = work.join(&entry.path);
        match &entry.kind {
            Kind::Directory { .. } => fs::create_dir(&to)?,
            Kind::Symlink { target } => fs_err::os::unix::fs::symlink(target, &to)?,
            Kind::File { mode, .. } => {
                interrupt::check()?;
                match &leaves[&entry.path].content {
                    Content::Staged { layer, path } => copy(&layers[*layer], path, &entry.kind, &to)?,
                    Content::Own(bytes) => fs::write(&to, bytes)?,
                    Content::Nothing => unreachable!("a file has content"),
                }
                fs::set_permissions(&to, std::fs::Permissions::from_mode(*mode))?;
            }
        }
    }
    // From the bottom up: writing into a folder changes its time, and a private folder is closed last.
    for entry in manifest.entries.iter().rev() {
        let path = work.join(&entry.path);
        if let Kind::Directory { mode } = entry.kind {
            fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
        }
        let time = Timespec { tv_sec: epoch.try_into().unwrap_or(0), tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW)
            .with_context(|| format!("setting the time of {}", path.display()))?;
    }
    Ok(())
}

fn copy(layer: &Layer, path: &str, expected: &Kind, to: &Path) -> Result<()> {
    let from = layer.root.join(path);
    let mut hasher = Hasher::new(fs::File::create(to)?);
    std::io::copy(&mut fs::File::open(&from)?, &mut hasher).with_context(|| format!("copying {}", from.display()))?;
    let (mut file, found, _) = hasher.finish();
    file.flush()?;
    if let Kind::File { sha256, .. } = expected
        && *sha256 != found
    {
        return Err(Fault::failed(format!(
            "{}: the store's copy of step `{}` was changed: expected sha256 {sha256}, found {found}",
            from.display(),
            layer.step
        ))
        .cure("run `cargo xtask store verify`, which takes damaged entries out, and build again")
        .into());
    }
    Ok(())
}
