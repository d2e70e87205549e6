//! One patch applied to files in memory: without fuzz, and saying by how many lines each hunk was off.
//!
//! A hunk's context must be found whole. Where it stands elsewhere than its header says, the nearest place counts, as with
//! `git apply`; a hunk that begins or ends its file must do so.

use super::Patch;
use super::content::Files;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a patch is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    /// What it removes is added, what it adds is removed.
    Reverse,
}

/// A hunk that was found elsewhere than its header says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    pub path: String,
    /// Counted from 1 within its file.
    pub hunk: usize,
    /// Found minus said.
    pub lines: i64,
}

/// Why a patch does not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// `hunk 2 of xen/arch/x86/mm.c does not apply at line 311`
    Hunk { path: String, hunk: usize, line: u64 },
    /// Whatever else: a file that is missing, or there already, or of another mode.
    File { path: String, why: String },
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfit::Hunk { path, hunk, line } => write!(f, "hunk {hunk} of {path} does not apply at line {line}"),
            Misfit::File { path, why } => write!(f, "{path}: {why}"),
        }
    }
}

/// Applies the patch to `files`, which are unchanged when it does not fit. The outer error is one of reading the base; the inner
/// one says where the patch does not fit. No offsets: it applies exactly.
pub fn apply(_files: &mut Files<'_>, _patch: &Patch, _direction: Direction) -> Result<Result<Vec<Offset>, Misfit>> {
    todo!()
}
