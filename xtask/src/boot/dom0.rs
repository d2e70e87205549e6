//! Makes dom0's image: a Debian system with recipes' own packages installed by dpkg, as an archive that Linux unpacks at its start.
//!
//! The system is that of `toolchains/guest.lock`; nothing of a build tree gets in. What no case needs is left out of the image, but
//! dpkg's database is not: packages are upgraded in a running dom0. What the image does there is in `dom0/init`.

use super::cpio::Archive;
use super::kernel::Kernel;
use crate::archive;
use crate::context::Context;
use crate::digest::{KeyBuilder, hash_reader};
use crate::fault::Fault;
use crate::filter::Filter;
use crate::recipe::{Package, Recipe};
use crate::rootfs;
use crate::sandbox::Sandbox;
use crate::store::Stored;
use crate::toolchain::Toolchain;
use crate::tree;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use std::collections::BTreeSet;
use std::io::{self, BufWriter};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The toolchain that the system is made of.
pub const TOOLCHAIN: &str = "guest";

/// Raised whenever the same input would give another system.
const SYSTEM: &str = "boot-system/1";

/// Raised whenever the same input would give another image.
const IMAGE: &str = "boot-image/1";

const INSTALLED: &str = include_str!("dom0/installed");
const INIT: &str = include_str!("dom0/init");
const LIB: &str = include_str!("dom0/lib.sh");

/// What is ours in the image: the first program, its functions, and each function as a program for the scripts of cases.
const OURS: &str = "usr/lib/xenwright";
const FUNCTIONS: [&str; 13] = [
    "await", "bridge", "create", "destroy", "dom0qemu", "fact", "fail", "follow", "gone", "mark", "refused", "stamp",
    "stubdom",
];

/// Packages of these sections are not installed: nothing is built, debugged or read there.
const IDLE: [&str; 3] = ["debug", "doc", "libdevel"];

/// Installs the packages of each folder in /in in turn, and indexes the kernel's modules.
const INSTALL: &str = "set -eu
for folder in /in/*; do dpkg --install \"$folder\"/*.deb; done
for release in /usr/lib/modules/*; do depmod \"${release##*/}\"; done";

/// What of the system is not in the image, and why. Linux unpacks all of it in the emulator at each start, and it takes dom0's memory.
const LEFT_OUT: [(&[&str], &str); 8] = [
    (&["boot/**"], "Xen and Linux are started by the emulator"),
    (
        &[
            "usr/share/{bash-completion,bug,doc,gcc,i18n,info,lintian,locale,man,menu,polkit-1,terminfo,zoneinfo,zsh}/**",
        ],
        "nobody reads there",
    ),
    (&["**/__pycache__/**"], "Python compares the times of what it compiled, and all times are gone"),
    (
        &["usr/lib/python3*/{asyncio,distutils,idlelib,lib2to3,pydoc_data,sqlite3,tkinter,unittest,xml}/**"],
        "pygrub has no use for them",
    ),
    (
        &[
            "usr/{lib/x86_64-linux-gnu,share}/perl/**",
            "usr/lib/x86_64-linux-gnu/libperl.so.*",
            "usr/bin/perl5*-x86_64-linux-gnu",
        ],
        "what maintainer scripts run is perl-base",
    ),
    (&["usr/lib/x86_64-linux-gnu/{gconv,perl-base/unicore}/**"], "everything is in UTF-8"),
    (
        &[
            "usr/bin/{busctl,hostnamectl,journalctl,localectl,loginctl,networkctl,systemd-[!n]*,timedatectl}",
            "usr/lib/systemd/systemd*",
            "usr/lib/systemd/{boot,catalog,network}/**",
            "usr/lib/udev/**",
        ],
        "the first program is ours, and init scripts start daemons; units stay, for dpkg to look after",
    ),
    (&["var/cache/**", "var/log/dpkg.log", "var/lib/dpkg/*-old"], "they tell when and where the system was made"),
];

/// A recipe whose packages are installed.
pub struct Part<'r> {
    pub recipe: &'r Recipe,
    /// The folder of its artifacts.
    pub packages: PathBuf,
}

impl Part<'_> {
    /// The packages that a dom0 has installed, in the order of their names.
    pub fn debs(&self) -> Result<Vec<PathBuf>> {
        let idle = |package: &&Package| package.section.as_deref().is_some_and(|name| IDLE.contains(&name));
        let idle: BTreeSet<&str> =
            self.recipe.package.iter().filter(idle).map(|package| package.name.as_str()).collect();
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.packages)? {
            let name = entry?.file_name().into_string().unwrap_or_default();
            let package = name.split('_').next().unwrap_or_default();
            if name.ends_with(".deb") && !idle.contains(package) {
                found.push(self.packages.join(name));
            }
        }
        if found.is_empty() {
            let what = format!("{} has no .deb", self.packages.display());
            bail!(Fault::failed(what).cure("a dom0 is installed from packages: name `deb` among the recipe's formats"));
        }
        found.sort();
        Ok(found)
    }
}

