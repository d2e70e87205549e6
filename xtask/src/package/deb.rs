//! Debian's binary packages, as deb(5) and Debian Policy have them: one for each parcel. Same goods, same bytes, on any machine.
//!
//! Beside the tree's files a package holds what Debian asks for: the documentation folder, compressed manual pages, the control
//! members. Compiled Python is left out, since it is made where the package is installed. docs/packages.md describes the whole.

mod container;
mod control;
mod depends;
mod document;
mod library;
mod scripts;

pub(super) use control::filled;
pub(super) use document::built;

use super::{Artifact, Goods, Parcel};
use crate::debian::relation;
use crate::elf::{Elf, Type};
use crate::fault::Fault;
use crate::papers::attribution::{is_startup, source_package};
use crate::parallel;
use crate::recipe::{Format, Recipe, Source};
use crate::relocate::links;
use crate::rootfs;
use crate::shipment::Roots;
use crate::toolchain::Deb;
use crate::tree::Kind;
use anyhow::Result;
use container::{Entry, What};
use control::Fields;
use depends::Providers;
use flate2::{Compression, GzBuilder};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

/// Of `init-system-helpers`: the first whose invoke-rc.d knows `--skip-systemd-native`.
const HELPERS: &str = "init-system-helpers (>= 1.54~)";

/// Writes one package for each parcel into `into`, several at once.
pub fn write(goods: &Goods, into: &Path) -> Result<Vec<Artifact>> {
    let maker = Maker { goods, providers: Providers::new(goods.job, goods.facts, goods.roots, &goods.parcels)? };
    // The largest first, so that no thread is left alone with one at the end.
    let mut order: Vec<&Parcel> = goods.parcels.iter().collect();
    order.sort_by_key(|parcel| std::cmp::Reverse(parcel.entries.iter().map(|entry| size(&entry.kind)).sum::<u64>()));
    let mut made = parallel::map(goods.jobs, order.len(), &|turn| maker.package(order[turn], into))?;
    made.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(made)
}

fn size(kind: &Kind) -> u64 {
    if let Kind::File { size, .. } = kind { *size } else { 0 }
}

struct Maker<'g> {
    goods: &'g Goods<'g>,
    providers: Providers<'g>,
}

