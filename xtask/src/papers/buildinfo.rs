//! Debian's record of a build, as deb-buildinfo(5) has it: artifacts, the packages that were there, the environment of steps.

use crate::job::Job;
use crate::package::Artifact;
use crate::sandbox;
use std::fmt::Write as _;

/// `xen_4.17.5+72_amd64.buildinfo`.
pub fn name(job: &Job) -> String {
    let recipe = &job.recipe;
    format!("{}_{}_{}.buildinfo", recipe.name, recipe.version, recipe.architecture.debian())
}

pub fn text(job: &Job, artifacts: &[Artifact]) -> String {
    let recipe = &job.recipe;
    let architecture = recipe.architecture.debian();
    let mut text = format!("Format: 1.0\nSource: {}\n", recipe.name);
    let packages: Vec<&str> = recipe.package.iter().map(|package| package.name.as_str()).collect();
    let _ = writeln!(text, "Binary: {}", packages.join(" "));
    let _ = writeln!(text, "Architecture: {architecture}\nVersion: {}\nChecksums-Sha256:", recipe.version);
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
