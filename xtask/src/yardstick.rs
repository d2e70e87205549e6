//! What the patch workflow is compared with, by `bench` and the slow tests: Debian's queue, which a recipe pins, and quilt, from a
//! locked toolchain in the sandbox.

use crate::catalog;
use crate::context::Context;
use crate::fault::Fault;
use crate::patches::packed;
use crate::rootfs;
use crate::sandbox::Sandbox;
use crate::toolchain::Toolchain;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TOOLCHAIN: &str = "quilt";

/// The recipe whose source Debian's queue is for, and the name of that source.
pub const RECIPE: &str = "xen-4.17.5+72";
pub const SOURCE: &str = "xen";

/// The recipe that takes the queue as Debian keeps it.
const DEBIAN: &str = "debian-xen-4.17.5+72";

/// Debian's queue in the store: a quilt directory with its `series`, real patches by real packagers.
pub fn queue(ctx: &Context) -> Result<PathBuf> {
    let recipe = catalog::find(&ctx.root, DEBIAN)?;
    let packed = recipe.source.get(SOURCE).and_then(|source| source.queue.as_ref());
    packed::folder(ctx, &recipe, packed.with_context(|| format!("{DEBIAN} has no queue of Debian's"))?)
}

/// Quilt in its own root.
pub struct Quilt {
    root: PathBuf,
}

impl Quilt {
    pub fn locked(ctx: &Context) -> Result<Quilt> {
        let toolchain = Toolchain::load(&ctx.root, TOOLCHAIN)?;
        Ok(Quilt { root: rootfs::obtain(ctx, &toolchain)?.path })
    }

    /// Runs a script of bash in `tree` with the queue at `patches`, both writable. How long it took, without the sandbox's start.
    pub fn run(&self, ctx: &Context, tree: &Path, patches: &Path, script: &str) -> Result<Duration> {
        let sandbox = Sandbox {
            writable: vec![(tree.to_owned(), "/build".to_owned()), (patches.to_owned(), "/out".to_owned())],
            env: BTreeMap::from([("QUILT_PATCHES".to_owned(), "/out".to_owned())]),
            ..Sandbox::new(&self.root, "/build")
        };
        let script =
            format!("set -e; s=${{EPOCHREALTIME/./}}; {{ {script}; }} >&2; echo $((${{EPOCHREALTIME/./}} - s))");
        let output = sandbox.command(ctx, &["/bin/bash", "-c", &script])?.output().context("starting quilt")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
            return Err(Fault::failed(format!("quilt in {}: {}\n{said}", tree.display(), output.status)).into());
        }
        let micros = String::from_utf8_lossy(&output.stdout).trim().parse().context("reading quilt's time")?;
        Ok(Duration::from_micros(micros))
    }
}