impl Maker<'_> {
    fn package(&self, parcel: &Parcel, into: &Path) -> Result<Artifact> {
        let recipe = &self.goods.job.recipe;
        let name = &parcel.package.name;
        let data = self.data(parcel)?;
        let architecture = architecture(recipe, parcel, self.goods);
        let (data_tarball, sums) = container::tarball(&data, recipe.epoch)?;
        let control = self.control(parcel, &data, &sums, architecture)?;
        let (control_tarball, _) = container::tarball(&control, recipe.epoch)?;
        let file = format!("{name}_{}_{architecture}.deb", recipe.full_version());
        let to = fs::File::create(into.join(&file))?;
        let (size, sha256) = container::write(&control_tarball, &data_tarball, recipe.epoch, to)?;
        Ok(Artifact { name: file, size, sha256 })
    }

    /// All that the package installs, in byte order.
    fn data(&self, parcel: &Parcel) -> Result<Vec<Entry>> {
        let recipe = &self.goods.job.recipe;
        let mut found: BTreeMap<String, What> = BTreeMap::from([(String::new(), What::Folder { mode: 0o755 })]);
        for entry in &parcel.entries {
            if entry.path.split('/').any(|part| part == "__pycache__") {
                continue;
            }
            if entry.path.contains(['\n', '\r']) {
                let what = format!("the path {:?} has a line break, which no list of dpkg can hold", entry.path);
                return Err(Fault::failed(what).cure("leave it out with `drop` in the recipe").into());
            }
            let (path, what) = self.placed(&entry.path, &entry.kind)?;
            found.insert(path, what);
        }
        let name = &parcel.package.name;
        let folder = format!("usr/share/doc/{name}");
        let made = |bytes| What::Made { mode: 0o644, bytes };
        let changelog = gzip(document::changelog(self.goods.job).as_bytes())?;
        found.insert(format!("{folder}/changelog.Debian.gz"), made(changelog));
        let copyright = document::copyright(recipe, &self.sources(parcel));
        found.insert(format!("{folder}/copyright"), made(copyright.into_bytes()));
        if let Some(overrides) = self.overrides(parcel) {
            found.insert(format!("usr/share/lintian/overrides/{name}"), made(overrides.into_bytes()));
        }
        for path in found.keys().cloned().collect::<Vec<_>>() {
            let mut above = links::parent(&path);
            while !above.is_empty() {
                found.entry(above.to_owned()).or_insert(What::Folder { mode: 0o755 });
                above = links::parent(above);
            }
        }
        Ok(found.into_iter().map(|(name, what)| Entry { name, what }).collect())
    }

    /// A path of the tree as it is installed: manual pages are compressed (Policy 12.1).
    fn placed(&self, path: &str, kind: &Kind) -> Result<(String, What)> {
        let page = path.starts_with("usr/share/man/") && !path.ends_with(".gz");
        let place = self.goods.tree.path().join(path);
        Ok(match kind {
            Kind::Directory { mode } => (path.to_owned(), What::Folder { mode: *mode }),
            Kind::Symlink { target } if page => (format!("{path}.gz"), What::Link { target: format!("{target}.gz") }),
            Kind::Symlink { target } => (path.to_owned(), What::Link { target: target.clone() }),
            Kind::File { mode, .. } if page => {
                let bytes = gzip(&fs::read(place)?)?;
                (format!("{path}.gz"), What::Made { mode: *mode, bytes })
            }
            Kind::File { mode, size, sha256 } => {
                // A shared library is no program (Policy 10.2).
                let library = self.elf(path).is_some_and(|elf| elf.soname.is_some());
                let (mode, size, sha256) = (if library { *mode & !0o111 } else { *mode }, *size, sha256.clone());
                (path.to_owned(), What::Staged { mode, place, size, sha256 })
            }
        })
    }

    fn elf(&self, path: &str) -> Option<&Elf> {
        self.goods.facts.entries.get(path)?.elf()
    }

    /// What lintian would take for programs of the distribution: firmware, and symbols of a hypervisor. Nothing that lies where
    /// programs do.
    fn overrides(&self, parcel: &Parcel) -> Option<String> {
        let foreign = |path: &&str| {
            let program = path.split('/').any(|part| matches!(part, "bin" | "sbin"));
            !program && self.elf(path).is_some_and(|elf| elf.kind == Type::Executable && !elf.dynamic)
        };
        let paths: Vec<&str> = parcel.entries.iter().map(|entry| entry.path.as_str()).filter(foreign).collect();
        let lines = paths.iter().flat_map(|path| {
            ["statically-linked-binary", "unstripped-binary-or-object"].map(|tag| format!("{tag} [{path}]\n"))
        });
        (!paths.is_empty()).then(|| {
            "# No programs of this system: guests start them, or they are a hypervisor's symbols.\n".to_owned()
                + &lines.collect::<String>()
        })
    }

    /// The control members, in byte order.
    fn control(
        &self,
        parcel: &Parcel,
        data: &[Entry],
        sums: &BTreeMap<String, String>,
        architecture: &str,
    ) -> Result<Vec<Entry>> {
        let mut members: BTreeMap<&str, (u32, String)> = BTreeMap::new();
        members.insert("control", (0o644, self.fields(parcel, data, architecture)?.render()));
        // Who changes a configuration file keeps it (Policy 10.7.3); its checksum is dpkg's own business.
        let is_conffile = |path: &str| path.starts_with("etc/");
        let files = data.iter().map(|entry| entry.name.as_str()).filter(|path| sums.contains_key(*path));
        let conffiles: String = files.filter(|path| is_conffile(path)).map(|path| format!("/{path}\n")).collect();
        let sums = sums.iter().filter(|(path, _)| !is_conffile(path));
        members.insert("conffiles", (0o644, conffiles));
        members.insert("md5sums", (0o644, sums.map(|(path, sum)| format!("{sum}  {path}\n")).collect()));
        members.extend(self.library_members(parcel)?.into_iter().map(|(name, text)| (name, (0o644, text))));
        let scripts = scripts::scripts(parcel, self.goods.tree);
        members.extend(scripts.into_iter().map(|(name, text)| (name, (0o755, text))));
        let root = Entry { name: String::new(), what: What::Folder { mode: 0o755 } };
        let filled = members.into_iter().filter(|(_, (_, text))| !text.is_empty());
        let members = filled.map(|(name, (mode, text))| {
            let what = What::Made { mode, bytes: text.into_bytes() };
            Entry { name: name.to_owned(), what }
        });
        Ok([root].into_iter().chain(members).collect())
    }

    /// What a package of public libraries has for those that are linked with them (Policy 8.6), and for the loader's cache (8.1.1).
    fn library_members(&self, parcel: &Parcel) -> Result<BTreeMap<&'static str, String>> {
        let recipe = &self.goods.job.recipe;
        let (mut symbols, mut shlibs) = (BTreeMap::new(), BTreeMap::new());
        for (path, elf, soname) in depends::libraries(parcel, self.goods.facts) {
            if depends::is_public(recipe, path) {
                symbols.insert(soname, depends::offer(recipe, parcel, elf)?.symbols(soname));
                let line = library::shlibs(soname, &parcel.package.name, &recipe.version.to_string());
                shlibs.insert(soname, line.unwrap_or_default());
            }
        }
        if symbols.is_empty() {
            return Ok(BTreeMap::new());
        }
        Ok(BTreeMap::from([
            ("shlibs", shlibs.into_values().collect()),
            ("symbols", symbols.into_values().collect()),
            ("triggers", "activate-noawait ldconfig\n".to_owned()),
        ]))
    }

    fn fields(&self, parcel: &Parcel, data: &[Entry], architecture: &str) -> Result<Fields> {
        let (recipe, package) = (&self.goods.job.recipe, parcel.package);
        let mut fields = Fields::default();
        fields.set("Package", &package.name)?;
        if package.name != recipe.name {
            fields.set("Source", &recipe.name)?;
        }
        fields.set("Version", recipe.full_version())?;
        fields.set("Architecture", architecture)?;
        fields.set("Maintainer", recipe.maintainer.as_deref().unwrap_or_default())?;
        // Policy 5.6.20, as dpkg-gencontrol estimates it: KiB, each file rounded up, one for everything else.
        let kib = |entry: &Entry| match &entry.what {
            What::Folder { .. } | What::Link { .. } => 1,
            file => file.size().div_ceil(1024),
        };
        fields.set("Installed-Size", data.iter().map(kib).sum::<u64>().to_string())?;
        fields.set("Section", package.section.as_deref().unwrap_or("misc"))?;
        fields.set("Priority", "optional")?;
        fields.set("Multi-Arch", self.multi_arch(parcel, architecture))?;
        fields.set("Homepage", recipe.homepage.as_deref().unwrap_or_default())?;
        fields.relate("Static-Built-Using", self.linked_in(parcel)?)?;
        let mut computed =
            BTreeMap::from([("depends", self.providers.depends(parcel, self.goods.tree, self.goods.facts)?)]);
        if scripts::has_services(parcel) {
            computed.insert("pre-depends", [HELPERS.to_owned()].into());
        }
        let said = package.relations.get(&Format::Deb);
        for field in Format::Deb.relations() {
            let said = said.and_then(|relations| relations.get(*field)).into_iter().flatten();
            for relation in said.clone() {
                relation::parse(relation, architecture)
                    .map_err(|error| Fault::usage(format!("`{field}` of package {}: {error:#}", package.name)))?;
            }
            let relations = computed.remove(field).into_iter().flatten().chain(said.cloned());
            fields.relate(named(field), relations)?;
        }
        let summary = package.summary.as_deref().unwrap_or(&recipe.summary);
        fields.describe(summary, package.description.as_deref().unwrap_or_default())?;
        Ok(fields)
    }

    /// A package of public libraries alone can be there once for each architecture; data serves all of them.
    fn multi_arch(&self, parcel: &Parcel, architecture: &str) -> &'static str {
        let public = |entry: &&crate::tree::Entry| depends::is_public(&self.goods.job.recipe, &entry.path);
        match architecture {
            "all" => "foreign",
            _ if parcel.own(self.goods.tree).all(|entry| public(&entry)) => "same",
            _ => "",
        }
    }

    /// Source packages of the distribution that are linked into files (Policy 7.8), in their exact versions: of the toolchain's
    /// libraries, and of the sources that the recipe takes from the archive. What the compiler adds to every program is left out, as
    /// Debian does.
    fn linked_in(&self, parcel: &Parcel) -> Result<BTreeSet<String>> {
        let Goods { job, roots, attribution, .. } = self.goods;
        let mut all = BTreeSet::new();
        let parts = parcel.entries.iter().filter_map(|entry| attribution.paths.get(&entry.path));
        for reference in parts.flat_map(|parts| &parts.holds) {
            let copy = attribution.copies.get(reference).and_then(|copy| copy.deb.as_ref());
            let source = reference.strip_prefix("source:").and_then(|name| job.recipe.source.get(name));
            let linked = attribution.linked.get(reference).filter(|deb| !is_startup(&deb.name));
            if let Some(deb) = copy.or(linked) {
                all.insert(built_from(roots, deb)?);
            } else if let Some((name, version)) = source.and_then(Source::debian_package) {
                all.insert(format!("{name} (= {version})"));
            }
        }
        Ok(all)
    }

    /// The recipe's sources in a package, with the paths that were built from each.
    fn sources(&self, parcel: &Parcel) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for entry in &parcel.entries {
            let holds = self.goods.attribution.paths.get(&entry.path).into_iter().flat_map(|parts| &parts.holds);
            for source in holds.filter_map(|reference| reference.strip_prefix("source:")) {
                found.entry(source.to_owned()).or_default().insert(entry.path.clone());
            }
        }
        found
    }
}

