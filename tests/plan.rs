//! What the shipped recipes come to: `tests/golden/<recipe>/plan.txt` shows which patches reach which step.

use crate::support::{context, expect, root, scratch};
use std::fmt::Write as _;
use xtask::catalog;
use xtask::job::Job;
use xtask::plan::Plan;
use xtask::recipe::Recipe;

/// With the queues that are in the checkout. Others are in tarballs, which have to be fetched: the slow tests look at the recipes
/// that patch Xen so, and the others' builds show that theirs apply.
fn jobs() -> Vec<Job> {
    let store = scratch();
    let ctx = context(store.path());
    let load = |entry: &catalog::Entry| catalog::load(&root(), entry).unwrap();
    let recipes: Vec<Recipe> = catalog::all(&root()).unwrap().iter().map(load).collect();
    let own = recipes.into_iter().filter(|recipe| recipe.source[&recipe.step["hypervisor"].source].queue.is_none());
    let bare = |mut recipe: Recipe| {
        recipe.source.values_mut().for_each(|source| source.queue = None);
        recipe
    };
    let jobs: Vec<Job> = own.map(|recipe| Job::with(&ctx, &root(), bare(recipe)).unwrap()).collect();
    assert!(!jobs.is_empty(), "no recipe in recipes/");
    jobs
}

#[test]
fn every_recipe_plans_as_its_golden_file_says() {
    jobs().iter().for_each(as_its_golden_file_says);
}

pub fn as_its_golden_file_says(job: &Job) {
    let mut text = String::new();
    for planned in &job.plan.steps {
        writeln!(text, "{}: source {}", planned.name, planned.step.source).unwrap();
        for need in &planned.step.needs {
            writeln!(text, "  needs {need}").unwrap();
        }
        if !planned.step.sysroot.is_empty() {
            writeln!(text, "  sysroot {}", planned.step.sysroot.join(" ")).unwrap();
        }
        for patch in &planned.patches {
            writeln!(text, "  {patch}").unwrap();
        }
    }
    expect::golden(&root().join("tests/golden").join(job.recipe.stem()).join("plan.txt"), &text);
}

#[test]
fn every_patch_reaches_a_step() {
    for job in jobs() {
        for patch in job.queues.values().flat_map(|queue| &queue.patches) {
            let reached = job.plan.steps.iter().any(|planned| planned.patches.contains(&patch.file));
            assert!(reached, "{} touches no file of any step", patch.file);
        }
    }
}

#[test]
fn a_key_holds_what_reaches_the_step_and_nothing_else() {
    let mut job = jobs().into_iter().find(|job| job.recipe.stem() == "xen-4.17.5+72").unwrap();
    let before = job.plan.clone();
    let key = |plan: &Plan, step: &str| plan.steps.iter().find(|planned| planned.name == step).unwrap().key.clone();
    let again = |job: &Job| Plan::new(&job.recipe, &job.queues, &|name| job.toolchains[name].key()).unwrap();

    assert_eq!(again(&job).key(), before.key(), "the same input gave another key");

    // A patch to a tool's source reaches the tools and not the hypervisor.
    let mut patch = job.queues["xen"].patches[0].clone();
    let text = b"--- a/tools/xl/xl.c\n+++ b/tools/xl/xl.c\n@@ -1 +1 @@\n-/*\n+/**\n";
    patch.diff = xtask::patches::diff::read(text).unwrap();
    job.queues.get_mut("xen").unwrap().patches.push(patch);
    let after = again(&job);
    assert_ne!(key(&after, "tools"), key(&before, "tools"));
    assert_eq!(key(&after, "hypervisor"), key(&before, "hypervisor"));
    assert_eq!(key(&after, "seabios"), key(&before, "seabios"));
    job.queues.get_mut("xen").unwrap().patches.pop();

    // A provider reaches the step whose script names the providers.
    job.recipe.provide.remove(&xtask::recipe::Component::Ovmf);
    let after = again(&job);
    assert_ne!(key(&after, "tools"), key(&before, "tools"));
    assert_eq!(key(&after, "hypervisor"), key(&before, "hypervisor"));

    // The clock reaches everything but the sources that have their own, and what is made from them alone.
    job.recipe.epoch += 1;
    let after = again(&job);
    for planned in &before.steps {
        let own = job.recipe.source[&planned.step.source].epoch.is_some();
        let others = planned.step.inputs().any(|input| key(&after, input) != key(&before, input));
        assert_eq!(key(&after, &planned.name) != planned.key, !own || others, "{}", planned.name);
    }
}
