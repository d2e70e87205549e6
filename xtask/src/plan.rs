//! From a recipe, its patch queues and its toolchain to keyed steps in an order that can be built. Pure: nothing is fetched.

use crate::digest::Key;
use crate::recipe::Step;
use std::collections::BTreeMap;

/// A step that is ready to be looked up in the store, or to be run.
#[derive(Clone, Debug)]
pub struct Planned {
    pub name: String,
    pub key: Key,
    pub step: Step,
    /// Everything the script finds in its environment, but for the jobserver's.
    pub env: BTreeMap<String, String>,
}

/// All steps, each after those that it needs.
#[derive(Clone, Debug)]
pub struct Plan {
    pub steps: Vec<Planned>,
}
