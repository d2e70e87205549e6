//! The .deb set from an empty store, beside Debian's own build of its source package: `dpkg-buildpackage -b`, in the sandbox, in a
//! root that has its Build-Depends.

use super::{Bench, Row, ratio};
use crate::archive;
use crate::context::Context;
use crate::fault::Fault;
use crate::parallel;
use crate::rootfs;
use crate::sandbox::Sandbox;
use crate::toolchain::{Deb, Toolchain};
use crate::yardstick;
use crate::{sources, tree};
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const TOOLCHAIN: &str = "debian-xen";

/// What both are measured on: Debian's source package is made of this recipe's source.
pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    ensure!(
        bench.job.recipe.stem() == yardstick::RECIPE,
        Fault::usage(format!("`bench deb` measures with {} only", yardstick::RECIPE))
    );
    let ctx = &bench.ctx;
    let root = rootfs::obtain(ctx, &Toolchain::load(&ctx.root, TOOLCHAIN)?)?;
    let work = tempfile::tempdir_in(&bench.folder)?;
    let theirs = theirs(ctx, bench, &root.path, work.path())?;
    let empty = bench.empty("deb-store")?;
    let (ours, _) = bench.timed_build(&empty, &ctx.root, &["--format=deb"])?;
    Ok(vec![ratio("empty store to .deb set (dpkg-buildpackage -b), wall", ours, theirs, "≤ 0.55")])
}

fn theirs(ctx: &Context, bench: &Bench, root: &Path, work: &Path) -> Result<Duration> {
    let (tree, database) = (work.join("build").join("xen"), work.join("dpkg"));
    fs::create_dir_all(&tree)?;
    let source = sources::obtain(ctx, &bench.job.recipe)?.remove(yardstick::SOURCE).context("the recipe has no Xen")?;
    tree::copy(source.path(), &tree)?;
    let queue = yardstick::queue(ctx)?;
    let debian = queue.parent().context("Debian's queue lies in its folder debian")?;
    tree::copy(debian, &tree.join("debian"))?;
    describe(ctx, root, &database)?;

    let sandbox = Sandbox {
        writable: vec![(work.join("build"), "/build".to_owned())],
        readonly: vec![(database, "/var/lib/dpkg".to_owned())],
        ..Sandbox::new(root, "/build/xen")
    };
    let task = ctx.report.begin("bench", "dpkg-buildpackage -b", None);
    // Its Build-Depends are in the root; that dpkg's check of them would agree is not what is measured.
    let mut command = sandbox.command(ctx, &["dpkg-buildpackage", "-b", "-us", "-uc", "-d"])?;
    let log = bench.folder.join("dpkg-buildpackage.log");
    let file = fs::File::create(&log)?.into_parts().0;
    command.stdout(file.try_clone()?).stderr(file);
    let start = Instant::now();
    let status = command.status().context("starting dpkg-buildpackage")?;
    let time = start.elapsed();
    if !status.success() {
        return Err(Fault::failed(format!("dpkg-buildpackage: {status}, see {}", log.display())).into());
    }
    let made = tree::walk(&work.join("build"))?;
    let debs = made.iter().filter(|found| found.path.ends_with(".deb")).count();
    ensure!(debs > 0, "dpkg-buildpackage made no package, see {}", log.display());
    task.done(&format!("{debs} packages"));
    Ok(time)
}

/// What dpkg would know of the root if it had unpacked it (dpkg(1), FILES): which packages are installed, and the files of those that
/// have libraries, by which dpkg-shlibdeps finds them.
fn describe(ctx: &Context, root: &Path, database: &Path) -> Result<()> {
    let info = database.join("info");
    fs::create_dir_all(&info)?;
    tree::copy(&root.join(rootfs::INFO), &info)?;
    let toolchain = Toolchain::load(&ctx.root, TOOLCHAIN)?;
    let debs = rootfs::fetch(ctx, &toolchain)?;
    let mut status = fs::File::create(database.join("status"))?;
    for deb in &toolchain.debs {
        let control = fs::read_to_string(info.join(format!("{}.control", deb.name)))?;
        write!(status, "{}\nStatus: install ok installed\n\n", control.trim_end())?;
    }
    parallel::each(ctx.jobs, debs.len(), &|at| {
        let Deb { name, .. } = &toolchain.debs[at];
        let library = ["shlibs", "symbols"].iter().any(|kind| info.join(format!("{name}.{kind}")).exists());
        let list = if library { listed(&debs[at])? } else { "/.\n".to_owned() };
        Ok(fs::write(info.join(format!("{name}.list")), list)?)
    })
}

/// The paths in a package, as dpkg lists them.
fn listed(deb: &PathBuf) -> Result<String> {
    let bytes = fs::read(deb)?;
    let mut from = ar::Archive::new(bytes.as_slice());
    let mut list = String::new();
    while let Some(entry) = from.next_entry() {
        let mut entry = entry?;
        if !entry.header().identifier().starts_with(b"data.tar") {
            continue;
        }
        let mut data = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut data)?;
        for member in tar::Archive::new(archive::decompress(data.as_slice())?).entries()? {
            let path = member?.path()?.display().to_string();
            list += &format!("/{}\n", path.trim_start_matches("./").trim_end_matches('/'));
        }
    }
    Ok(list.replace("/\n", "/.\n"))
}
