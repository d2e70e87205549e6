//! What every command needs to know about its surroundings: the checkout, the store, the network's bounds, how to report.
//!
//! Options and environment in, one plain value out. Nothing is fetched and nothing but the store's folder is made.

use crate::cli;
use crate::debian;
use crate::download::Line;
use crate::fault::Fault;
use crate::report::Report;
use crate::store::Store;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// Base address of Debian's snapshot archive, asked after all mirrors.
    pub snapshot: Option<String>,
    /// How long answers are waited for, and who has given none.
    pub line: Arc<Line>,
}

impl Context {
    /// For a command that runs no steps.
    pub fn of(report: &Report, common: &cli::Common) -> Result<Context> {
        Context::open(report, &common.place, &common.net, &cli::Work::default())
    }

    /// A command that has no use for some of the options passes their defaults.
    pub fn open(report: &Report, place: &cli::Place, net: &cli::Net, work: &cli::Work) -> Result<Context> {
        Ok(Context {
            root: checkout()?,
            store: Store::open(&store(place)?)?.with_report(report),
            net: self::net(net)?,
            report: report.clone(),
            jobs: work.jobs.map_or_else(cores, usize::from),
            ccache: !work.no_ccache,
        })
    }
}

/// Where the store is, absolute.
pub fn store(place: &cli::Place) -> Result<PathBuf> {
    let store = match &place.store {
        Some(folder) => folder.clone(),
        None => default_store(|name| std::env::var_os(name).map(PathBuf::from))?,
    };
    std::path::absolute(&store).with_context(|| format!("finding the store {}", store.display()))
}

fn net(options: &cli::Net) -> Result<Net> {
    let mut mirrors = Vec::new();
    for folder in &options.mirrors {
        let found = fs_err::canonicalize(folder).ok().filter(|folder| folder.is_dir());
        mirrors.push(found.ok_or_else(|| Fault::usage(format!("--mirror {}: no such folder", folder.display())))?);
    }
    let debian = match &options.debian_mirror {
        Some(base) => vec![base.trim_end_matches('/').to_owned()],
        None => debian::apt::mirrors(Path::new("/etc/apt")),
    };
    let snapshot = Some(debian::SNAPSHOT.to_owned());
    Ok(Net { offline: options.offline, mirrors, debian, snapshot, line: Arc::default() })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// As the XDG base directory specification has it: a relative path in the variable is ignored.
fn default_store(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    let set = |name: &str| variable(name).filter(|path| path.is_absolute());
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    Ok(cache
        .ok_or_else(|| {
            Fault::usage("no place for the store: neither XDG_CACHE_HOME nor HOME is set to an absolute path")
                .cure("say where with --store DIR or XENWRIGHT_STORE")
        })?
        .join("xenwright"))
}

/// The checkout around the current directory, or else the one that this program was compiled in.
pub fn checkout() -> Result<PathBuf> {
    let is_checkout = |folder: &&Path| folder.join("recipes").is_dir() && folder.join("toolchains").is_dir();
    let here = std::env::current_dir().context("finding the current directory")?;
    let compiled = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    here.ancestors().find(is_checkout).or(compiled.filter(is_checkout)).map(Path::to_owned).ok_or_else(|| {
        Fault::usage(format!("no checkout: no `recipes` and `toolchains` in {} or above", here.display()))
            .cure("change into the checkout and run the command there")
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_lies_in_the_users_cache() {
        let with = |vars: &[(&str, &str)]| {
            default_store(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value)))
        };
        assert_eq!(with(&[("HOME", "/home/u")]).unwrap(), Path::new("/home/u/.cache/xenwright"));
        assert_eq!(with(&[("HOME", "/home/u"), ("XDG_CACHE_HOME", "/c")]).unwrap(), Path::new("/c/xenwright"));
        assert_eq!(
            with(&[("HOME", "/home/u"), ("XDG_CACHE_HOME", "c")]).unwrap(),
            Path::new("/home/u/.cache/xenwright")
        );
        let text = crate::fault::render(&with(&[("HOME", "")]).unwrap_err());
        assert!(text.contains("--store DIR"), "{text}");
    }
}
