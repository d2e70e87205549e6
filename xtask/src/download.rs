//! Brings one blob of known sha256 and size into the store: from a mirror folder, or over HTTP with resume and bounded retries.
//!
//! Nothing is read as anything but bytes before its hash has been checked.

use crate::context::Context;
use crate::digest::Hash;
use anyhow::Result;
use std::path::PathBuf;

/// A blob that is wanted, and where it may be.
pub struct Wanted {
    /// For people and for mirror folders: the file's name.
    pub name: String,
    pub sha256: Hash,
    /// Bytes.
    pub size: u64,
    /// Addresses to ask, the nearest first.
    pub urls: Vec<String>,
}

/// The blob's path in the store, downloaded when it was not there. The error names every place that was asked and its failure.
pub fn blob(ctx: &Context, wanted: &Wanted) -> Result<PathBuf> {
    let _ = (ctx, wanted);
    anyhow::bail!("not written")
}
