//! The bundle for any distribution: one folder with the tree, an installer, and a list of everything in it, as a tarball.
//!
//! How things are installed is said by the list (the column `place`) and done by the shell script in `xtask/data/bundle/install`; this
//! module decides what each path is placed as, and vouches for the list by its digest in the script.

use super::tarball::Tarball;
use super::{Artifact, Claims, Goods};
use crate::digest::Hash;
use crate::fault::Fault;
use crate::recipe::{Recipe, Relocate};
use crate::relocate::links::{parent, within};
use crate::relocate::own::DISPATCHER;
use crate::relocate::{Relocated, below_root};
use crate::tree::{Entry, Kind};
use anyhow::{Result, bail};
use fs_err as fs;
use std::path::Path;

/// Stands for the list's digest in the script.
const VOUCHER: &str = "@CONTENTS@";
/// One script, written in parts: each is a chapter of it and opens with its heading.
const INSTALL: &str = concat!(
    include_str!("../../data/bundle/install/options.sh"),
    include_str!("../../data/bundle/install/paths.sh"),
    include_str!("../../data/bundle/install/bundles.sh"),
    include_str!("../../data/bundle/install/record.sh"),
    include_str!("../../data/bundle/install/look.sh"),
    include_str!("../../data/bundle/install/change.sh"),
    include_str!("../../data/bundle/install/main.sh"),
);
const README: &str = include_str!("../../data/bundle/README");

/// Folders whose files are read before all file systems are there, or by programs that do not follow links out of them: the boot
/// loader, systemd's unit loader, its loader of kernel modules.
const COPIED: [&str; 3] = ["boot", "usr/lib/modules-load.d", "usr/lib/systemd"];

/// Writes the bundle into `into`.
pub fn write(goods: &Goods, into: &Path) -> Result<Vec<Artifact>> {
    let (recipe, tree) = (&goods.job.recipe, goods.tree);
    let bundle = name(recipe);
    let readme = readme(recipe);
    let contents = contents(recipe, tree, &readme)?;
    let install = INSTALL.replace(VOUCHER, Hash::of(contents.as_bytes()).as_str());
    let artifact = format!("{bundle}.tar.zst");
    let file = fs::File::create(into.join(&artifact))?;
    let mut tarball = Tarball::new(file, tree.manifest().bytes(), recipe.epoch)?;
    tarball.folder(&bundle, 0o755)?;
    for (name, mode, text) in [("README", 0o644, &readme), ("contents", 0o644, &contents), ("install", 0o755, &install)]
    {
        tarball.text(&format!("{bundle}/{name}"), mode, text.as_bytes())?;
    }
    tarball.folder(&format!("{bundle}/tree"), 0o755)?;
    tarball.tree(tree.path(), tree.manifest(), &format!("{bundle}/tree/"))?;
    tarball.link(&format!("{bundle}/uninstall"), "install")?;
    let sha256 = tarball.finish()?;
    let size = fs::metadata(into.join(&artifact))?.len();
    Ok(vec![Artifact { name: artifact, size, sha256 }])
}

/// Changes with every byte that this project puts into a bundle.
pub fn digest() -> Hash {
    Hash::of([INSTALL, README].concat().as_bytes())
}

/// `xen-4.17.5+72-1-x86_64`: the folder in the tarball, and its name.
fn name(recipe: &Recipe) -> String {
    format!("{}-{}-{}", recipe.name, recipe.full_version(), recipe.architecture.gnu())
}

fn readme(recipe: &Recipe) -> String {
    let services: Vec<&str> = recipe.package.iter().flat_map(|package| &package.services).map(String::as_str).collect();
    let words = [("@NAME@", name(recipe)), ("@SUMMARY@", recipe.summary.clone()), ("@SERVICES@", services.join(" "))];
    words.iter().fold(README.to_owned(), |text, (word, value)| text.replace(word, value))
}

/// The list: a head, an empty line, and a line for each path, in byte order:
/// `kind mode size sha256 package place path target`, with `-` for what a kind does not have.
fn contents(recipe: &Recipe, tree: &Relocated, readme: &str) -> Result<String> {
    let relocate = &recipe.relocate;
    let outside = relocate.outside.join(" ");
    // A bundle takes the place of another one with the same private folder.
    let slot = relocate.private.rsplit('/').next().unwrap_or_default();
    let mut text = format!(
        "xenwright-bundle 1\nname {}\nslot {slot}\nrank {}\npublic {}\noutside {outside}\n\n",
        name(recipe),
        rank(recipe),
        below_root(&relocate.public_libdir),
    );
    text += &format!("file 0644 {} {} - - README -\n", readme.len(), Hash::of(readme.as_bytes()));
    text += "folder 0755 - - - - tree -\n";
    let claims = Claims::of(recipe)?;
    for entry in &tree.manifest().entries {
        let package = tree.owners().get(&entry.path).and_then(|_| claims.package(&entry.path)).unwrap_or("-");
        let place = place(relocate, tree, entry);
        let path = listed(&entry.path)?;
        text += &match &entry.kind {
            Kind::Directory { mode } => format!("folder {mode:04o} - - {package} {place} tree/{path} -\n"),
            Kind::File { mode, size, sha256 } => {
                format!("file {mode:04o} {size} {sha256} {package} {place} tree/{path} -\n")
            }
            Kind::Symlink { target } => format!("link - - - {package} {place} tree/{path} {}\n", listed(target)?),
        };
    }
    text += "link - - - - - uninstall install\n";
    Ok(text)
}

/// The list is read by a shell's `read` and by `sha256sum -c`.
fn listed(path: &str) -> Result<&str> {
    if path.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        let what =
            format!("`{path}` has white space or a backslash in its name, which the list of a bundle cannot hold");
        bail!(Fault::failed(what).cure("rename it in its step, or list it in `relocate.drop`"));
    }
    Ok(path)
}

/// What the installer makes of a path in the root.
fn place(relocate: &Relocate, tree: &Relocated, entry: &Entry) -> &'static str {
    let path = entry.path.as_str();
    // One link for all that is in them.
    let whole = [below_root(&relocate.private), parent(parent(DISPATCHER))];
    if whole.contains(&path) {
        return "link";
    }
    if whole.iter().any(|folder| within(path, folder)) {
        return "-";
    }
    let copied = || COPIED.iter().any(|folder| within(path, folder));
    match &entry.kind {
        Kind::Directory { .. } if tree.owners().contains_key(path) => "folder",
        Kind::Directory { .. } => "-",
        _ if within(path, below_root(&relocate.public_libdir)) => "library",
        // Configuration too, where the machine has such scripts at all.
        Kind::File { .. } if within(path, "etc/init.d") => "init",
        Kind::File { .. } if within(path, "etc") => "conf",
        Kind::File { .. } if copied() => "file",
        // A unit that is masked leads to /dev/null itself.
        Kind::Symlink { .. } if within(path, "etc") || copied() => "same",
        _ => "link",
    }
}

/// Text that sorts as versions do, byte by byte: numbers of five digits, a release candidate before its release.
fn rank(recipe: &Recipe) -> String {
    let number = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0_u64);
    let version = &recipe.version;
    let candidate = if version.pre.is_empty() { 99_999 } else { number(&version.pre) };
    let parts =
        [version.major, version.minor, version.patch, candidate, number(&version.build), u64::from(recipe.revision)];
    parts.map(|part| format!("{part:05}")).join(".")
}