/// An image in the store.
pub struct Dom0 {
    stored: Stored,
    contents: BTreeSet<String>,
}

impl Dom0 {
    /// The archive.
    pub fn image(&self) -> PathBuf {
        self.stored.path.join("image.cpio")
    }

    /// The hypervisor of a series, from its installed package, uncompressed as multiboot loaders want it.
    pub fn hypervisor(&self, series: &str) -> PathBuf {
        self.stored.path.join(format!("xen-{series}"))
    }

    /// Whether the image has something at an absolute path.
    pub fn has(&self, path: &str) -> bool {
        self.contents.contains(path.trim_start_matches('/'))
    }

    /// Writes dom0's initial ramdisk: the image, and after it what one case adds.
    pub fn ramdisk(&self, extra: &[Extra], to: &Path) -> Result<()> {
        let mut file = fs::File::create(to)?;
        io::copy(fs::File::open(self.image())?.file_mut(), file.file_mut())
            .with_context(|| format!("copying {} to {}", self.image().display(), to.display()))?;
        let mut archive = Archive::new(BufWriter::new(file));
        for Extra { path, mode, content } in extra {
            match content {
                Content::Text(text) => archive.file(path, *mode, text.len() as u64, text.as_bytes())?,
                Content::File(from) => {
                    let from = fs::File::open(from)?;
                    archive.file(path, *mode, from.metadata()?.len(), from)?;
                }
            }
        }
        archive.finish().map(drop)
    }
}

/// A file that a case adds to its dom0, or puts in the place of another.
pub struct Extra {
    /// Without a leading slash.
    pub path: String,
    pub mode: u32,
    pub content: Content,
}

pub enum Content {
    Text(String),
    /// Of the host.
    File(PathBuf),
}

/// The system that packages are installed in, made when it is not in the store: the locked packages unpacked as every toolchain is,
/// and with dpkg's database, so that real dpkg administers it.
pub fn system(ctx: &Context) -> Result<Stored> {
    let toolchain = Toolchain::load(&ctx.root, TOOLCHAIN)?;
    let key = KeyBuilder::new(SYSTEM).field("toolchain", toolchain.key().as_str()).field("script", INSTALLED).finish();
    let what = format!("system of toolchain {TOOLCHAIN}");
    ctx.store.tree_or_make(&key, &what, |root| {
        let unpacked = rootfs::obtain(ctx, &toolchain)?;
        let debs = rootfs::fetch(ctx, &toolchain)?;
        let task = ctx.report.begin("make", &what, None);
        tree::copy(&unpacked.path, root)?;
        let debs = debs.into_iter().zip(&toolchain.debs).map(|(path, deb)| (path, format!("/in/{}", deb.file())));
        let said = administer(ctx, root, debs.collect(), INSTALLED)?;
        if !said.is_empty() {
            bail!(Fault::failed(format!("making the {what} said more than nothing:\n{said}")));
        }
        task.done("dpkg's database");
        Ok(())
    })
}

/// A machine's administrator at work in a private copy of a system, with host files or folders in /in.
pub fn administrator(root: PathBuf, readonly: Vec<(PathBuf, String)>) -> Sandbox {
    Sandbox {
        readonly,
        // What init tells scripts, and what nobody in a sandbox would.
        env: [("RUNLEVEL", "2"), ("PREVLEVEL", "N")].map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        administrator: true,
        open_root: true,
        ..Sandbox::new(root, "/")
    }
}

/// Runs a script so, and gives what it said.
fn administer(ctx: &Context, root: &Path, readonly: Vec<(PathBuf, String)>, script: &str) -> Result<String> {
    let script = format!("exec 2>&1\n{script}");
    let output = administrator(root.to_owned(), readonly).command(ctx, &["/bin/sh", "-c", &script])?.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let said = said + &String::from_utf8_lossy(&output.stderr);
        let end: Vec<&str> = said.lines().rev().take(20).collect();
        let end: Vec<&str> = end.into_iter().rev().collect();
        bail!(Fault::failed(format!("{}; it said last:\n{}", output.status, end.join("\n"))));
    }
    Ok(said)
}

