//! The papers beside the artifacts: a bill of materials, provenance, and Debian's record of the build. Same job, same bytes.
//!
//! They say what the pins, the tree and its files say, and nothing else: what is not known is left out. Nothing in them comes from
//! a clock, a machine or the network. `docs/papers.md` describes their fields.

pub mod attribution;
mod bom;
mod buildinfo;
pub mod bundles;
pub mod linked;
mod packages;
mod provenance;
pub mod query;

use crate::digest::Key;
use crate::job::Job;
use crate::package::{self, Packed};
use crate::patches::Patch;
use crate::recipe::{Origin, Recipe, Source};
use crate::toolchain::Deb;
use crate::{catalog, debian};
use anyhow::Result;
use attribution::Attribution;
use serde_json::Value;
use std::path::Path;

pub use packages::carried;

pub const BOM: &str = "bom.cdx.json";
pub const PROVENANCE: &str = "provenance.json";

/// The version of this program, which is what made the papers.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the papers are about.
pub struct Subject<'a> {
    pub job: &'a Job,
    /// Names the result.
    pub key: &'a Key,
    /// What every path of the tree was made of.
    pub attribution: &'a Attribution,
    /// Copies of others' code in the sources.
    pub bundles: &'a [bundles::Carried],
}

/// Writes all papers into `into` and adds them to what was packed.
pub fn write(subject: &Subject, packed: &mut Packed, into: &Path) -> Result<()> {
    let Subject { job, key, .. } = subject;
    let bom = text(&bom::bom(subject, packed));
    let buildinfo = buildinfo::text(job, packed);
    packed.artifacts.push(package::put(into, BOM, &bom)?);
    packed.artifacts.push(package::put(into, &buildinfo::name(job), &buildinfo)?);
    packed.artifacts.sort_by(|a, b| a.name.cmp(&b.name));
    // Last, since it speaks of all the others.
    let provenance = text(&provenance::statement(job, key, &packed.artifacts));
    packed.artifacts.push(package::put(into, PROVENANCE, &provenance)?);
    Ok(())
}

fn text(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The recipe's moment, as RFC 3339 has it.
fn timestamp(recipe: &Recipe) -> String {
    format!("{}Z", catalog::moment(recipe.epoch).replace(' ', "T"))
}

/// An origin's address. A path of Debian's archive stands for itself where no snapshot has it.
fn address(origin: &Origin) -> String {
    match origin {
        Origin::Git(origin) => origin.git.clone(),
        Origin::Url(origin) => origin.url.clone(),
        Origin::Debian(origin) => match &origin.snapshot {
            Some(moment) => format!("{}/{moment}/{}", debian::SNAPSHOT, origin.debian),
            None => origin.debian.clone(),
        },
    }
}

/// Where a patch to a source is: its path in the checkout, or the address of the tarball that holds the queue with the patch in it.
fn place(recipe: &Recipe, source: &Source, patch: &Patch) -> String {
    let path = patch.file.split('/').map(escaped).collect::<Vec<_>>().join("/");
    let holder = source.queue.as_ref().and_then(|packed| recipe.source.get(&packed.source)?.origins.first());
    match holder {
        Some(origin) => format!("{}#{path}", address(origin)),
        None => path,
    }
}

/// A locked package's name among all packages (package-url.org).
fn purl(deb: &Deb) -> String {
    let architecture = deb.file().trim_end_matches(".deb").rsplit_once('_').map(|(_, architecture)| architecture);
    let arch = architecture.map(|architecture| format!("?arch={}", escaped(architecture))).unwrap_or_default();
    format!("pkg:deb/debian/{}@{}{arch}", escaped(&deb.name), escaped(&deb.version))
}

/// Text within an address (RFC 3986): all but unreserved characters as `%XX`.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_in_the_checkout_or_in_the_tarball_that_holds_the_queue() {
        let recipe = crate::recipe::parse("whole.toml", include_str!("../../tests/recipe/ok/whole.toml")).unwrap();
        let of = |source: &str, file: &str| {
            let patch = Patch::of(b"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n".to_vec(), file.to_owned()).unwrap();
            place(&recipe, &recipe.source[source], &patch)
        };
        assert_eq!(of("seabios", "patches/xen-1+2/seabios/0101-a.patch"), "patches/xen-1%2B2/seabios/0101-a.patch");
        let tarball = "pool/main/x/xen/xen_4.17.5-1.debian.tar.xz";
        assert_eq!(of("xen", "debian/patches/misc/a"), format!("{tarball}#debian/patches/misc/a"));
    }
}
