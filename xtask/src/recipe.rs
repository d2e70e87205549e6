//! A recipe: what to build, from which pinned content, in which steps, relocated where. Text in, plain value out.
//!
//! This module reads no file and knows nothing about Xen but the names of the firmware and device models a recipe can
//! choose a provider for. Keys are kebab-case; an unknown key is refused.

mod check;
pub(crate) mod diagnose;
pub(crate) mod form;
mod read;

use crate::digest::{GitId, Hash};
use crate::fault::Fault;
use anyhow::Result;
use semver::Version;
use std::collections::{BTreeMap, BTreeSet};

pub use diagnose::{nearest, quoted};

/// Reads a recipe that includes nothing. The error names every mistake with its line in `file`, which is the name shown to people.
pub fn parse(file: &str, text: &str) -> Result<Recipe> {
    parse_all(&[(file, text)])
}

/// Reads a recipe and the parts that it includes: their texts together are one document, in which nothing can be said twice.
pub fn parse_all(texts: &[(&str, &str)]) -> Result<Recipe> {
    let mut whole = String::new();
    let mut files = Vec::new();
    for (file, text) in texts {
        files.push((whole.len(), *file));
        whole += text;
        if !whole.ends_with('\n') {
            whole.push('\n');
        }
    }
    let (text, file) = (whole.as_str(), files[0].1);
    let problems = diagnose::Problems::new(files, text);
    let (document, syntax) = toml::de::DeTable::parse_recoverable(text);
    let mut recipe = None;
    if syntax.is_empty() {
        recipe = read::recipe(&problems, document.get_ref());
        if let Some(recipe) = &recipe {
            check::references(recipe, document.get_ref(), &problems);
        }
    }
    for error in &syntax {
        problems.add(error.span().unwrap_or_default(), error.message());
    }
    match (recipe, problems.render()) {
        (Some(recipe), None) => Ok(recipe),
        (_, mistakes) => {
            let mistakes = mistakes.unwrap_or_default();
            Err(Fault::usage(format!("{file} is not a valid recipe\n{mistakes}")).into())
        }
    }
}

/// The names of the parts that a recipe's text includes. A text that is no TOML includes none: reading it says what is wrong.
pub fn included(text: &str) -> Vec<String> {
    let (document, _) = toml::de::DeTable::parse_recoverable(text);
    let list = document.get_ref().get("include").and_then(|value| value.get_ref().as_array());
    list.into_iter().flatten().filter_map(|item| Some(item.get_ref().as_str()?.to_owned())).collect()
}

/// Refuses formats, chosen after the recipe was read, that it says too little for.
pub fn check_formats(recipe: &Recipe) -> Result<()> {
    let missing = check::missing(recipe);
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<String> = missing.into_iter().map(|(_, what)| format!("    {what}")).collect();
    let what = format!("{} cannot be packed so\n{}", recipe.stem(), missing.join("\n"));
    Err(Fault::usage(what).cure("add it to the recipe, or leave out --format").into())
}

#[derive(Clone, Debug)]
pub struct Recipe {
    pub name: String,
    /// Build metadata (`+72`) counts the commits after the release on a stable branch and is part of the version.
    pub version: Version,
    /// Xen's own `X.Y`: the suffix of unstable libraries and of the private prefix. Never derived from `version`.
    pub series: String,
    pub summary: String,
    /// SPDX expression of the licence of what is built.
    pub license: String,
    /// Seconds since 1970: the commit's date, the only clock a build sees.
    pub epoch: u64,
    /// Stem of a file in `toolchains/`.
    pub toolchain: String,
    pub architecture: Architecture,
    /// In which forms the tree is shipped.
    pub formats: BTreeSet<Format>,
    /// Counts the packagings of one version, from 1: `4.17.5+72-1`.
    pub revision: u32,
    /// `Name <address>`: whom package managers name as responsible. Every format but `tar` needs one.
    pub maintainer: Option<String>,
    /// The project's page, for package managers.
    pub homepage: Option<String>,
    pub support: Option<Support>,
    /// Parts of `recipes/parts/` that were read with it.
    pub include: Vec<String>,
    /// Cross toolchains by name.
    pub cross: BTreeMap<String, Cross>,
    pub source: BTreeMap<String, Source>,
    pub provide: BTreeMap<Component, Provide>,
    pub step: BTreeMap<String, Step>,
    pub relocate: Relocate,
    pub audit: Audit,
    pub package: Vec<Package>,
    /// Somebody else's builds of the same thing.
    pub published: Vec<Published>,
}

