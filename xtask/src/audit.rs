//! What must hold of a relocated tree, read from its ELF files and names. Pure: facts in, all findings out.

use serde::Serialize;

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The law that is broken, kebab-case: `needed-unresolved`.
    pub rule: &'static str,
    /// The file, relative to the tree's root.
    pub path: String,
    /// What was found, what was expected, and what to do.
    pub message: String,
}
