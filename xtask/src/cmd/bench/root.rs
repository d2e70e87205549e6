//! A toolchain root from packages at hand, beside `dpkg-deb` and `tar`, one package after another.

use super::{Bench, Row, median, ratio};
use crate::fault::Fault;
use crate::rootfs;
use anyhow::{Context as _, Result};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Taken in turns; the medians count.
const TIMES: usize = 3;

/// What a person would type. The links come first, since in Debian's merged layout packages unpack through them.
const SCRIPT: &str = "set -e; cd \"$1\"; shift
for d in bin sbin lib lib32 lib64 libx32; do mkdir -p usr/$d; ln -s usr/$d $d; done
for deb; do dpkg-deb --fsys-tarfile \"$deb\" | tar -x -p --no-same-owner --keep-directory-symlink; done";

/// No row where the machine has no `dpkg-deb` to compare with.
#[expect(clippy::disallowed_methods, reason = "the tools that are compared with are the machine's")]
pub fn run(bench: &Bench) -> Result<Option<Row>> {
    let (ctx, toolchain) = (&bench.ctx, &bench.job.toolchain);
    if Command::new("dpkg-deb").arg("--version").stdout(Stdio::null()).status().is_err() {
        ctx.report.warn("no dpkg-deb on this machine to compare with: bench root is left out");
        return Ok(None);
    }
    let debs = rootfs::fetch(ctx, toolchain)?;
    let (mut here, mut by_hand) = (Vec::new(), Vec::new());
    for time in 0..TIMES {
        // A store of its own each time: the root must not be there yet.
        let ctx = bench.empty(&format!("root-{time}"))?;
        let start = Instant::now();
        rootfs::obtain(&ctx, toolchain)?;
        here.push(start.elapsed());

        let task = ctx.report.begin("bench", "dpkg-deb and tar", None);
        let folder = tempfile::tempdir_in(&bench.folder)?;
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]).arg(folder.path()).args(&debs);
        let start = Instant::now();
        let status = command.status().context("running dpkg-deb and tar")?;
        by_hand.push(start.elapsed());
        task.done("done");
        if !status.success() {
            return Err(Fault::failed(format!("dpkg-deb and tar: {status}")).into());
        }
    }
    Ok(Some(ratio("toolchain root from packages at hand, wall", median(here), median(by_hand), "≤ 0.60")))
}