impl Recipe {
    /// `xen-4.17.5+72`: the stem of the recipe's file, of its patch directory and of its output.
    pub fn stem(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// The toolchain of a step.
    pub fn toolchain_of<'r>(&'r self, step: &'r Step) -> &'r str {
        step.toolchain.as_deref().unwrap_or(&self.toolchain)
    }

    /// The names of all toolchains, each once.
    pub fn toolchains(&self) -> BTreeSet<&str> {
        let steps = self.step.values().map(|step| self.toolchain_of(step));
        steps.chain([self.toolchain.as_str()]).collect()
    }

    /// True for a package of this series alone (`xen-libs-4.17`): others need it in their own very version. Of a package that all
    /// series share, this version or a later one will do.
    pub fn is_private(&self, package: &str) -> bool {
        package.ends_with(&format!("-{}", self.series))
    }

    /// `4.17.5+72-1`: version and revision, as Debian and Arch write them.
    pub fn full_version(&self) -> String {
        format!("{}-{}", self.version, self.revision)
    }
}

/// A form in which a tree is shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Packages for Arch Linux's pacman.
    Arch,
    /// Debian's binary packages.
    Deb,
    Rpm,
    /// One bundle for any distribution, with its own installer.
    Tar,
}

impl Format {
    pub const ALL: [Format; 4] = [Format::Arch, Format::Deb, Format::Rpm, Format::Tar];

    /// The name in a recipe and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Arch => "arch",
            Format::Deb => "deb",
            Format::Rpm => "rpm",
            Format::Tar => "tar",
        }
    }

    /// The fields by which a recipe may add relations to those that are computed, in the format's own words.
    pub fn relations(self) -> &'static [&'static str] {
        match self {
            // PKGINFO: depend, optdepend, conflict, provides, replaces.
            Format::Arch => &["conflicts", "depends", "optdepends", "provides", "replaces"],
            // Debian Policy 7.
            Format::Deb => &[
                "breaks",
                "conflicts",
                "depends",
                "enhances",
                "pre-depends",
                "provides",
                "recommends",
                "replaces",
                "suggests",
            ],
            Format::Rpm => &["conflicts", "obsoletes", "provides", "recommends", "requires", "suggests", "supplements"],
            Format::Tar => &[],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    X86_64,
    Aarch64,
}

impl Architecture {
    pub const ALL: [Architecture; 2] = [Architecture::X86_64, Architecture::Aarch64];

    /// The name that recipes, Xen, the kernel and GNU use.
    pub fn gnu(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64",
            Architecture::Aarch64 => "aarch64",
        }
    }

    /// The name that Debian uses.
    pub fn debian(self) -> &'static str {
        match self {
            Architecture::X86_64 => "amd64",
            Architecture::Aarch64 => "arm64",
        }
    }
}

/// Until when upstream publishes security fixes for this series.
#[derive(Clone, Debug)]
pub struct Support {
    /// `YYYY-MM-DD`, the last day.
    pub security_until: String,
    /// Where that is written.
    pub reference: String,
}

/// Tools of a locked toolchain and a sysroot that steps of the recipe make: a partial architecture.
#[derive(Clone, Debug)]
pub struct Cross {
    /// Stem of a file in `toolchains/`.
    pub base: String,
    /// See [`Step::sysroot`].
    pub sysroot: Vec<String>,
}

