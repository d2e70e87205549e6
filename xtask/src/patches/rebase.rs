//! A queue carried from one source to another: what becomes of each patch, and the new files of the queue.
//!
//! Plain values in and out: nothing is saved here, and no work tree is made. The old side is the old source with its queue applied
//! patch by patch; the new side is the new source with what has been carried so far.

pub mod desk;
mod merge;
pub mod plan;
pub mod state;
pub mod table;
mod upstream;
mod walk;

use super::Queue;
use super::apply::Offset;
use crate::context::Context;
use crate::digest::GitId;
use crate::interrupt;
use crate::sources::Checked;
use anyhow::Result;
use merge::Scratch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use upstream::History;
use walk::{Bases, Walk};

/// Where a queue comes from, or where it goes.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    pub source: &'a Checked,
    /// Where a repository at hand has both sides' commits, the patches are looked for between them.
    pub commit: Option<&'a GitId>,
    /// What tables and conflict markers call it: a recipe's stem, or a commit.
    pub name: &'a str,
}

/// What is to be carried.
#[derive(Clone, Copy)]
pub struct Carry<'a> {
    pub old: Side<'a>,
    pub queue: &'a Queue,
    pub new: Side<'a>,
}

/// What to do at a patch that conflicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtConflict {
    /// It is the last step.
    Stop,
    /// The patches after it are tried without it.
    LeaveOut,
}

/// What became of a patch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Each hunk stands where its header says.
    Exact,
    /// The new side has it already; it is left out.
    Upstream {
        proof: Proof,
    },
    /// The hunks stand elsewhere.
    Offset {
        offsets: Vec<Offset>,
    },
    /// The contexts differ, and a three-way merge knew what to do: worth a look.
    Merged {
        files: Vec<String>,
    },
    Conflict {
        files: Vec<String>,
    },
    /// It was in conflict, and the user has mended it: worth a look.
    Resolved {
        files: Vec<String>,
    },
    /// It was in conflict, and the user has left it out.
    Skipped,
}

/// How it is known that the new side has a patch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// This commit between the two pins has the same patch-id.
    Commit(String),
    /// It can be taken away from the new side.
    Reverse(Vec<Offset>),
    /// Merging it changes nothing.
    Merge,
}

/// A patch of the queue and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The name of its file, `0101-….patch`.
    pub file: String,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The file on the new side; none where it is left out.
    pub text: Option<Vec<u8>>,
}

/// Carries the queue: one step for each patch, in order, the first of them being `done`. A queue that does not apply to its own
/// source is an error.
pub fn rebase(ctx: &Context, carry: &Carry<'_>, done: Vec<Step>, at: AtConflict) -> Result<Vec<Step>> {
    if done.len() == carry.queue.patches.len() {
        return Ok(done);
    }
    let history = History::new(ctx, carry);
    let scratch = Scratch::new()?;
    let bases = Bases::of(carry);
    let mut walk = Walk::new(&bases);
    let mut steps = done;
    for (patch, step) in carry.queue.patches.iter().zip(&steps) {
        walk.pass(patch, step)?;
    }
    for patch in carry.queue.patches.iter().skip(steps.len()) {
        interrupt::check()?;
        let step = walk.step(&scratch, &history, patch)?;
        let conflicts = matches!(step.outcome, Outcome::Conflict { .. });
        steps.push(step);
        if conflicts && at == AtConflict::Stop {
            break;
        }
    }
    Ok(steps)
}

/// The patches of the queue on the new side, by the names of their files.
pub fn files(steps: &[Step]) -> BTreeMap<String, Vec<u8>> {
    steps.iter().filter_map(|step| Some((step.file.clone(), step.text.clone()?))).collect()
}

/// The first patch that conflicts.
pub fn conflict(steps: &[Step]) -> Option<&Step> {
    steps.iter().find(|step| matches!(step.outcome, Outcome::Conflict { .. }))
}
