//! The sysroot of a step: outputs of other steps put together in one folder.

use crate::fault::Fault;
use crate::store::Stored;
use crate::tree::walk;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::Path;

/// Fills `into`, on the store's file system. Files are links to the store's, which nobody can write to: the sandbox shows them
/// read-only. A path that two steps made is an error.
pub fn merge<'a>(parts: impl IntoIterator<Item = (&'a String, &'a Stored)>, into: &Path) -> Result<()> {
    fs::create_dir(into)?;
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for (step, stored) in parts {
        for found in walk(&stored.path)? {
            let to = into.join(&found.path);
            if found.metadata.is_dir() {
                fs::create_dir_all(&to)?;
                continue;
            }
            if let Some(other) = owners.insert(found.path.clone(), step) {
                let what = format!("{} of the sysroot is made by step `{other}` and by step `{step}`", found.path);
                return Err(Fault::usage(what).cure("let one of them leave it out").into());
            }
            let from = stored.path.join(&found.path);
            if found.metadata.is_symlink() {
                fs_err::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
            } else {
                fs::hard_link(&from, &to).with_context(|| format!("adding the output of step {step}"))?;
            }
        }
    }
    Ok(())
}
