//! From the manifests of staged outputs to the plan of the shipped tree: what stands where, and which step it comes from.
//! Pure; the files themselves are not looked at.
//!
//! A tree is planned by its leaves (files, links, folders that are empty on purpose); the folders above them follow.

use super::Layer;
use super::links::{file_name, join, lead, parent, relative, within};
use super::own::{DISPATCHER, DISPATCHER_SCRIPT, INIT_SCRIPTS};
use crate::digest::Hash;
use crate::fault::Fault;
use crate::filter::Filter;
use crate::recipe::{Provide, Recipe, Relocate};
use crate::tree::Kind;
use anyhow::Result;
use std::collections::BTreeMap;

/// The step that owns the dispatcher, its links and init scripts.
pub const DISPATCH: &str = "dispatch";

/// Where systemd units are staged.
const UNITS: &str = "usr/lib/systemd/system";

/// One leaf of the shipped tree.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub kind: Kind,
    pub step: String,
    pub content: Content,
}

/// Where a leaf's bytes are.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// In a layer, under the path that the step gave it.
    Staged {
        layer: usize,
        path: String,
    },
    Own(&'static [u8]),
    /// A link or an empty folder has none.
    Nothing,
}

pub(super) type Leaves = BTreeMap<String, Leaf>;

/// Lays the layers over each other. All that is wrong is said at once.
pub(super) fn overlay(recipe: &Recipe, layers: &[Layer]) -> Result<Leaves> {
    let mut wrong = Vec::new();
    let mut leaves = lay(layers, &mut wrong);
    drop_unwanted(&recipe.relocate, &mut leaves, &mut wrong)?;
    let mut leaves = publish_stable_libraries(&recipe.relocate, leaves, &mut wrong);
    make_links_relative(&mut leaves);
    dispatch(&recipe.relocate, &mut leaves, &mut wrong)?;
    start_with_the_machine(&recipe.relocate, &mut leaves, &mut wrong);
    check_providers(recipe, &leaves, &mut wrong);
    check_folders(&leaves, &mut wrong);
    // A folder that one step left empty and another one filled is everyone's.
    let filled =
        |path: &String| leaves.range(format!("{path}/")..).next().is_some_and(|(other, _)| within(other, path));
    let folders: Vec<String> = leaves.keys().filter(|path| filled(path)).cloned().collect();
    leaves.retain(|path, _| folders.binary_search(path).is_err());
    if wrong.is_empty() {
        return Ok(leaves);
    }
    let count = if wrong.len() == 1 { "one thing is" } else { "these things are" };
    let what =
        format!("relocating {}: {count} wrong with what the steps staged\n    {}", recipe.stem(), wrong.join("\n    "));
    Err(Fault::failed(what).cure("correct the steps or the `[relocate]` table of the recipe").into())
}

/// `usr/lib/xen-4.17` for `/usr/lib/xen-4.17`: trees are named from their root.
pub fn below_root(absolute: &str) -> &str {
    absolute.trim_matches('/')
}

/// 644 or 755, whatever the step's umask was; what a step kept to its owner (a folder for crash dumps) stays private. Set-id
/// bits stay for the audit to refuse: taking them off in silence would ship a program that does not work.
fn normal_mode(kind: &Kind) -> Kind {
    let plain = |mode: u32, open: u32| if mode & 0o077 == 0 { open & 0o700 } else { open };
    match kind {
        Kind::Directory { mode } => Kind::Directory { mode: plain(*mode, 0o755) },
        Kind::File { mode, size, sha256 } => {
            let open = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
            Kind::File { mode: plain(*mode, open) | (mode & 0o6000), size: *size, sha256: sha256.clone() }
        }
        Kind::Symlink { target } => Kind::Symlink { target: target.clone() },
    }
}

/// The modes of all staged folders: private where every step that made one kept it so.
pub(super) fn folder_modes(layers: &[Layer]) -> BTreeMap<&str, u32> {
    let mut modes = BTreeMap::new();
    for entry in layers.iter().flat_map(|layer| &layer.manifest.entries) {
        if let Kind::Directory { mode } = normal_mode(&entry.kind) {
            let known = modes.entry(entry.path.as_str()).or_insert(mode);
            *known = mode.max(*known);
        }
    }
    modes
}

