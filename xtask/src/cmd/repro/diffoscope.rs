//! What differs, opened in the locked diffoscope: the innermost pairs, each at its place in two folders, and its report on them.
//!
//! Diffoscope runs in the sandbox, sees nothing but the two folders, and these read-only.

use crate::context::Context;
use crate::fault::Fault;
use crate::repro::Comparison;
use crate::rootfs;
use crate::sandbox::Sandbox;
use crate::toolchain::Toolchain;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub const TOOLCHAIN: &str = "diffoscope";

const SIDES: [&str; 2] = ["first", "second"];

/// Where pairs are collected.
pub struct Pairs {
    folder: PathBuf,
}

impl Pairs {
    /// In the empty folder `folder`.
    pub fn new(folder: PathBuf) -> Result<Pairs> {
        for side in SIDES {
            fs::create_dir_all(folder.join(side))?;
        }
        Ok(Pairs { folder })
    }

    /// Keeps a pair at its place.
    pub fn add(&self, place: &[String], first: &[u8], second: &[u8]) -> Result<()> {
        for (side, bytes) in SIDES.iter().zip([first, second]) {
            let file = self.folder.join(side).join(path(place));
            fs::create_dir_all(file.parent().expect("it lies in a side's folder"))?;
            fs::write(file, bytes)?;
        }
        Ok(())
    }

    /// Artifacts that differ in nothing but how they hold what they hold are opened whole.
    pub fn complete(&self, comparison: &Comparison, folders: [&Path; 2]) -> Result<()> {
        for artifact in comparison.artifacts.iter().filter(|artifact| !artifact.identical) {
            let place = [artifact.name.clone()];
            for (side, folder) in SIDES.iter().zip(folders) {
                let (from, to) = (folder.join(&artifact.name), self.folder.join(side).join(path(&place)));
                if from.is_file() && !to.exists() {
                    fs::create_dir_all(to.parent().expect("it lies in a side's folder"))?;
                    fs::copy(from, to)?;
                }
            }
        }
        Ok(())
    }

    /// What diffoscope says of all pairs.
    pub fn open(&self, ctx: &Context) -> Result<String> {
        let root = rootfs::obtain(ctx, &Toolchain::load(&ctx.root, TOOLCHAIN)?)?;
        let task = ctx.report.begin("diffoscope", &self.folder.display().to_string(), None);
        let readonly = SIDES.iter().map(|side| (self.folder.join(side), format!("/in/{side}"))).collect();
        let text = run(ctx, &root.path, readonly, "/in")?;
        task.done("done");
        Ok(crate::markup::printable(&text))
    }
}

/// Runs diffoscope on `first` and `second` in the folder `cwd` inside.
pub fn run(ctx: &Context, root: &Path, readonly: Vec<(PathBuf, String)>, cwd: &str) -> Result<String> {
    let sandbox = Sandbox {
        readonly,
        // There is no loader's cache, in which Python would find it.
        env: BTreeMap::from([("LIBARCHIVE".to_owned(), "libarchive.so.13".to_owned())]),
        ..Sandbox::new(root, cwd)
    };
    // Modes and times of the folders are those of whoever unpacked them.
    let words =
        ["diffoscope", "--text=-", "--no-progress", "--exclude-directory-metadata=recursive", "first", "second"];
    let output = sandbox.command(ctx, &words)?.output().context("starting diffoscope")?;
    match output.status.code() {
        // Python ends with 1, too, when it gives up.
        Some(0 | 1) if output.stderr.is_empty() || !output.stdout.is_empty() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        _ => {
            let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
            Err(Fault::failed(format!("diffoscope: {}\n{said}", output.status)).into())
        }
    }
}

/// A place as a path below a folder, wherever an archive wants its members to be. Folders do not have an archive's name:
/// diffoscope takes such a folder for an archive.
fn path(place: &[String]) -> PathBuf {
    let place = place.join(".unpacked/");
    let parts = place.split('/');
    let safe = |part: &str| if part == ".." { "dotdot".to_owned() } else { part.replace('\0', "\u{fffd}") };
    parts.filter(|part| !matches!(*part, "" | "." | ".unpacked")).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_lies_outside() {
        let place = ["x.tar".to_owned(), "./../../etc//passwd".to_owned()];
        assert_eq!(path(&place), Path::new("x.tar.unpacked/dotdot/dotdot/etc/passwd"));
        assert_eq!(path(&["/etc".to_owned()]), Path::new("etc"));
    }
}
