//! What a distribution has published of the same thing: its packages, by hash, and the files that a recipe calls the same compared byte
//! by byte with ours.
//!
//! Takes a recipe and its relocated tree. Nothing of a package is run, and of what it holds only the named files are looked at.

use crate::archive::{Limits, Links};
use crate::context::Context;
use crate::debian::{self, deb};
use crate::digest::Hash;
use crate::download::{self, Wanted};
use crate::fault::Fault;
use crate::recipe::{DebianOrigin, Published, Recipe};
use crate::relocate::Relocated;
use crate::repro::compare;
use crate::repro::{Difference, report::explanation};
use crate::table::table;
use crate::tree::{Kind, Manifest};
use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The packages of a recipe, which were checked against their hashes; brought before anything is built.
#[derive(Debug)]
pub struct Brought<'r> {
    packages: Vec<(&'r Published, PathBuf)>,
}

/// All files of a recipe that were compared.
#[derive(Debug, Serialize)]
pub struct Verdict {
    pub recipe: String,
    pub identical: bool,
    pub files: Vec<File>,
    /// `first` is ours, `second` theirs.
    pub differences: Vec<Difference>,
}

/// One file on both sides.
#[derive(Debug, Serialize)]
pub struct File {
    /// From the root of a machine on, without a leading slash.
    pub path: String,
    /// The published package's file.
    pub package: String,
    pub ours: Content,
    pub theirs: Content,
    pub identical: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Content {
    /// Bytes.
    pub size: u64,
    pub sha256: Hash,
}

/// Brings every package into the store. The error names each place that was asked.
pub fn bring<'r>(ctx: &Context, recipe: &'r Recipe) -> Result<Brought<'r>> {
    let mut packages = Vec::new();
    for published in &recipe.published {
        let DebianOrigin { debian: path, sha256, size, snapshot } = &published.deb;
        let wanted = Wanted {
            name: file_name(published).to_owned(),
            sha256: sha256.clone(),
            size: *size,
            urls: debian::urls(&ctx.net, snapshot.as_deref(), path),
        };
        packages.push((published, download::blob(ctx, &wanted)?));
    }
    Ok(Brought { packages })
}

fn file_name(published: &Published) -> &str {
    let path = &published.deb.debian;
    path.rsplit('/').next().unwrap_or(path)
}

/// Compares in `work`, an empty folder.
pub fn compare(recipe: &Recipe, brought: &Brought, tree: &Relocated, work: &Path) -> Result<Verdict> {
    let [ours, theirs] = ["ours", "theirs"].map(|name| work.join(name));
    for (number, (published, deb)) in brought.packages.iter().enumerate() {
        let root = work.join(number.to_string());
        fs::create_dir(&root)?;
        let limits = Limits { links: Links::Rooted, ..Limits::default() };
        let name = file_name(published);
        deb::unpack(deb, &root, &limits, &|_| Ok(())).with_context(|| format!("unpacking {name}"))?;
        for path in &published.files {
            let copies =
                [(&root, &theirs, name), (&tree.path().to_owned(), &ours, "what the steps of this recipe make")];
            for (from, to, holder) in copies {
                let found = fs::symlink_metadata(from.join(path)).is_ok_and(|metadata| metadata.is_file());
                if !found {
                    return Err(Fault::usage(format!("{}: {holder} has no file {path}", recipe.stem()))
                        .cure("correct `files` in the recipe's `published`")
                        .into());
                }
                fs::create_dir_all(to.join(path).parent().expect("a file lies in a folder"))?;
                fs::copy(from.join(path), to.join(path))?;
            }
        }
    }
    let comparison = compare::folders(&ours, &theirs, &[], &|_, _, _| Ok(()))?;
    let (ours, theirs) = (Manifest::of(&ours)?, Manifest::of(&theirs)?);
    let mut files = Vec::new();
    for (published, _) in &brought.packages {
        for path in &published.files {
            let (ours, theirs) = (content(&ours, path), content(&theirs, path));
            let identical = ours == theirs;
            files.push(File { path: path.clone(), package: file_name(published).to_owned(), ours, theirs, identical });
        }
    }
    let identical = comparison.identical() && files.iter().all(|file| file.identical);
    Ok(Verdict { recipe: recipe.stem(), identical, files, differences: comparison.differences })
}

fn content(manifest: &Manifest, path: &str) -> Content {
    let entry = manifest.entries.iter().find(|entry| entry.path == path).expect("it was just copied");
    match &entry.kind {
        Kind::File { size, sha256, .. } => Content { size: *size, sha256: sha256.clone() },
        _ => unreachable!("only files were copied"),
    }
}

impl Verdict {
    /// A row for each file, two where they differ, then what differs, and one sentence.
    pub fn text(&self) -> String {
        let mut rows = vec![["FILE", "BYTES", "SHA256", "RESULT"].map(str::to_owned)];
        let row = |name: &str, content: &Content, result: &str| {
            [name.to_owned(), content.size.to_string(), content.sha256.to_string(), result.to_owned()]
        };
        for file in &self.files {
            rows.push(row(&file.path, &file.ours, if file.identical { "identical" } else { "different" }));
            if !file.identical {
                rows.push(row("  published", &file.theirs, ""));
            }
        }
        let mut parts = vec![table(&rows)];
        parts.extend(self.differences.iter().map(explanation));
        let different = self.files.iter().filter(|file| !file.identical).count();
        let verdict = if different == 0 { "identical".to_owned() } else { format!("{different} different") };
        let mut packages: Vec<&str> = self.files.iter().map(|file| file.package.as_str()).collect();
        packages.dedup();
        let (count, packages) = (self.files.len(), packages.join(" and "));
        parts.push(format!("{}: {count} files beside those of {packages}: {verdict}", self.recipe));
        parts.join("\n\n")
    }
}