/// Pinned content: a git tree (reached through a commit), one tarball, or a folder of the checkout. Of `commit`, `sha256` and
/// `folder` one is there.
#[derive(Clone, Debug)]
pub struct Source {
    /// Enough for a git origin.
    pub commit: Option<GitId>,
    /// What lets a tarball stand in for the commit: git's tree id of the unpacked content.
    pub tree: Option<GitId>,
    /// The identity of a source that no git tree describes: the tarball's own sha256.
    pub sha256: Option<Hash>,
    /// The project's own files.
    pub folder: Option<Folder>,
    /// What people call it: a tag or a version. Only a comment, tags move. Of a folder, its path.
    pub release: String,
    /// Seconds since 1970: the clock that this source's steps see instead of the recipe's, so that recipes share them.
    pub epoch: Option<u64>,
    /// SPDX expression of the source's own licence, where the recipe says it.
    pub license: Option<String>,
    /// Fingerprint of the OpenPGP key whose signature makes a tag of this source believed when a pin is made.
    pub signed_by: Option<String>,
    /// The version of Debian's source package whose tarball, and queue, this is.
    pub debian: Option<String>,
    /// Where its patches are when `patches/` does not have them.
    pub queue: Option<PackedQueue>,
    pub origins: Vec<Origin>,
    /// What the source carries of others and the steps build in.
    pub bundle: Vec<Bundle>,
}

impl Source {
    /// The paths of its files in Debian's archive.
    pub fn pool(&self) -> impl Iterator<Item = &str> {
        self.origins.iter().filter_map(|origin| match origin {
            Origin::Debian(origin) => Some(origin.debian.as_str()),
            Origin::Git(_) | Origin::Url(_) => None,
        })
    }

    /// Name and version of Debian's source package, where the recipe says that it is one's.
    pub fn debian_package(&self) -> Option<(&str, &str)> {
        let version = self.debian.as_deref()?;
        // pool/main/z/zlib/zlib_1.3.orig.tar.xz
        Some((self.pool().next()?.split('/').nth_back(1)?, version))
    }
}

/// A folder of the checkout as a source.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Below the checkout.
    pub path: String,
    /// What is in it, by path below it: whether it can be executed, and its content. Filled in when a recipe is loaded.
    pub files: BTreeMap<String, (bool, Hash)>,
}

/// A copy of somebody else's code in a source's tree.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// As its makers call it: `lz4`.
    pub name: String,
    /// Where the tree says it: one of `files` has these words.
    pub version: Option<String>,
    /// SPDX expression.
    pub license: Option<String>,
    /// Its makers' page.
    pub from: Option<String>,
    /// Globs of its files in the source.
    pub files: Vec<String>,
    /// Globs of the staged files that it is built into; `!` takes away, the last match wins.
    pub into: Vec<String>,
    /// Names of its symbols, or words of its own, one of which is seen in one of `into` at least, and in no other ELF file of a step
    /// that reads it.
    pub marks: Vec<String>,
}

/// A patch queue that another source holds as quilt keeps one: a folder with a `series`.
#[derive(Clone, Debug)]
pub struct PackedQueue {
    /// Another source of the recipe, whose pin is the queue's.
    pub source: String,
    /// The folder of `series` below that source's top folder.
    pub path: String,
}

/// Where to look. An origin is believed only after its content has been checked.
#[derive(Clone, Debug)]
pub enum Origin {
    Git(GitOrigin),
    /// A path below the root of a Debian mirror.
    Debian(DebianOrigin),
    Url(UrlOrigin),
}

#[derive(Clone, Debug)]
pub struct GitOrigin {
    pub git: String,
}

#[derive(Clone, Debug)]
pub struct DebianOrigin {
    pub debian: String,
    pub sha256: Hash,
    /// Bytes.
    pub size: u64,
    /// A moment at which Debian's snapshot archive has the file, `YYYYMMDDTHHMMSSZ`.
    pub snapshot: Option<String>,
}

#[derive(Clone, Debug)]
pub struct UrlOrigin {
    pub url: String,
    pub sha256: Hash,
    /// Bytes.
    pub size: u64,
}

/// Firmware and device models that Xen's tools can take from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    Seabios,
    Ovmf,
    Ipxe,
    Qemu,
}

impl Component {
    pub const ALL: [Component; 4] = [Component::Seabios, Component::Ovmf, Component::Ipxe, Component::Qemu];

    /// The key in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Component::Seabios => "seabios",
            Component::Ovmf => "ovmf",
            Component::Ipxe => "ipxe",
            Component::Qemu => "qemu",
        }
    }
}

#[derive(Clone, Debug)]
pub enum Provide {
    /// Built by a step of this recipe, which must stage `path`.
    Pinned {
        step: String,
        path: String,
    },
    /// The distribution's, found at `path` when the guest starts.
    System {
        path: String,
    },
    Off,
}

