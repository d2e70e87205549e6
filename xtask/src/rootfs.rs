//! From a toolchain's lock to its read-only root: .debs unpacked without maintainer scripts, links and account files added.
//!
//! The result depends on the lock alone: not on the order in which packages are unpacked, the umask, the user or the clock.

use crate::archive::walk::Walk;
use crate::archive::{Limits, Links, set_link_time};
use crate::context::Context;
use crate::debian::{self, deb};
use crate::download;
use crate::fault::Fault;
use crate::interrupt;
use crate::parallel;
use crate::report::Task;
use crate::store::Stored;
use crate::toolchain::{Deb, Toolchain};
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Part of every root's key: changed whenever the same packages would give another root.
pub const LAYOUT: &str = "rootfs/2";

/// The time of folders and of all that no package brought: packages agree on no folder's time, and nothing is older.
const TIME: u64 = 1;

/// Debian's merged layout. The links are there before the first package, which finds `/bin` taken and writes below `/usr/bin`.
const MERGED: [&str; 6] = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

/// Where dpkg keeps what a package says of itself, and so do roots: `NAME.control`, `NAME.shlibs`, `NAME.symbols`, as far as a
/// package has them. What is built for the distribution takes its dependencies from there.
pub const INFO: &str = "var/lib/dpkg/info";

/// Where the sandbox mounts something: nothing can be made in a root that is mounted read-only.
const MOUNT_POINTS: [&str; 8] = ["build", "ccache", "dev", "in", "out", "proc", "run", "tmp"];

/// How many downloads wait for the mirror at once.
const LINES: usize = 8;

/// How many packages are unpacked at once: with more, the largest one takes as long as all others, and memory grows.
const THREADS: usize = 8;

/// The toolchain's root in the store, downloaded and unpacked when it is not there.
pub fn obtain(ctx: &Context, toolchain: &Toolchain) -> Result<Stored> {
    let name = format!("toolchain {}", toolchain.name);
    ctx.store.tree_or_make(&toolchain.key(), &name, |root| {
        let debs = fetch(ctx, toolchain)?;
        let size = toolchain.debs.iter().map(|deb| deb.size).sum();
        let task = ctx.report.begin("unpack", &name, Some(size));
        unpack(toolchain, &debs, root, ctx.jobs, &|bytes| task.advance(bytes))?;
        task.done(&format!("{} packages", debs.len()));
        Ok(())
    })
}

/// Every .deb of the lock in the store, in the lock's order; each has the locked hash.
pub fn fetch(ctx: &Context, toolchain: &Toolchain) -> Result<Vec<PathBuf>> {
    let missing: Vec<u64> =
        toolchain.debs.iter().filter(|deb| ctx.store.blob(&deb.sha256).is_none()).map(|deb| deb.size).collect();
    let what = format!("{} packages of toolchain {}", missing.len(), toolchain.name);
    let task = (!missing.is_empty()).then(|| ctx.report.begin("download", &what, Some(missing.iter().sum())));
    let found = parallel::map(LINES, toolchain.debs.len(), &|at| {
        fetch_one(ctx, toolchain, &toolchain.debs[at], task.as_ref())
    })?;
    if let Some(task) = task {
        task.done("checked");
    }
    Ok(found)
}

fn fetch_one(ctx: &Context, toolchain: &Toolchain, deb: &Deb, whole: Option<&Task>) -> Result<PathBuf> {
    let wanted = download::Wanted {
        name: deb.file().to_owned(),
        sha256: deb.sha256.clone(),
        size: deb.size,
        urls: debian::urls(&ctx.net, Some(&toolchain.snapshot), &deb.path),
    };
    download::part(ctx, &wanted, whole).map_err(|error| match error.downcast::<Fault>() {
        Ok(Fault { exit, what, cure }) => {
            let what =
                format!("package {} {} of toolchain {} ({}): {what}", deb.name, deb.version, toolchain.name, deb.path);
            let vanished = format!(
                "if the mirror has dropped this version, name one that keeps it with `--debian-mirror URL`, \
                 or run `cargo xtask toolchain lock {}`",
                toolchain.name
            );
            let cure = cure.map_or(vanished.clone(), |cure| format!("{cure}; {vanished}"));
            Fault { exit, what, cure: Some(cure) }.into()
        }
        Err(error) => error,
    })
}

