//! The workflows in `docs/ci` that packagers copy: they can be read, do the whole way in its order, end, and keep their reports.

use crate::support::root;
use yaml_rust2::{Yaml, YamlLoader};

fn document(text: &str) -> Yaml {
    let mut documents = YamlLoader::load_from_str(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn workflow(name: &str) -> Yaml {
    document(&fs_err::read_to_string(root().join("docs/ci").join(name)).unwrap())
}

/// The verbs of all commands of this project, in their order.
fn verbs<'y>(scripts: impl Iterator<Item = &'y str>) -> Vec<&'y str> {
    let lines = scripts.flat_map(str::lines).filter_map(|line| line.trim().strip_prefix("cargo xtask "));
    lines.map(|line| line.split(' ').next().unwrap()).collect()
}

const WAY: [&str; 8] = ["store", "fetch", "build", "check", "audit", "boot", "repro", "store"];

#[test]
fn the_workflow_for_github_is_whole() {
    let workflow = workflow("github.yml");
    let job = &workflow["jobs"]["packages"];
    assert!(
        job["timeout-minutes"].as_i64().is_some_and(|minutes| minutes <= 360),
        "a job of GitHub's ends after six hours"
    );
    let steps = job["steps"].as_vec().unwrap();
    assert_eq!(verbs(steps.iter().filter_map(|step| step["run"].as_str())), WAY);
    for step in steps {
        let named = step["run"].as_str().is_some() || step["uses"].as_str().is_some_and(|action| action.contains('@'));
        assert!(named, "a step runs something or uses an action of a version: {step:?}");
    }
    let kept: Vec<(Option<&str>, Option<&str>)> =
        steps.iter().map(|step| (step["with"]["path"].as_str(), step["if"].as_str())).collect();
    assert!(kept.contains(&(Some("target/packages"), None)), "{kept:?}");
    assert!(kept.contains(&(Some("target/reports"), Some("always()"))), "reports matter most after a failure");
}

#[test]
fn the_workflow_for_gitlab_is_whole() {
    let workflow = workflow("gitlab.yml");
    let job = &workflow["packages"];
    assert!(job["timeout"].as_str().is_some());
    let scripts = ["before_script", "script", "after_script"].map(|part| job[part].as_vec().unwrap().clone());
    let lines: Vec<Yaml> = scripts.concat();
    assert_eq!(verbs(lines.iter().map(|line| line.as_str().expect("a line of a script is text"))), WAY);
    assert_eq!(job["artifacts"]["when"].as_str(), Some("always"), "reports matter most after a failure");
    let kept: Vec<&str> = job["artifacts"]["paths"].as_vec().unwrap().iter().filter_map(Yaml::as_str).collect();
    assert_eq!(kept, ["target/packages", "target/reports"]);
}

/// Both do the same: a line that is changed in one is forgotten in the other otherwise.
#[test]
fn both_workflows_run_the_same_commands() {
    let commands = |name: &str| -> Vec<String> {
        let text = fs_err::read_to_string(root().join("docs/ci").join(name)).unwrap();
        text.lines().filter_map(|line| Some(line.split_once("cargo xtask ")?.1.to_owned())).collect()
    };
    assert_eq!(commands("github.yml"), commands("gitlab.yml"));
}
