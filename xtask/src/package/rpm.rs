//! Packages for rpm: version 4 of the format, as the RPM Reference Manual has it, in the layout of the distributions that use it.
//!
//! The `rpm` crate writes lead, headers and archive. What goes into them is decided here; what a package needs and offers is
//! `relations`' to compute, and what it runs when it comes and goes is `scripts`'.

mod header;
mod relations;
mod scripts;

use super::{Artifact, Goods, Layout, Parcel, Placed, deb};
use crate::digest::Hash;
use crate::interrupt;
use crate::parallel;
use crate::recipe::{Format, Recipe};
use crate::tree::Kind;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use relations::{Contents, World};
use rpm::{BuildConfig, CompressionWithLevel, FileOptions, PackageBuilder, Timestamp};

/// The name of the machine that a package names as its maker: the sandbox's, in which its files were made.
const BUILD_HOST: &str = "builder";

/// Of zstd, which rpm reads since 4.14. The 32 MB of 4.17.5+72 pack to 8.2 MB in 0.6 s of one core; level 19 makes it 7.2 MB in 7.7 s,
/// level 15 hardly less than this one in 2.9 s.
const LEVEL: i32 = 10;

/// Folders that a distribution has anyway (`filesystem`, `systemd`, `man-pages` and their like): no package of ours owns them. All
/// others above a file are owned by each package that has something in them, which rpm allows as long as all say the same of
/// them; the last one takes them away.
const FOREIGN: [&str; 22] = [
    "boot",
    "etc",
    "etc/bash_completion.d",
    "etc/default",
    "usr",
    "usr/bin",
    "usr/include",
    "usr/lib",
    "usr/lib/modules-load.d",
    "usr/lib/systemd",
    "usr/lib/systemd/system",
    "usr/lib64",
    "usr/libexec",
    "usr/sbin",
    "usr/share",
    "usr/share/doc",
    "usr/share/licenses",
    "usr/share/man",
    "var",
    "var/cache",
    "var/lib",
    "var/log",
];

/// Writes one package for each parcel into `into`.
pub fn write(goods: &Goods, into: &std::path::Path) -> Result<Vec<Artifact>> {
    let layout = Layout::of(Format::Rpm, &goods.job.recipe);
    let world = World::of(goods, &layout)?;
    let packed = parallel::map(goods.jobs, goods.parcels.len(), &|at| {
        let parcel = &goods.parcels[at];
        let packed = package(goods, &layout, &world, parcel);
        let packed = packed.with_context(|| format!("packing {}", parcel.package.name))?;
        // What holds nothing in this layout is no package.
        let Some((name, bytes)) = packed else { return Ok(None) };
        fs::write(into.join(&name), &bytes)?;
        Ok(Some(Artifact { name, size: bytes.len() as u64, sha256: Hash::of(&bytes) }))
    })?;
    Ok(packed.into_iter().flatten().collect())
}