/// Makes the root in the empty folder `root` from the toolchain's .debs, given in the lock's order, with `threads` at once.
/// `advance` is told the size of each .deb that is done.
pub fn unpack(
    toolchain: &Toolchain,
    debs: &[PathBuf],
    root: &Path,
    threads: usize,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<()> {
    let mut walk = Walk::new(root, Links::Rooted);
    for name in MERGED {
        folder(&mut walk, format!("usr/{name}"))?;
        fs::os::unix::fs::symlink(format!("usr/{name}"), root.join(name))?;
        set_link_time(&root.join(name), TIME)?;
    }

    // The largest first, so that no thread is left alone with one at the end.
    let mut order: Vec<usize> = (0..debs.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(toolchain.debs[*at].size));
    let limits = Limits { links: Links::Rooted, ..Limits::default() };
    let owners: Mutex<BTreeMap<PathBuf, usize>> = Mutex::default();
    parallel::each(threads.min(THREADS), debs.len(), &|turn| {
        interrupt::check()?;
        let at = order[turn];
        let deb = &toolchain.debs[at];
        let claim = |path: &Path| {
            let mut owners = owners.lock().unwrap_or_else(PoisonError::into_inner);
            match owners.insert(path.to_owned(), at) {
                Some(other) if other != at => {
                    let (first, second) = (&toolchain.debs[at.min(other)].name, &toolchain.debs[at.max(other)].name);
                    let what = format!("`{}` is in two packages, {first} and {second}", path.display());
                    Err(Fault::failed(what).cure("take one of them out of the toolchain's list").into())
                }
                _ => Ok(()),
            }
        };
        let described = deb::unpack(&debs[at], root, &limits, &claim);
        describe(root, deb, &described.with_context(|| format!("unpacking package {} {}", deb.name, deb.version))?)?;
        advance(deb.size);
        Ok(())
    })?;
    drop(owners);
    finish(toolchain, root, walk)
}

/// Keeps what a package says of itself.
fn describe(root: &Path, deb: &Deb, members: &BTreeMap<&'static str, Vec<u8>>) -> Result<()> {
    let info = root.join(folder(&mut Walk::new(root, Links::Rooted), INFO)?);
    for (member, bytes) in members {
        file(&info.join(format!("{}.{member}", deb.name)), bytes)?;
    }
    Ok(())
}

/// What maintainer scripts and the system's first boot would have made.
fn finish(toolchain: &Toolchain, root: &Path, mut walk: Walk) -> Result<()> {
    for point in MOUNT_POINTS {
        folder(&mut walk, point)?;
    }
    for (link, target) in &toolchain.links {
        let link = Path::new(link);
        let parent = folder(&mut walk, link.parent().unwrap_or(Path::new("")))?;
        let place = root.join(parent).join(link.file_name().unwrap_or_default());
        fs::os::unix::fs::symlink(target, &place)
            .with_context(|| format!("making the link {} of toolchain {}", link.display(), toolchain.name))?;
        set_link_time(&place, TIME)?;
    }
    let etc = root.join(folder(&mut walk, "etc")?);
    for (name, builder) in [("passwd", "builder:x:1000:1000::/nonexistent:/bin/sh\n"), ("group", "builder:x:1000:\n")] {
        let master = root.join("usr/share/base-passwd").join(format!("{name}.master"));
        let system = if master.is_file() { fs::read_to_string(&master)? } else { String::new() };
        file(&etc.join(name), system + builder)?;
    }
    if !etc.join("hosts").exists() {
        file(&etc.join("hosts"), "127.0.0.1 localhost builder\n")?;
    }
    reset_folder_times(root)
}

fn folder(walk: &mut Walk, name: impl AsRef<Path>) -> Result<PathBuf> {
    let name = name.as_ref();
    walk.folder(name, true)
        .map_err(|reason| Fault::failed(format!("making folder {}: {reason}", name.display())).into())
}

fn file(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let mut file = fs::OpenOptions::new();
    let mut file = file.write(true).create_new(true).open(path)?;
    std::io::Write::write_all(&mut file, content.as_ref())?;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    drop(file);
    set_link_time(path, TIME)
}

fn reset_folder_times(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            reset_folder_times(&entry.path())?;
        }
    }
    set_link_time(folder, TIME)
}
