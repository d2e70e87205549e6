//! Copies of other people's code that sources carry, as the recipe names them, held against the patched sources: the files are there,
//! they say the version, and they have a digest.
//!
//! Which staged files such a copy is in is `attribution`'s.

use crate::context::Context;
use crate::digest::Hash;
use crate::fault::Fault;
use crate::filter::Filter;
use crate::job::Job;
use crate::patches;
use crate::recipe::Bundle;
use crate::sources::{self, used};
use crate::tree::{Kind, Manifest};
use anyhow::{Context as _, Result};
use fs_err as fs;
use memchr::memmem;
use std::path::Path;

/// A copy that is in its source as the recipe says.
#[derive(Clone, Debug)]
pub struct Carried {
    pub source: String,
    pub bundle: Bundle,
    /// Below the source's root, sorted.
    pub files: Vec<String>,
    /// Of the lines that `sha256sum` prints for the files, as patched.
    pub sha256: Hash,
}

impl Carried {
    /// The reference of its component.
    pub fn reference(&self) -> String {
        format!("bundle:{}/{}", self.source, self.bundle.name)
    }
}

/// All copies that the recipe names in the sources that it uses. Brings sources only where there is something to look at.
pub fn read(ctx: &Context, job: &Job) -> Result<Vec<Carried>> {
    let mut all = Vec::new();
    for (name, source) in used(&job.recipe) {
        if source.bundle.is_empty() {
            continue;
        }
        let checked = sources::one(ctx, name, source)?;
        let patched = patches::apply(ctx, &checked, &job.queues[name])?;
        all.extend(look(name, &source.bundle, patched.path())?);
    }
    Ok(all)
}

/// The same for one source, whose patched tree is at `tree`.
pub fn look(source: &str, bundles: &[Bundle], tree: &Path) -> Result<Vec<Carried>> {
    let manifest = Manifest::of(tree).with_context(|| format!("reading source {source}"))?;
    let carried = |bundle: &Bundle| -> Result<Carried> {
        let wrong = |what: String| {
            let what = format!("`{}` in source {source}: {what}", bundle.name);
            Fault::failed(what).cure(format!("correct `source.{source}.bundle` in the recipe"))
        };
        let filter = Filter::new(&bundle.files)?;
        let paths = manifest.entries.iter().map(|entry| entry.path.as_str());
        if let Some(unused) = filter.unused(paths).first() {
            return Err(wrong(format!("no file matches `{}`", bundle.files[*unused])).into());
        }
        let (mut files, mut lines, mut says) = (Vec::new(), String::new(), bundle.version.is_none());
        for entry in manifest.entries.iter().filter(|entry| filter.keeps(&entry.path)) {
            let Kind::File { sha256, .. } = &entry.kind else { continue };
            lines += &format!("{sha256}  {}\n", entry.path);
            files.push(entry.path.clone());
            if let Some(version) = bundle.version.as_ref().filter(|_| !says) {
                says = memmem::find(&fs::read(tree.join(&entry.path))?, version.as_bytes()).is_some();
            }
        }
        if !says {
            let version = bundle.version.as_deref().unwrap_or_default();
            return Err(wrong(format!("none of its {} files says version `{version}`", files.len())).into());
        }
        let sha256 = Hash::of(lines.as_bytes());
        Ok(Carried { source: source.to_owned(), bundle: bundle.clone(), files, sha256 })
    };
    bundles.iter().map(carried).collect()
}