/// The image with the packages of these recipes, made when it is not in the store. Where recipes bring the same package, that of the
/// higher version stays.
pub fn obtain(ctx: &Context, kernel: &Kernel, parts: &[Part]) -> Result<Dom0> {
    let mut parts: Vec<&Part> = parts.iter().collect();
    parts.sort_by(|one, other| one.recipe.version.cmp(&other.recipe.version));
    let names: Vec<String> = parts.iter().map(|part| part.recipe.stem()).collect();
    let system = system(ctx)?;
    let mut key = KeyBuilder::new(IMAGE)
        .field("system", system.key.as_str())
        .field("kernel", kernel.stored.key.as_str())
        .field("install", INSTALL)
        .field("init", INIT)
        .field("lib", LIB)
        .field("functions", FUNCTIONS.join(" "))
        .field("left-out", format!("{LEFT_OUT:?}"));
    for part in &parts {
        key = key.field("part", part.recipe.stem());
        for deb in part.debs()? {
            key = key.field("deb", hash_reader(fs::File::open(deb)?)?.0.as_str());
        }
    }
    let what = format!("dom0 with {}", names.join(" and "));
    let stored = ctx.store.tree_or_make(&key.finish(), &what, |into| {
        let task = ctx.report.begin("install", &what, None);
        let size = make(ctx, &system, kernel, &parts, into).with_context(|| format!("making {what}"))?;
        task.done(&format!("an image of {} MiB", size >> 20));
        Ok(())
    })?;
    let contents = fs::read_to_string(stored.path.join("contents"))?.lines().map(str::to_owned).collect();
    Ok(Dom0 { stored, contents })
}

fn make(ctx: &Context, system: &Stored, kernel: &Kernel, parts: &[&Part], into: &Path) -> Result<u64> {
    let work = ctx.store.work("dom0")?;
    let root = work.path().join("root");
    tree::copy(&system.path, &root)?;
    let modules = root.join("usr/lib/modules");
    // kmod's package has the folder, and nothing in it.
    fs::create_dir_all(&modules)?;
    tree::copy(&kernel.modules().join(&kernel.release), &modules.join(&kernel.release))?;
    let mut packages = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        for deb in part.debs()? {
            let name = deb.file_name().unwrap_or_default().to_string_lossy().into_owned();
            packages.push((deb, format!("/in/{at}/{name}")));
        }
    }
    administer(ctx, &root, packages, INSTALL)?;

    for part in parts {
        let series = &part.recipe.series;
        let mut xen = archive::open(&hypervisor(&root, part.recipe)?)?;
        let mut to = fs::File::create(into.join(format!("xen-{series}")))?;
        io::copy(&mut xen, &mut to)?;
    }

    let path = into.join("image.cpio");
    let contents = pack(&root, BufWriter::new(fs::File::create(&path)?))?;
    fs::write(into.join("contents"), contents.join("\n"))?;
    Ok(fs::metadata(&path)?.len())
}

/// `/boot/xen-VERSION.gz` of a recipe's package.
fn hypervisor(root: &Path, recipe: &Recipe) -> Result<PathBuf> {
    let start = format!("xen-{}.", recipe.series);
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join("boot"))? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if name.starts_with(&start) && name.ends_with(".gz") {
            found.push(entry.path());
        }
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => {
            let what = format!("the packages of {} bring {} files /boot/{start}*.gz", recipe.stem(), found.len());
            bail!(
                Fault::failed(what)
                    .cure("a hypervisor that can be booted is one such file: look at the recipe's packages")
            )
        }
    }
}

/// Writes what the image has of an installed system, with what is ours, and gives all paths.
fn pack(root: &Path, to: impl io::Write) -> Result<Vec<String>> {
    let mut globs = vec!["**".to_owned()];
    globs.extend(LEFT_OUT.iter().flat_map(|(globs, _)| *globs).map(|glob| format!("!{glob}")));
    let filter = Filter::new(&globs)?;
    let mut archive = Archive::new(to);
    let mut contents = Vec::new();
    for found in tree::walk(root)? {
        let (path, mode) = (found.path, found.metadata.mode());
        if !filter.keeps(&path) {
            continue;
        }
        let full = root.join(&path);
        if found.metadata.is_dir() {
            archive.folder(&path, mode)?;
        } else if found.metadata.is_symlink() {
            let target = fs::read_link(&full)?;
            archive.link(&path, target.to_str().with_context(|| format!("{} is not UTF-8", target.display()))?)?;
        } else {
            archive.file(&path, mode, found.metadata.len(), fs::File::open(&full)?)?;
        }
        contents.push(path);
    }
    for (path, text) in [("init".to_owned(), INIT), (format!("{OURS}/lib.sh"), LIB)] {
        archive.file(&path, 0o755, text.len() as u64, text.as_bytes())?;
        contents.push(path);
    }
    for function in FUNCTIONS {
        archive.link(&format!("{OURS}/bin/{function}"), "../lib.sh")?;
    }
    archive.finish()?;
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_for_cases_is_a_function() {
        for function in FUNCTIONS {
            assert!(LIB.contains(&format!("\n{function}() {{")), "{function}");
        }
    }
}
