//! Debian's record of a build, as deb-buildinfo(5) has it: artifacts, the packages that were there, the environment of steps.

use crate::job::Job;
use crate::package::{Artifact, Packed};
use crate::sandbox;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// `xen_4.17.5+72-1_amd64.buildinfo`.
pub fn name(job: &Job) -> String {
    let recipe = &job.recipe;
    format!("{}_{}_{}.buildinfo", recipe.name, recipe.full_version(), recipe.architecture.debian())
}

pub fn text(job: &Job, packed: &Packed) -> String {
    let recipe = &job.recipe;
    let architecture = recipe.architecture.debian();
    let mut text = format!("Format: 1.0\nSource: {}\n", recipe.name);
    let held: BTreeSet<&str> = packed.document.entries.iter().filter_map(|item| item.package.as_deref()).collect();
    let packages = recipe.package.iter().map(|package| package.name.as_str()).filter(|name| held.contains(name));
    let debs: Vec<&Artifact> = packed.artifacts.iter().filter(|artifact| artifact.name.ends_with(".deb")).collect();
    let _ = writeln!(text, "Binary: {}", packages.collect::<Vec<_>>().join(" "));
    let _ = writeln!(text, "Architecture: {}\nVersion: {}", architectures(&debs, architecture), recipe.full_version());
    let _ = writeln!(text, "Checksums-Sha256:");
    // Debian's tools know what to do with packages of theirs. Without any, this is the record of what there is.
    let artifacts = if debs.is_empty() { packed.artifacts.iter().collect() } else { debs };
    for artifact in artifacts {
        let _ = writeln!(text, " {} {} {}", artifact.sha256, artifact.size, artifact.name);
    }
    let _ = writeln!(text, "Build-Architecture: {architecture}\nBuild-Path: {}", sandbox::BUILD);
    let debs: Vec<String> =
        job.toolchain.debs.iter().map(|deb| format!("\n {} (= {})", deb.name, deb.version)).collect();
    let _ = writeln!(text, "Installed-Build-Depends:{}\nEnvironment:", debs.join(","));
    // What one step adds for itself is part of the recipe, whose digest is in the provenance.
    let epoch = recipe.epoch.to_string();
    let mut environment: Vec<(&str, &str)> = sandbox::ENV.to_vec();
    environment.push(("SOURCE_DATE_EPOCH", &epoch));
    environment.sort();
    for (name, value) in environment {
        let _ = writeln!(text, " {name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
    }
    text
}

/// Those that the packages' names say, `amd64 all`, or the machine's own where there is no package.
fn architectures(debs: &[&Artifact], own: &str) -> String {
    let of = |deb: &&Artifact| Some(deb.name.strip_suffix(".deb")?.rsplit_once('_')?.1.to_owned());
    let all: BTreeSet<String> = debs.iter().filter_map(of).collect();
    if all.is_empty() { own.to_owned() } else { all.into_iter().rev().collect::<Vec<_>>().join(" ") }
}
