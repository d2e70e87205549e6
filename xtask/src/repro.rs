//! The proof that a build is reproducible: two folders of artifacts compared member by member, every difference followed inwards to
//! its first bytes, and its cause named where a simple rule knows it.
//!
//! Takes folders and the circumstances they were made under; what was built, and how it is shown, is `cmd::repro`'s.

pub mod causes;
pub mod compare;
pub mod cpio;
mod explain;
pub mod members;
mod page;
pub mod report;
mod rpm;
pub mod variation;

use serde::Serialize;

/// Two folders of artifacts side by side.
#[derive(Debug, Default, Serialize)]
pub struct Comparison {
    pub artifacts: Vec<Artifact>,
    pub differences: Vec<Difference>,
}

/// One artifact, by its name in both folders.
#[derive(Debug, Serialize)]
pub struct Artifact {
    pub name: String,
    /// Members of an archive that are not folders; of a package, those of the archives that it is made of.
    pub files: usize,
    pub identical: bool,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// From the artifact inwards: members of archives, then an ELF section or a line.
    pub place: Vec<String>,
    pub what: String,
    /// Of the first byte that differs, in what `place` names last.
    pub offset: Option<usize>,
    /// The first bytes or the value on each side.
    pub first: String,
    pub second: String,
    /// What the rules know about it, the surest first.
    pub causes: Vec<String>,
}

impl Comparison {
    pub fn identical(&self) -> bool {
        self.artifacts.iter().all(|artifact| artifact.identical)
    }

    /// Files inside all artifacts together.
    pub fn files(&self) -> usize {
        self.artifacts.iter().map(|artifact| artifact.files).sum()
    }
}
