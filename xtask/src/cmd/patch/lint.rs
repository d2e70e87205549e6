//! `patch lint`: all findings on the form of the queues. Reads the checkout only: no source, no store, no network.

use crate::catalog;
use crate::cli::patch as cli;
use crate::context;
use crate::fault::Fault;
use crate::patches::diff::read_file;
use crate::patches::lint::{self, File, Finding};
use crate::recipe::Recipe;
use crate::report::Report;
use anyhow::Result;
use fs_err as fs;
use serde_json::json;
use std::path::Path;

pub fn run(args: &cli::Lint, report: &Report) -> Result<()> {
    let (patches, findings) = check(&context::checkout()?, args.wanted.as_deref())?;
    let patches_counted = format!("{patches} {}", if patches == 1 { "patch" } else { "patches" });
    let text = if findings.is_empty() { format!("no findings in {patches_counted}") } else { lint::render(&findings) };
    report.result(text.trim_end(), json!({ "patches": patches, "findings": findings }));
    match findings.len() {
        0 => Ok(()),
        1 => Err(Fault::failed(format!("1 finding in {patches_counted}")).into()),
        count => Err(Fault::failed(format!("{count} findings in {patches_counted}")).into()),
    }
}

/// How many patches the queues of one recipe, or of all, hold, and what is to be said about them.
pub fn check(root: &Path, wanted: Option<&str>) -> Result<(usize, Vec<Finding>)> {
    let recipes = match wanted {
        Some(wanted) => vec![catalog::find(root, wanted)?],
        None => catalog::all(root)?.iter().map(|entry| catalog::load(root, entry)).collect::<Result<_>>()?,
    };
    let (mut patches, mut findings) = (0, Vec::new());
    if wanted.is_none() {
        let stems: Vec<String> = recipes.iter().map(Recipe::stem).collect();
        let strange = names(root, "patches")?.into_iter().filter(|name| !stems.contains(name));
        let cure = "a queue lies in patches/<recipe>/<source>/";
        findings.extend(strange.map(|name| place(format!("patches/{name}"), "is called after no recipe", cure)));
    }
    for recipe in &recipes {
        let folder = format!("patches/{}", recipe.stem());
        for source in names(root, &folder)? {
            let queue = format!("{folder}/{source}");
            if !recipe.source.contains_key(&source) {
                let known: Vec<&str> = recipe.source.keys().map(String::as_str).collect();
                let cure = format!("call it after one of the sources: {}", known.join(", "));
                findings.push(place(queue, "is called after no source of the recipe", &cure));
                continue;
            }
            let files = files(root, &queue, &mut findings)?;
            patches += files.len();
            findings.extend(lint::queue(&files));
        }
    }
    Ok((patches, findings))
}

/// The patches of a queue, by name.
fn files(root: &Path, queue: &str, findings: &mut Vec<Finding>) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for name in names(root, queue)? {
        let path = format!("{queue}/{name}");
        if !name.ends_with(".patch") || !fs::symlink_metadata(root.join(&path))?.is_file() {
            findings.push(place(path, "is no patch file", "a queue holds NNNN-<subject>.patch files and nothing else"));
            continue;
        }
        let text = read_file(&root.join(&path)).map_err(|error| Fault::usage(format!("{path}: {error}")))?;
        files.push(File { path, text });
    }
    Ok(files)
}

fn place(file: String, text: &str, cure: &str) -> Finding {
    Finding { file, line: None, rule: "place", text: text.to_owned(), cure: cure.to_owned() }
}

/// What lies in a folder, sorted; nothing where there is none.
fn names(root: &Path, folder: &str) -> Result<Vec<String>> {
    let folder = root.join(folder);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<String>>>()?;
    names.sort();
    Ok(names)
}
