//! The packages that a tree was divided into, as the bill names them: which artifacts carry each, and what it holds.

use super::bom::file;
use crate::job::Job;
use crate::package::{AUDIT, Artifact, Document, MANIFEST};
use crate::recipe::{Format, Recipe};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The end of the names of a format's packages, one package a file, and what stands there between name and version. A tarball
/// holds all packages at once.
const FORMS: [(Format, &str, char); 3] =
    [(Format::Arch, ".pkg.tar.zst", '-'), (Format::Deb, ".deb", '_'), (Format::Rpm, ".rpm", '-')];

/// The package that an artifact carries, by the artifact's name; nothing for what is none.
pub fn carried<'p>(packages: impl Iterator<Item = &'p str>, artifact: &str) -> Option<&'p str> {
    let (_, _, separator) = FORMS.iter().find(|(_, end, _)| artifact.ends_with(end))?;
    // `xen-libs` begins as `xen-libs-4.17` does.
    packages
        .filter(|name| artifact.strip_prefix(name).is_some_and(|rest| rest.starts_with(*separator)))
        .max_by_key(|name| name.len())
}

fn of_recipe<'r>(recipe: &'r Recipe, artifact: &str) -> Option<&'r str> {
    carried(recipe.package.iter().map(|package| package.name.as_str()), artifact)
}

/// One component a package that holds something, and what it depends on.
pub fn components(job: &Job, document: &Document, artifacts: &[Artifact]) -> Vec<(Value, Value)> {
    let recipe = &job.recipe;
    let mut held: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for item in document.entries.iter() {
        if let Some(package) = &item.package {
            held.entry(package).or_default().push(file(&item.path));
        }
    }
    let packages = recipe.package.iter().filter_map(|package| Some((package, held.get(package.name.as_str())?)));
    let both = packages.map(|(package, files)| {
        let mut component = json!({
            "type": "application",
            "bom-ref": reference(&package.name),
            "name": package.name,
            "version": recipe.full_version(),
        });
        if let Some(summary) = &package.summary {
            component["description"] = json!(summary);
        }
        let carriers = artifacts.iter().filter(|artifact| of_recipe(recipe, &artifact.name) == Some(&package.name));
        let carriers: Vec<Value> = carriers.map(distribution).collect();
        if !carriers.is_empty() {
            component["externalReferences"] = json!(carriers);
        }
        let needs = package.needs.iter().filter(|need| held.contains_key(need.as_str())).map(|need| reference(need));
        let on: Vec<String> = files.iter().cloned().chain(needs).collect();
        (component, json!({ "ref": reference(&package.name), "dependsOn": on }))
    });
    both.collect()
}

/// The artifacts that carry the whole tree.
pub fn of_all(recipe: &Recipe, artifacts: &[Artifact]) -> Vec<Value> {
    let about = |name: &str| name == MANIFEST || name == AUDIT;
    let whole =
        artifacts.iter().filter(|artifact| !about(&artifact.name) && of_recipe(recipe, &artifact.name).is_none());
    whole.map(distribution).collect()
}

/// The reference of a package.
pub fn reference(name: &str) -> String {
    format!("package:{name}")
}

/// An artifact that lies beside the bill.
fn distribution(artifact: &Artifact) -> Value {
    let hashes = json!([{ "alg": "SHA-256", "content": artifact.sha256 }]);
    json!({ "type": "distribution", "url": artifact.name, "hashes": hashes })
}