fn lay(layers: &[Layer], wrong: &mut Vec<String>) -> Leaves {
    let modes = folder_modes(layers);
    let mut leaves = Leaves::new();
    for (index, layer) in layers.iter().enumerate() {
        let entries = &layer.manifest.entries;
        let filled: std::collections::BTreeSet<&str> = entries.iter().map(|entry| parent(&entry.path)).collect();
        for entry in entries {
            if matches!(entry.kind, Kind::Directory { .. }) && filled.contains(entry.path.as_str()) {
                continue;
            }
            let content = match entry.kind {
                Kind::File { .. } => Content::Staged { layer: index, path: entry.path.clone() },
                _ => Content::Nothing,
            };
            let kind = match entry.kind {
                Kind::Directory { .. } => Kind::Directory { mode: modes[entry.path.as_str()] },
                _ => normal_mode(&entry.kind),
            };
            let leaf = Leaf { kind, step: layer.step.clone(), content };
            place(&mut leaves, entry.path.clone(), leaf, wrong);
        }
    }
    leaves
}

/// Two steps may stage the same thing; two different things under one path have no order that could decide.
fn place(leaves: &mut Leaves, path: String, leaf: Leaf, wrong: &mut Vec<String>) {
    match leaves.get(&path) {
        None => {
            leaves.insert(path, leaf);
        }
        Some(other) if other.kind == leaf.kind => {}
        Some(other) => wrong.push(format!(
            "{path}: step `{}` stages {}, step `{}` {}",
            other.step,
            describe(&other.kind),
            leaf.step,
            describe(&leaf.kind)
        )),
    }
}

fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Directory { mode } => format!("an empty folder (mode {mode:o})"),
        Kind::File { mode, size, sha256 } => {
            format!("a file of {size} bytes (mode {mode:o}, sha256 {}…)", sha256.short())
        }
        Kind::Symlink { target } => format!("a link to {target}"),
    }
}

fn drop_unwanted(relocate: &Relocate, leaves: &mut Leaves, wrong: &mut Vec<String>) -> Result<()> {
    let drop = Filter::new(&relocate.drop)?;
    let unused = drop.unused(leaves.keys().map(String::as_str)).into_iter().map(|at| &relocate.drop[at]);
    wrong.extend(unused.map(|glob| format!("relocate.drop: `{glob}` matches nothing that a step staged")));
    leaves.retain(|path, _| !drop.keeps(path));
    Ok(())
}

/// Upstream installs every library into one folder. Stable ones are moved to where everyone looks, the links that a linker
/// uses (`libxencall.so`) stay with the private headers and `pkgconfig`, so that the development files of two series do not
/// meet, and every link that led to a moved file is written anew.
fn publish_stable_libraries(relocate: &Relocate, leaves: Leaves, wrong: &mut Vec<String>) -> Leaves {
    let private = format!("{}/lib", below_root(&relocate.private));
    let public = below_root(&relocate.public_libdir);
    let moved: BTreeMap<String, String> = leaves
        .iter()
        .filter_map(|(path, leaf)| {
            let name = file_name(path);
            let to = match (parent(path), library(name)?) {
                (folder, Library::Versioned(stem)) if folder == private && !relocate.unstable.contains(&stem) => public,
                (folder, Library::Link) if folder == public && matches!(leaf.kind, Kind::Symlink { .. }) => &private,
                _ => return None,
            };
            Some((path.clone(), join(to, name)))
        })
        .collect();
    let mut published = Leaves::new();
    for (path, mut leaf) in leaves {
        let place_at = moved.get(&path).cloned().unwrap_or_else(|| path.clone());
        if let Kind::Symlink { target } = &leaf.kind
            && let Some(led) = lead(parent(&path), target)
            && (moved.contains_key(&led) || (place_at != path && !target.starts_with('/')))
        {
            let now = moved.get(&led).unwrap_or(&led);
            leaf.kind = Kind::Symlink { target: relative(parent(&place_at), now) };
        }
        place(&mut published, place_at, leaf, wrong);
    }
    published
}

/// An absolute link inside the tree would lead out of an image or a chroot that holds it. One that leads elsewhere is left to the
/// audit.
fn make_links_relative(leaves: &mut Leaves) {
    let absolute = leaves.iter().filter_map(|(path, leaf)| match &leaf.kind {
        Kind::Symlink { target } if target.starts_with('/') => Some((path.clone(), lead("", target)?)),
        _ => None,
    });
    let inside = |led: &String| {
        let below = leaves.range(format!("{led}/")..).next().is_some_and(|(path, _)| within(path, led));
        below || leaves.contains_key(led)
    };
    let inside: Vec<(String, String)> = absolute.filter(|(_, led)| inside(led)).collect();
    for (path, led) in inside {
        let target = relative(parent(&path), &led);
        leaves.get_mut(&path).expect("the path was just listed").kind = Kind::Symlink { target };
    }
}