/// The name of a package's file, and its bytes.
fn package(goods: &Goods, layout: &Layout, world: &World, parcel: &Parcel) -> Result<Option<(String, Vec<u8>)>> {
    let (recipe, package) = (&goods.job.recipe, parcel.package);
    let items = layout.items(parcel, goods.tree)?;
    if !items.iter().any(|item| item.own) {
        return Ok(None);
    }
    let architecture = if world.is_portable(&package.name) { "noarch" } else { recipe.architecture.gnu() };
    let (version, release) = (version(recipe), recipe.revision.to_string());
    let summary = package.summary.as_deref().unwrap_or(&recipe.summary);
    let mut builder = PackageBuilder::new(&package.name, &version, &recipe.license, architecture, summary);
    let epoch = u32::try_from(recipe.epoch).context("the recipe's epoch does not fit rpm's 32 bits")?;
    let compression = CompressionWithLevel::Zstd(LEVEL);
    builder
        .using_config(BuildConfig::v4().source_date(Timestamp(epoch)).compression(compression))
        .release(&release)
        .description(described(package.description.as_deref().unwrap_or(summary)))
        .build_host(BUILD_HOST);
    if let Some(homepage) = &recipe.homepage {
        builder.url(homepage);
    }
    if let Some(maintainer) = &recipe.maintainer {
        let built = deb::built(goods.job)
            .into_iter()
            .flat_map(|(what, pin)| [Some(format!("- {what}")), pin.map(|pin| format!("  {pin}"))]);
        let built: Vec<String> = built.flatten().collect();
        builder.packager(maintainer);
        builder.add_changelog_entry(format!("{maintainer} - {version}-{release}"), built.join("\n"), Timestamp(epoch));
    }
    let mut contents = Contents::default();
    for item in items.iter().filter(|item| item.own || !FOREIGN.contains(&item.path.as_str()) && !is_manual(&item.path))
    {
        interrupt::check()?;
        add(&mut builder, goods, item, Timestamp(epoch), &mut contents).with_context(|| item.path.clone())?;
    }
    relations::add(&mut builder, goods, world, package, &items, &contents)?;
    scripts::add(&mut builder, package, &items);
    let written = header::finish(builder.build()?, &format!("{}-{version}-{release}.src.rpm", recipe.name), epoch)?;
    Ok(Some((format!("{}-{version}-{release}.{architecture}.rpm", package.name), written)))
}

/// `4.17.5+72`, and `4.21.0~rc1`: rpm divides version and release at a `-`, and sorts a `~` before the end (rpm-version(7)).
fn version(recipe: &Recipe) -> String {
    recipe.version.to_string().replace('-', "~")
}

/// Paragraphs in lines that a terminal shows whole.
fn described(text: &str) -> String {
    let paragraphs = text.trim().split("\n\n").map(|paragraph| deb::filled(paragraph).join("\n"));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// `usr/share/man/man5`: folders of manual pages, of which there are many, in many languages.
fn is_manual(folder: &str) -> bool {
    folder.starts_with("usr/share/man/")
}

fn add(
    builder: &mut PackageBuilder,
    goods: &Goods,
    item: &Placed,
    time: Timestamp,
    contents: &mut Contents,
) -> Result<()> {
    // The crate takes the earlier of this time and the one of the package.
    let own = |options: rpm::FileOptionsBuilder| options.modified_at(time).user("root").group("root");
    let path = format!("/{}", item.path);
    match &item.kind {
        Kind::Directory { mode } => {
            builder.with_dir_entry(own(FileOptions::dir(path)).permissions(permissions(*mode)))?;
        }
        Kind::Symlink { target } => {
            builder.with_symlink(own(FileOptions::symlink(path, target.as_str())))?;
        }
        Kind::File { mode, size, sha256 } => {
            let bytes = fs::read(goods.tree.path().join(item.from))?;
            let found = Hash::of(&bytes);
            if (&found, bytes.len() as u64) != (sha256, *size) {
                bail!("it changed while it was packed: expected sha256 {sha256}, found {found}");
            }
            if mode & 0o111 != 0 {
                contents.interpreters.extend(relations::interpreter(&bytes));
            }
            let options = flags(&item.path, own(FileOptions::new(path)).permissions(permissions(*mode)));
            builder.with_file_contents(bytes, options)?;
        }
    }
    Ok(())
}

fn permissions(mode: u32) -> u16 {
    // Twelve bits.
    (mode & 0o7777) as u16
}

/// What rpm is told of a file beside its content.
fn flags(path: &str, options: rpm::FileOptionsBuilder) -> rpm::FileOptionsBuilder {
    let name = path.rsplit('/').next().unwrap_or(path);
    if path.starts_with("etc/") {
        // The administrator's: a changed one stays, ours lies beside it as .rpmnew.
        options.config().noreplace()
    } else if path.starts_with("usr/share/licenses/") || matches!(name, "COPYING" | "LICENSE" | "copyright") {
        options.license()
    } else if path.starts_with("usr/share/man/") || path.starts_with("usr/share/doc/") {
        // What rpmbuild takes for documentation unasked (%_docdir in its macros).
        options.doc()
    } else {
        options
    }
}
