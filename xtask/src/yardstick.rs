//! What the patch workflow is compared with, by `bench` and the slow tests: Debian's queue, as pinned data, and quilt, from a
//! locked toolchain in the sandbox.

use crate::archive::{self, Limits};
use crate::context::Context;
use crate::digest::Hash;
use crate::download::{self, Wanted};
use crate::fault::Fault;
use crate::sandbox::Sandbox;
use crate::toolchain::Toolchain;
use crate::{debian, rootfs};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PIN: &str = include_str!("../data/debian-queue.toml");
const TOOLCHAIN: &str = "quilt";

/// The recipe whose source Debian's queue is for, and the name of that source.
pub const RECIPE: &str = "xen-4.17.5+72";
pub const SOURCE: &str = "xen";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    path: String,
    sha256: Hash,
    size: u64,
    snapshot: String,
}

/// Debian's queue below the empty folder `into`: a quilt directory with its `series`.
pub fn queue(ctx: &Context, into: &Path) -> Result<PathBuf> {
    let pin: Pin = toml::from_str(PIN).context("reading the pin of Debian's queue")?;
    let wanted = Wanted {
        name: pin.path.rsplit('/').next().unwrap_or_default().to_owned(),
        sha256: pin.sha256,
        size: pin.size,
        urls: debian::urls(&ctx.net, Some(&pin.snapshot), &pin.path),
    };
    let tarball = download::part(ctx, &wanted, None)?;
    archive::unpack(archive::open(&tarball)?, into, 0, &Limits::default())?;
    Ok(into.join("debian/patches"))
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
            root: self.root.clone(),
            writable: vec![(tree.to_owned(), "/build".to_owned()), (patches.to_owned(), "/out".to_owned())],
            readonly: Vec::new(),
            env: BTreeMap::from([("QUILT_PATCHES".to_owned(), "/out".to_owned())]),
            cwd: "/build".to_owned(),
            interactive: false,
            administrator: false,
            open_root: false,
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
