//! An in-toto statement (v1) with SLSA provenance (v1): from which pins, by which steps, which artifacts were made.
//!
//! Unsigned, and without a clock: whoever builds the same recipe gets the same statement, and may sign it.

use super::{VERSION, address, escaped, place, purl};
use crate::digest::{Hash, Key};
use crate::job::Job;
use crate::package::Artifact;
use crate::recipe::{Origin, Source};
use crate::sandbox;
use crate::sources::used;
use crate::toolchain::Deb;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What `docs/papers.md` describes.
const BUILD_TYPE: &str = "urn:xenwright:build:1";
const BUILDER: &str = "urn:xenwright:builder";

pub fn statement(job: &Job, key: &Key, artifacts: &[Artifact]) -> Value {
    let subject = artifacts.iter().map(|a| json!({ "name": a.name, "digest": { "sha256": a.sha256 } }));
    let steps: Map<String, Value> =
        job.plan.steps.iter().map(|step| (step.name.clone(), json!(step.key.as_str()))).collect();
    let mut environment: Map<String, Value> =
        sandbox::ENV.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    environment.insert("SOURCE_DATE_EPOCH".to_owned(), json!(job.recipe.epoch.to_string()));
    let toolchains: Map<String, Value> =
        job.toolchains.values().map(|one| (one.name.clone(), json!(one.key().as_str()))).collect();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject.collect::<Vec<_>>(),
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "recipe": job.recipe.stem(),
                    "version": job.recipe.version.to_string(),
                    "revision": job.recipe.revision,
                    "formats": job.recipe.formats.iter().map(|format| format.name()).collect::<Vec<_>>(),
                },
                "internalParameters": {
                    "sandbox": { "layout": sandbox::LAYOUT, "build-path": sandbox::BUILD, "environment": environment },
                    "toolchain": { "name": job.toolchain.name, "key": job.toolchain.key().as_str() },
                    "toolchains": toolchains,
                    "steps": steps,
                },
                "resolvedDependencies": dependencies(job),
            },
            "runDetails": {
                "builder": { "id": BUILDER, "version": { "xenwright": VERSION } },
                "metadata": { "invocationId": key.as_str() },
            },
        },
    })
}

/// All pins: recipe, sources, patches, packages of the toolchain.
fn dependencies(job: &Job) -> Vec<Value> {
    let file = format!("recipes/{}.toml", job.recipe.stem());
    let mut all = vec![json!({ "name": file, "uri": uri(&file), "digest": { "sha256": job.file } })];
    for (part, sha256) in &job.parts {
        all.push(json!({ "name": part, "uri": uri(part), "digest": { "sha256": sha256 } }));
    }
    for (name, source) in used(&job.recipe) {
        all.extend(source.origins.iter().map(|origin| of_origin(name, source, origin)));
        if let Some(folder) = &source.folder {
            for (path, (_, sha256)) in &folder.files {
                let file = format!("{}/{path}", folder.path);
                all.push(json!({ "name": file, "uri": uri(&file), "digest": { "sha256": sha256 } }));
            }
        }
        for patch in &job.queues[name].patches {
            let sha256 = Hash::of(&patch.text);
            let place = place(&job.recipe, source, patch);
            let uri = if source.queue.is_none() { format!("file:{place}") } else { place };
            all.push(json!({ "name": patch.file, "uri": uri, "digest": { "sha256": sha256 } }));
        }
    }
    let debs: BTreeMap<&str, &Deb> =
        job.toolchains.values().flat_map(|one| &one.debs).map(|deb| (deb.path.as_str(), deb)).collect();
    for deb in debs.into_values() {
        all.push(json!({
            "name": deb.path,
            "uri": purl(deb),
            "digest": { "sha256": deb.sha256 },
        }));
    }
    all
}

/// A file of the checkout.
fn uri(path: &str) -> String {
    let parts: Vec<String> = path.split('/').map(escaped).collect();
    format!("file:{}", parts.join("/"))
}

/// One place of a source: a tarball by its digest, a repository by its commit. The tree's id holds for both.
fn of_origin(name: &str, source: &Source, origin: &Origin) -> Value {
    let mut digest = Map::new();
    match origin {
        Origin::Git(_) => {
            drop(source.commit.as_ref().map(|commit| digest.insert("gitCommit".to_owned(), json!(commit))))
        }
        Origin::Debian(origin) => drop(digest.insert("sha256".to_owned(), json!(origin.sha256))),
        Origin::Url(origin) => drop(digest.insert("sha256".to_owned(), json!(origin.sha256))),
    }
    let mut value = json!({ "name": format!("source/{name}"), "uri": address(origin) });
    if let Some(tree) = &source.tree {
        digest.insert("gitTree".to_owned(), json!(tree));
    }
    if let (Origin::Git(_), Some(commit)) = (origin, &source.commit) {
        value["uri"] = json!(format!("git+{}@{}", address(origin), commit.as_str()));
    }
    value["digest"] = Value::Object(digest);
    value["annotations"] = json!({ "release": source.release });
    value
}