enum Library {
    /// `libxencall.so.1.3`, with the name before `.so`.
    Versioned(String),
    /// `libxencall.so`.
    Link,
}

fn library(name: &str) -> Option<Library> {
    let (stem, version) = name.strip_prefix("lib").and_then(|_| name.split_once(".so"))?;
    match version.strip_prefix('.') {
        None if version.is_empty() => Some(Library::Link),
        Some(number) if number.starts_with(|c: char| c.is_ascii_digit()) => Some(Library::Versioned(stem.to_owned())),
        _ => None,
    }
}

/// Adds the dispatcher and, for each private program that asks for it, a public link to it.
fn dispatch(relocate: &Relocate, leaves: &mut Leaves, wrong: &mut Vec<String>) -> Result<()> {
    let globs = Filter::new(&relocate.dispatch)?;
    let unused = globs.unused(leaves.keys().map(String::as_str)).into_iter().map(|at| &relocate.dispatch[at]);
    wrong.extend(unused.map(|glob| format!("relocate.dispatch: `{glob}` matches no program that a step staged")));
    let private = below_root(&relocate.private);
    let programs: Vec<String> = leaves.keys().filter(|path| globs.keeps(path)).cloned().collect();
    if programs.is_empty() {
        return Ok(());
    }
    place(leaves, DISPATCHER.to_owned(), script(DISPATCHER_SCRIPT), wrong);
    for program in programs {
        let folder = ["bin", "sbin"].into_iter().find(|folder| parent(&program) == join(private, folder));
        let Some(folder) = folder else {
            wrong.push(format!("relocate.dispatch: {program} is neither in {private}/bin nor in {private}/sbin"));
            continue;
        };
        let folder = join("usr", folder);
        place(leaves, join(&folder, file_name(&program)), link(&relative(&folder, DISPATCHER)), wrong);
    }
    Ok(())
}

/// For each private init script one in `/etc/init.d` that starts it, where there is a dispatcher to do so. systemd takes a unit
/// instead of the script of its name and makes one for a script without: where units are staged they do all the work, and the
/// name of a script without one is masked.
fn start_with_the_machine(relocate: &Relocate, leaves: &mut Leaves, wrong: &mut Vec<String>) {
    let private = join(below_root(&relocate.private), "init.d");
    let units = leaves.keys().any(|path| within(path, UNITS));
    for (name, content) in INIT_SCRIPTS {
        if !leaves.contains_key(DISPATCHER) || !leaves.contains_key(&join(&private, name)) {
            continue;
        }
        place(leaves, join("etc/init.d", name), script(content), wrong);
        let unit = join(UNITS, &format!("{name}.service"));
        if units && !leaves.contains_key(&unit) {
            place(leaves, unit, link("/dev/null"), wrong);
        }
    }
}

fn script(content: &'static [u8]) -> Leaf {
    let kind = Kind::File { mode: 0o755, size: content.len() as u64, sha256: Hash::of(content) };
    Leaf { kind, step: DISPATCH.to_owned(), content: Content::Own(content) }
}

fn link(target: &str) -> Leaf {
    Leaf { kind: Kind::Symlink { target: target.to_owned() }, step: DISPATCH.to_owned(), content: Content::Nothing }
}

/// Xen's tools have the path of a pinned firmware compiled in, so it must be there, from the step that the recipe names.
fn check_providers(recipe: &Recipe, leaves: &Leaves, wrong: &mut Vec<String>) {
    for (component, provide) in &recipe.provide {
        let Provide::Pinned { step, path } = provide else { continue };
        let name = component.name();
        match leaves.get(below_root(path)) {
            Some(leaf) if leaf.step == *step => {}
            Some(leaf) => wrong
                .push(format!("provide.{name}: {path} should come from step `{step}`, step `{}` staged it", leaf.step)),
            None => wrong.push(format!("provide.{name}: step `{step}` should stage {path}, nothing is there")),
        }
    }
}

/// A path cannot be a file in one step and a folder in another.
fn check_folders(leaves: &Leaves, wrong: &mut Vec<String>) {
    for (path, leaf) in leaves {
        if matches!(leaf.kind, Kind::Directory { .. }) {
            continue;
        }
        let inside = leaves.range(format!("{path}/")..).next().filter(|(other, _)| within(other, path));
        if let Some((other, below)) = inside {
            wrong.push(format!(
                "{path}: step `{}` stages {}, step `{}` a folder with {other} in it",
                leaf.step,
                describe(&leaf.kind),
                below.step
            ));
        }
    }
}
