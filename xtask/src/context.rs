//! What every command needs to know about its surroundings: the checkout, the store, the network's bounds, how to report.

use crate::report::Report;
use crate::store::Store;
use std::path::PathBuf;

pub struct Context {
    /// The checkout: where `recipes/`, `patches/` and `toolchains/` are.
    pub root: PathBuf,
    pub store: Store,
    pub net: Net,
    pub report: Report,
    /// How many processes the machine should run at once; shared by all steps through one jobserver.
    pub jobs: usize,
    /// Compile through the cache in the store. Never reaches a key: output is the same without it.
    pub ccache: bool,
}

/// Where content may come from.
#[derive(Clone, Debug, Default)]
pub struct Net {
    /// Nothing is asked over the network.
    pub offline: bool,
    /// Folders that hold tarballs by name or hash, and git repositories; asked before the network.
    pub mirrors: Vec<PathBuf>,
    /// Base addresses of Debian mirrors, nearest first, without a trailing slash.
    pub debian: Vec<String>,
}