/// The source package of a toolchain's package, `zlib (= 1:1.2.13-1)`. `root` is the recipe's toolchain's.
fn built_from(roots: &Roots, deb: &Deb) -> Result<String> {
    let file = format!("{}/{}.control", rootfs::INFO, deb.name);
    let paths = roots.values().map(|root| root.join(&file)).filter(|path| path.is_file());
    let controls = paths.map(fs::read_to_string).collect::<std::io::Result<Vec<String>>>()?;
    // A package of the same name in another toolchain says nothing of this one.
    let control = controls.iter().find(|control| {
        let mut versions = control.lines().filter_map(|line| line.strip_prefix("Version: "));
        versions.all(|version| version == deb.version)
    });
    // `Source: zlib (1:1.2.13-1)` where its version is another than the package's.
    let field = control.and_then(|control| control.lines().find_map(|line| line.strip_prefix("Source: ")));
    let field = field.or(source_package(deb)).unwrap_or(&deb.name);
    // Built again from the same source, for Debian's own reasons.
    let rebuilt = deb.version.rsplit_once("+b").filter(|(_, count)| count.bytes().all(|byte| byte.is_ascii_digit()));
    let plain = rebuilt.map_or(deb.version.as_str(), |(version, _)| version);
    let (source, version) = field.split_once(" (").unwrap_or((field, plain));
    Ok(format!("{source} (= {})", version.trim_end_matches(')')))
}

/// `all` when everything lies where the FHS (4.11) puts what is the same for every architecture.
fn architecture(recipe: &Recipe, parcel: &Parcel, goods: &Goods) -> &'static str {
    let shared = parcel.own(goods.tree).all(|entry| entry.path.starts_with("usr/share/"));
    if shared { "all" } else { recipe.architecture.debian() }
}

/// A recipe's key as the field is spelled: `pre-depends` is `Pre-Depends`.
fn named(field: &str) -> &'static str {
    match field {
        "breaks" => "Breaks",
        "conflicts" => "Conflicts",
        "depends" => "Depends",
        "enhances" => "Enhances",
        "pre-depends" => "Pre-Depends",
        "provides" => "Provides",
        "recommends" => "Recommends",
        "replaces" => "Replaces",
        _ => "Suggests",
    }
}

/// As `gzip -9n` does: no name, no time.
fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}