#[derive(Clone, Debug)]
pub struct Step {
    /// The source that the step gets a private, writable, patched copy of.
    pub source: String,
    /// Ordered globs, `!` takes away, the last match wins: only these files exist in the step. A patch to anything else does
    /// not change the step's key. `**` where the recipe says nothing.
    pub paths: Vec<String>,
    /// Steps whose output is mounted read-only at `/in/<step>`.
    pub needs: Vec<String>,
    /// Steps whose outputs are put together, read-only, at `/sysroot`; its `bin` comes first in PATH.
    pub sysroot: Vec<String>,
    /// Stem of a file in `toolchains/`, where it is not the recipe's.
    pub toolchain: Option<String>,
    /// Made for other steps alone: it is not shipped.
    pub intermediate: bool,
    pub kconfig: Option<Kconfig>,
    pub env: BTreeMap<String, String>,
    /// POSIX shell, run with `-eu`.
    pub run: String,
}

impl Step {
    /// All steps that this one is made from.
    pub fn inputs(&self) -> impl Iterator<Item = &String> {
        self.needs.iter().chain(&self.sysroot)
    }
}

/// Options that the resulting `.config` must have, without the `CONFIG_` prefix; `n` means absent or `is not set`.
#[derive(Clone, Debug)]
pub struct Kconfig {
    /// The resulting file, relative to the step's directory.
    pub file: String,
    pub options: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub struct Relocate {
    /// Absolute: `/usr/lib/xen-4.17`.
    pub private: String,
    /// Absolute: where stable libraries stay visible to everyone.
    pub public_libdir: String,
    /// Library names (`libxenctrl`) whose SONAME is the series.
    pub unstable: Vec<String>,
    /// Globs of files that every installed series may own; the higher version wins. No leading slash.
    pub common: Vec<String>,
    /// Globs of staged files that are left out.
    pub drop: Vec<String>,
    /// Globs of private programs that get a dispatcher link in `/usr/bin` or `/usr/sbin`.
    pub dispatch: Vec<String>,
    /// SONAMEs that the distribution supplies.
    pub outside: Vec<String>,
}

/// What the audit lets pass, and what it asks beside its laws.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    pub allow: Vec<Allow>,
    pub bound: Vec<Bound>,
}

/// How large files may be, all together.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Globs without a leading slash; each one matches something.
    pub files: Vec<String>,
    pub bytes: u64,
    /// Whose bound it is; shown in `audit.json`.
    pub reason: String,
}

/// Findings that are known and accepted. An allowance that meets no finding is itself one.
#[derive(Clone, Debug)]
pub struct Allow {
    /// The audit's name for the broken law: `dangling-link`.
    pub rule: String,
    /// Globs without a leading slash.
    pub files: Vec<String>,
    /// Why this is right as it is; shown in `audit.json`.
    pub reason: String,
}

/// A distribution's own package of what this recipe builds.
#[derive(Clone, Debug)]
pub struct Published {
    pub deb: DebianOrigin,
    /// The files that are the same, byte for byte, in that package and in the relocated tree. No leading slash.
    pub files: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Package {
    pub name: String,
    /// Globs without a leading slash; the first package that matches claims a file.
    pub files: Vec<String>,
    /// One line without a full stop. Every format but `tar` needs one, and all that follows is for those alone.
    pub summary: Option<String>,
    /// Paragraphs, separated by empty lines.
    pub description: Option<String>,
    /// Debian's section, such as `admin`.
    pub section: Option<String>,
    /// Packages of this recipe that must be there too, beside those whose libraries it uses. [`Recipe::is_private`] says in which
    /// version.
    pub needs: Vec<String>,
    /// systemd units of this package that are enabled when it is installed for the first time, as far as the distribution does
    /// such things, and with each the init script of its name. Where the tree has no such unit, the script is all there is; the
    /// script of a unit that is masked does the work of those listed, and goes with them.
    pub services: Vec<String>,
    /// Relations beside those that are computed, in each format's own words: field (`depends`) to relations.
    pub relations: BTreeMap<Format, BTreeMap<String, Vec<String>>>,
}
