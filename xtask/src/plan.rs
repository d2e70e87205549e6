//! From a recipe, its patch queues and its toolchain to keyed steps in an order that can be built. Pure: nothing is fetched.
//!
//! A step's key is known before anything it needs has been built: it is made of keys, and the same key stands for the same bytes.

use crate::digest::{Key, KeyBuilder};
use crate::filter::Filter;
use crate::patches::{self, Queue};
use crate::provide;
use crate::recipe::{Recipe, Step};
use crate::{sandbox, sources};
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;

/// A step that is ready to be looked up in the store, or to be run.
#[derive(Clone, Debug)]
pub struct Planned {
    pub name: String,
    pub key: Key,
    /// By name.
    pub toolchain: String,
    pub step: Step,
    /// What `/bin/sh` runs: the variables that the recipe's script names, then the script.
    pub script: String,
    /// The environment, but for what the sandbox and the jobserver add.
    pub env: BTreeMap<String, String>,
    /// The patches that reach the step's files, in order.
    pub patches: Vec<String>,
}

/// All steps, each after those that it needs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The recipe's stem.
    pub recipe: String,
    pub steps: Vec<Planned>,
}

impl Plan {
    /// `toolchain` gives the key of an unpacked root, by the toolchain's name.
    pub fn new(recipe: &Recipe, queues: &BTreeMap<String, Queue>, toolchain: &dyn Fn(&str) -> Key) -> Result<Plan> {
        let mut plan = Plan { recipe: recipe.stem(), steps: Vec::new() };
        let mut keys: BTreeMap<&str, Key> = BTreeMap::new();
        while keys.len() < recipe.step.len() {
            let ready = recipe.step.iter().find(|(name, step)| {
                !keys.contains_key(name.as_str()) && step.inputs().all(|need| keys.contains_key(need.as_str()))
            });
            let Some((name, step)) = ready else {
                let waiting: Vec<&str> =
                    recipe.step.keys().map(String::as_str).filter(|name| !keys.contains_key(name)).collect();
                bail!("steps {} wait for each other", waiting.join(", "));
            };
            let planned = planned(recipe, name, step, queues, &toolchain(recipe.toolchain_of(step)), &keys)
                .with_context(|| format!("planning step {name} of {}", recipe.stem()))?;
            keys.insert(name, planned.key.clone());
            plan.steps.push(planned);
        }
        Ok(plan)
    }

    /// One key for all outputs together.
    pub fn key(&self) -> Key {
        let builder = KeyBuilder::new("plan/1");
        self.steps.iter().fold(builder, |key, step| key.field(&step.name, step.key.as_str())).finish()
    }
}

fn planned(
    recipe: &Recipe,
    name: &str,
    step: &Step,
    queues: &BTreeMap<String, Queue>,
    toolchain: &Key,
    keys: &BTreeMap<&str, Key>,
) -> Result<Planned> {
    let source = recipe.source.get(&step.source).with_context(|| format!("no source `{}`", step.source))?;
    let filter = Filter::new(&step.paths)?;
    let reaching = queues.get(&step.source).map(|queue| patches::reaching(queue, |path| filter.keeps(path)));
    let reaching = reaching.unwrap_or_default();
    let script = variables(recipe, step)? + &step.run;
    let mut env = step.env.clone();
    env.insert("SOURCE_DATE_EPOCH".to_owned(), source.epoch.unwrap_or(recipe.epoch).to_string());
    if !step.sysroot.is_empty() {
        env.entry("PATH".to_owned()).or_insert_with(|| format!("{}/bin:{}", sandbox::SYSROOT, sandbox::PATH));
    }

    let mut key = KeyBuilder::new("step/1")
        .field("sandbox", sandbox::LAYOUT)
        .field("architecture", recipe.architecture.gnu())
        .field("toolchain", toolchain.as_str())
        .field("source", sources::identity_within(source, |path| filter.keeps(path)).as_str())
        .field("paths", step.paths.join("\n"))
        .field("script", &script);
    for patch in &reaching {
        key = key.field("patch", &patch.diff.body);
    }
    for (name, value) in &env {
        key = key.field("env", format!("{name}={value}"));
    }
    if let Some(kconfig) = &step.kconfig {
        key = key.field("kconfig", &kconfig.file);
        for (option, value) in &kconfig.options {
            key = key.field("option", format!("{option}={value}"));
        }
    }
    for need in &step.needs {
        key = key.field(need, keys[need.as_str()].as_str());
    }
    for part in &step.sysroot {
        key = key.field(&format!("sysroot/{part}"), keys[part.as_str()].as_str());
    }
    let patches = reaching.iter().map(|patch| patch.file.clone()).collect();
    let toolchain = recipe.toolchain_of(step).to_owned();
    Ok(Planned { name: name.to_owned(), toolchain, key: key.finish(), step: step.clone(), script, env, patches })
}

/// Shell assignments for the variables that a script names. They are not exported, since makefiles take the environment for
/// their own; and only those named are set, so that a change to another does not reach this step.
fn variables(recipe: &Recipe, step: &Step) -> Result<String> {
    let all = [
        ("OUT", sandbox::OUT.to_owned()),
        ("PREFIX", recipe.relocate.private.clone()),
        ("LIBDIR", recipe.relocate.public_libdir.clone()),
        ("SERIES", recipe.series.clone()),
        ("VERSION", recipe.version.to_string()),
        ("PROVIDERS", provide::flags(&recipe.provide, &recipe.relocate.private).join(" ")),
    ];
    let mut text = String::new();
    for (name, value) in all {
        if !names(&step.run, name) {
            continue;
        }
        if value.contains('\'') {
            bail!("variable {name} cannot hold a quote: {value}");
        }
        text.push_str(&format!("{name}='{value}'\n"));
    }
    Ok(text)
}

/// Whether a script expands a variable: `$NAME` or `${NAME…`.
fn names(script: &str, variable: &str) -> bool {
    script.match_indices('$').any(|(at, _)| {
        let rest = script[at + 1..].trim_start_matches('{');
        rest.strip_prefix(variable)
            .is_some_and(|after| !after.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_named_whole() {
        assert!(names("make DESTDIR=$OUT", "OUT"));
        assert!(names("x=\"${PREFIX}/lib\"", "PREFIX"));
        assert!(!names("echo $OUTPUT OUT", "OUT"));
    }
}
