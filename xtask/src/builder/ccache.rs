//! The compile cache inside a step: its settings, and which calls of the compiler go through it.
//!
//! Output is the same without it, so nothing here reaches a key.

use anyhow::Result;
use fs_err as fs;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Where a step finds the cache and the compilers that use it.
pub const CACHE: &str = "/ccache";
pub const COMPILERS: &str = "/in/.ccache";

/// More than a Xen build with all its variants needs; the cache itself keeps below it.
const BYTES: &str = "5G";

/// Runs a compiler by its own path, through the cache where there is an object to be had. A Xen build asks its compiler
/// some 1500 questions (`cc-option`: `gcc -S -o /dev/null -x c /dev/null`), and the cache took 26 ms instead of 8 to find
/// that it can do nothing for them.
const WRAPPER: &str = r#"#!/bin/sh
case " $* " in
*/dev/null*) ;;
*" -c "*) exec ccache /usr/bin/COMPILER "$@" ;;
esac
exec /usr/bin/COMPILER "$@"
"#;

/// The cache's settings (ccache(1)). The key of the root stands for the compiler, so that it is not read at each call; the
/// depend mode takes the compiler's own list of headers instead of preprocessing first, so that a miss costs next to
/// nothing.
pub fn env(root: &str, path: &str) -> BTreeMap<String, String> {
    [
        ("PATH", &*format!("{COMPILERS}:{path}")),
        ("CCACHE_DIR", CACHE),
        ("CCACHE_TEMPDIR", &format!("{CACHE}/tmp")),
        ("CCACHE_MAXSIZE", BYTES),
        ("CCACHE_COMPILERCHECK", &format!("string:{root}")),
        ("CCACHE_DEPEND", "1"),
        ("CCACHE_NOCOMPRESS", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Fills `folder` with a wrapper for each C and C++ compiler in the root.
pub fn wrap(root: &Path, folder: &Path) -> Result<()> {
    fs::create_dir(folder)?;
    for entry in fs::read_dir(root.join("usr/bin"))? {
        let name = entry?.file_name();
        let Some(name) = name.to_str().filter(|name| is_compiler(name)) else { continue };
        let wrapper = folder.join(name);
        fs::write(&wrapper, WRAPPER.replace("COMPILER", name))?;
        fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn is_compiler(name: &str) -> bool {
    let last = name.rsplit_once("-gnu-").map_or(name, |(_, last)| last);
    matches!(last, "cc" | "c++" | "gcc" | "g++" | "clang" | "clang++")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compilers_are_known_by_name_with_and_without_their_target() {
        assert!(["gcc", "cc", "x86_64-linux-gnu-g++", "clang++"].iter().all(|name| is_compiler(name)));
        assert!(["gcc-ar", "ccache", "x86_64-linux-gnu-ld", "c99-gcc", "gcc-12"].iter().all(|name| !is_compiler(name)));
    }
}
