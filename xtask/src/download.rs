//! Brings one blob of known sha256 and size into the store: from a mirror folder, or over HTTP with resume and bounded retries.
//!
//! Nothing is read as anything but bytes before its hash has been checked.

mod line;
mod transfer;

pub use line::{Line, Patience, Silence};

use crate::context::Context;
use crate::digest::{Hash, hash_reader};
use crate::fault::Fault;
use crate::origin::Failures;
use crate::report::Task;
use anyhow::{Context as _, Result};
use fs_err as fs;
use reqwest::header::CONTENT_LENGTH;
use std::path::{Path, PathBuf};

/// What becomes of a question that goes beyond this machine when the user forbade them.
pub const OFFLINE: &str = "not asked (offline)";

/// A blob that is wanted, and where it may be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// For people and for mirror folders: the file's name.
    pub name: String,
    pub sha256: Hash,
    /// Bytes.
    pub size: u64,
    /// Addresses to ask, the nearest first.
    pub urls: Vec<String>,
}

impl Wanted {
    fn identity(&self) -> (Hash, u64) {
        (self.sha256.clone(), self.size)
    }
}

/// The blob's path in the store, downloaded when it was not there. The error names every place that was asked and its failure.
pub fn blob(ctx: &Context, wanted: &Wanted) -> Result<PathBuf> {
    part(ctx, wanted, None)
}

/// The same where many blobs are one task, which is told of the bytes that come.
pub fn part(ctx: &Context, wanted: &Wanted, whole: Option<&Task>) -> Result<PathBuf> {
    let mut failures = Failures::new(&wanted.name);
    let found = match local(ctx, wanted, &mut failures)? {
        Some(path) => Some(path),
        None => remote(ctx, wanted, whole, &mut failures)?,
    };
    match found {
        Some(path) => {
            failures.warn(&ctx.report);
            Ok(path)
        }
        None => Err(failures.into_fault().into()),
    }
}

/// The blob from the store or from a mirror folder. Content that is not the pinned one is an error in the store, which nobody
/// else writes to, and a recorded failure in a folder.
pub fn local(ctx: &Context, wanted: &Wanted, failures: &mut Failures) -> Result<Option<PathBuf>> {
    if let Some(path) = ctx.store.blob(&wanted.sha256) {
        check_stored(&path, wanted)?;
        return Ok(Some(path));
    }
    match in_mirrors(ctx, wanted, failures) {
        Some(path) => keep(ctx, &path, wanted).map(Some),
        None => Ok(None),
    }
}

/// Where the blob is without the network, if anywhere. Nothing is copied.
pub fn seen(ctx: &Context, wanted: &Wanted, failures: &mut Failures) -> Option<PathBuf> {
    ctx.store.blob(&wanted.sha256).or_else(|| in_mirrors(ctx, wanted, failures))
}

/// Asks whether the address offers a file of this size, without fetching it.
pub fn answers(ctx: &Context, url: &str, size: u64) -> Result<(), Silence> {
    let line = &ctx.net.line;
    let response = line.send(line.client()?.head(url).timeout(line.patience().probe))?;
    line.heard(response.url());
    let refuse = |reason| Err(Silence { reason, transient: false });
    let length: Option<u64> =
        response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    match (response.status(), length) {
        (status, _) if !status.is_success() => refuse(status.to_string()),
        (_, Some(offered)) if offered != size => refuse(format!("expected {size} bytes, offered {offered}")),
        _ => Ok(()),
    }
}

/// The blob from the network; a task of its own unless it is part of a whole.
pub fn remote(
    ctx: &Context,
    wanted: &Wanted,
    whole: Option<&Task>,
    failures: &mut Failures,
) -> Result<Option<PathBuf>> {
    if unasked(ctx, wanted, failures) {
        return Ok(None);
    }
    let _lock = ctx.store.lock_blob(&wanted.sha256)?;
    // Another build may have brought it while this one waited for the lock.
    if let Some(path) = ctx.store.blob(&wanted.sha256) {
        return Ok(Some(path));
    }
    let partial = ctx.store.partial(&wanted.sha256);
    let mut transfer = transfer::Transfer::new(ctx, wanted, whole, &partial);
    for url in &wanted.urls {
        match transfer.from(url).map_err(|error| ctx.store.explain(error))? {
            Ok(()) => {
                let path = ctx.store.keep_blob(&partial, &wanted.sha256, wanted.size)?;
                transfer.done();
                return Ok(Some(path));
            }
            Err(Bad { reason, wrong: true }) => failures.wrong(url, reason),
            Err(Bad { reason, wrong: false }) => failures.absent(url, reason),
        }
    }
    Ok(None)
}

/// True if no address can be asked, which is recorded.
pub fn unasked(ctx: &Context, wanted: &Wanted, failures: &mut Failures) -> bool {
    if wanted.urls.is_empty() {
        failures.absent(&wanted.name, "not asked: no Debian mirror is known (--debian-mirror URL names one)");
    } else if ctx.net.offline {
        wanted.urls.iter().for_each(|url| failures.absent(url, OFFLINE));
    }
    ctx.net.offline || wanted.urls.is_empty()
}

/// Why one address did not give the blob.
struct Bad {
    reason: String,
    /// It gave something else.
    wrong: bool,
}

/// The file of a mirror folder that has the right name, or its hash for a name, and the right content.
fn in_mirrors(ctx: &Context, wanted: &Wanted, failures: &mut Failures) -> Option<PathBuf> {
    for folder in &ctx.net.mirrors {
        let named: Vec<PathBuf> = [wanted.name.as_str(), wanted.sha256.as_str()]
            .map(|name| folder.join(name))
            .into_iter()
            .filter(|path| path.is_file())
            .collect();
        if named.is_empty() {
            failures
                .absent(&folder.display().to_string(), format!("no file named {} or {}", wanted.name, wanted.sha256));
        }
        for path in named {
            match hash_of(&path) {
                Ok(found) if found == wanted.identity() => return Some(path),
                Ok(found) => failures.wrong(&path.display().to_string(), differs(wanted, &found)),
                Err(error) => failures.absent(&path.display().to_string(), format!("{error:#}")),
            }
        }
    }
    None
}

/// Copies a mirror folder's file into the store, which checks the copy once more: others may write to the folder.
fn keep(ctx: &Context, path: &Path, wanted: &Wanted) -> Result<PathBuf> {
    let _lock = ctx.store.lock_blob(&wanted.sha256)?;
    let partial = ctx.store.partial(&wanted.sha256);
    let copied = || format!("copying {} into the store", path.display());
    fs::copy(path, &partial).map_err(|error| ctx.store.explain(error.into())).with_context(copied)?;
    ctx.store.keep_blob(&partial, &wanted.sha256, wanted.size).with_context(copied)
}

fn check_stored(path: &Path, wanted: &Wanted) -> Result<()> {
    let found = hash_of(path)?;
    if found == wanted.identity() {
        return Ok(());
    }
    Err(Fault::failed(format!("{} in the store was changed: {}", path.display(), differs(wanted, &found)))
        .cure("delete this file: it will be brought again")
        .into())
}

fn hash_of(path: &Path) -> Result<(Hash, u64)> {
    let file = fs::File::open(path)?;
    hash_reader(file).with_context(|| format!("reading {}", path.display()))
}

fn differs(wanted: &Wanted, found: &(Hash, u64)) -> String {
    if found.1 != wanted.size {
        return format!("expected {} bytes, found {}", wanted.size, found.1);
    }
    format!("expected sha256 {}, found {}", wanted.sha256, found.0)
}
