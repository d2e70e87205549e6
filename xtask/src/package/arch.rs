//! Packages for pacman, as alpm-package(7) has them: a tarball in zstd that opens with what describes it.
//!
//! Where things are is [`Layout`]'s to say; what a package needs and offers is `relations`' to compute, and how the files that
//! describe it look is `papers`'.

mod papers;
mod relations;

use super::tarball::Tarball;
use super::{Artifact, Goods, Layout, Parcel, Placed};
use crate::digest::Hash;
use crate::parallel;
use crate::recipe::{Format, Recipe};
use crate::tree::Kind;
use anyhow::{Context as _, Result};
use fs_err as fs;
use relations::World;
use std::collections::BTreeMap;
use std::path::Path;

/// One package on its way.
struct Package<'a> {
    recipe: &'a Recipe,
    package: &'a crate::recipe::Package,
    /// `x86_64` or `any`.
    architecture: &'static str,
    items: Vec<Placed<'a>>,
}

impl Package<'_> {
    /// Bytes of all files together.
    fn bytes(&self) -> u64 {
        self.items.iter().map(|item| if let Kind::File { size, .. } = item.kind { size } else { 0 }).sum()
    }
}

/// Writes one package for each parcel into `into`.
pub fn write(goods: &Goods, into: &Path) -> Result<Vec<Artifact>> {
    let layout = Layout::of(Format::Arch, &goods.job.recipe);
    let world = World::of(goods);
    let packed = parallel::map(goods.jobs, goods.parcels.len(), &|at| {
        let parcel = &goods.parcels[at];
        let packed = package(goods, &layout, &world, parcel, into);
        packed.with_context(|| format!("packing {}", parcel.package.name))
    })?;
    Ok(packed.into_iter().flatten().collect())
}

/// Nothing for a parcel that is empty in this layout.
fn package(goods: &Goods, layout: &Layout, world: &World, parcel: &Parcel, into: &Path) -> Result<Option<Artifact>> {
    let recipe = &goods.job.recipe;
    let items = layout.items(parcel, goods.tree)?;
    if !items.iter().any(|item| item.own) {
        return Ok(None);
    }
    let portable = items.iter().filter(|item| item.own).all(|item| is_portable(goods, item));
    let architecture = if portable { "any" } else { recipe.architecture.gnu() };
    let package = Package { recipe, package: parcel.package, architecture, items };
    let relations = relations::of(goods, world, &package)?;
    let hint = papers::install(parcel.package, &package.items);
    // In the order in which the archive has them, which is that of their names.
    let mut described =
        vec![(".BUILDINFO", papers::buildinfo(&package)), (".PKGINFO", papers::pkginfo(&package, &relations))];
    described.extend(hint.map(|hint| (".INSTALL", hint)));
    described.sort();
    let mtree = papers::mtree(&described, &package.items, goods.tree.path(), recipe.epoch)?;

    let name = format!("{}-{}-{architecture}.pkg.tar.zst", parcel.package.name, version(recipe));
    let file = fs::File::create(into.join(&name))?;
    let mut tarball = Tarball::new(file, package.bytes(), recipe.epoch)?;
    let described = described.iter().map(|(name, text)| (*name, text.as_bytes())).chain([(".MTREE", mtree.as_slice())]);
    let described: BTreeMap<&str, &[u8]> = described.collect();
    for (name, bytes) in described {
        tarball.text(name, 0o644, bytes)?;
    }
    for item in &package.items {
        tarball.entry(&goods.tree.path().join(item.from), &item.path, &item.kind)?;
    }
    let sha256: Hash = tarball.finish()?;
    let size = fs::metadata(into.join(&name))?.len();
    Ok(Some(Artifact { name, size, sha256 }))
}

/// `4.17.5+72-1`. A version has no hyphen (alpm-pkgver(7)), and `4.21.0rc1` sorts before `4.21.0` (vercmp(8)).
fn version(recipe: &Recipe) -> String {
    format!("{}-{}", recipe.version.to_string().replace('-', ""), recipe.revision)
}

/// False for what fits one architecture. Hypervisors and kernels are compressed, and a static library is an archive: none says what
/// it is.
fn is_portable(goods: &Goods, item: &Placed) -> bool {
    let elf = goods.facts.entries.get(item.from).and_then(|fact| fact.elf());
    let booted = item.path.split('/').any(|part| part == "boot");
    elf.is_none() && !booted && !item.path.ends_with(".a") && !item.path.contains(".so")
}
