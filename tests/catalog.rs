//! The folder of recipes: file names that do not fit, and the words that choose among them.

use crate::support::{context, expect, root};
use std::collections::BTreeMap;
use xtask::digest::KeyBuilder;
use xtask::plan::Plan;
use xtask::recipe::Recipe;
use xtask::{catalog, fault, sources};

fn checkout(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("recipes")).unwrap();
    for (name, text) in files {
        fs_err::write(folder.path().join("recipes").join(name), text).unwrap();
    }
    folder
}

#[test]
fn a_file_that_is_not_named_after_its_recipe_is_an_error() {
    let recipe = include_str!("recipe/ok/least.toml");
    let folder = checkout(&[("mini-os-1.0.1.toml", recipe)]);
    let text = fault::render(&catalog::find(folder.path(), "mini-os").unwrap_err());
    assert!(text.contains("recipes/mini-os-1.0.1.toml holds the recipe `mini-os-1.0.0`"), "{text}");

    let folder = checkout(&[("mini-os.toml", recipe)]);
    let text = fault::render(&catalog::find(folder.path(), "mini-os").unwrap_err());
    assert!(text.contains("recipes/mini-os.toml is not named after a recipe"), "{text}");
}

#[test]
fn a_recipe_is_found_by_the_beginning_of_its_name() {
    let folder = checkout(&[("mini-os-1.0.0.toml", include_str!("recipe/ok/least.toml")), ("README", "not a recipe")]);
    assert_eq!(catalog::find(folder.path(), "mini-os-1").unwrap().stem(), "mini-os-1.0.0");
}

/// A checkout whose recipe includes `parts`, and where `library` is a part.
fn including(parts: &str, library: &str) -> tempfile::TempDir {
    let recipe = include_str!("recipe/ok/least.toml").replace("series =", &format!("include = [{parts}]\nseries ="));
    let folder = checkout(&[("mini-os-1.0.0.toml", &recipe)]);
    fs_err::create_dir(folder.path().join(catalog::PARTS)).unwrap();
    fs_err::write(folder.path().join(catalog::PARTS).join("library.toml"), library).unwrap();
    fs_err::create_dir_all(folder.path().join("own/target")).unwrap();
    for (file, text) in [("own/one.c", "int one;\n"), ("own/two.c", "int two;\n"), ("own/target/one.o", "code")] {
        fs_err::write(folder.path().join(file), text).unwrap();
    }
    folder
}

const LIBRARY: &str =
    "[source.own]\nfolder = \"own\"\n[step.library]\nsource = \"own\"\npaths = [\"one.c\"]\nrun = \"make\"\n";

#[test]
fn a_part_is_read_with_the_recipe_that_includes_it() {
    let folder = including("\"library\"", LIBRARY);
    let recipe = catalog::find(folder.path(), "mini-os").unwrap();
    assert_eq!(recipe.step["library"].source, "own");
    let files = &recipe.source["own"].folder.as_ref().unwrap().files;
    assert_eq!(files.keys().collect::<Vec<_>>(), ["one.c", "two.c"], "what a compiler left is no source");

    // A step's key knows the files that it sees.
    let key = || {
        let recipe = catalog::find(folder.path(), "mini-os").unwrap();
        let key = KeyBuilder::new("test/1").finish();
        let plan = Plan::new(&recipe, &BTreeMap::new(), &|_| key.clone()).unwrap();
        plan.steps.into_iter().find(|step| step.name == "library").unwrap().key
    };
    let before = key();
    fs_err::write(folder.path().join("own/two.c"), "int three;\n").unwrap();
    assert_eq!(key(), before);
    fs_err::write(folder.path().join("own/one.c"), "int three;\n").unwrap();
    assert_ne!(key(), before);
}

#[test]
fn the_projects_own_files_are_brought_as_they_were_read() {
    let folder = including("\"library\"", LIBRARY);
    let mut ctx = context(&folder.path().join("store"));
    ctx.root = folder.path().to_owned();
    let recipe = catalog::find(folder.path(), "mini-os").unwrap();
    let own = sources::one(&ctx, "own", &recipe.source["own"]).unwrap();
    assert_eq!(fs_err::read_to_string(own.path().join("one.c")).unwrap(), "int one;\n");
    assert!(!own.path().join("target").exists());

    fs_err::write(folder.path().join("own/one.c"), "int other;\n").unwrap();
    let recipe = catalog::find(folder.path(), "mini-os").unwrap();
    fs_err::write(folder.path().join("own/one.c"), "int third;\n").unwrap();
    let text = fault::render(&sources::one(&ctx, "own", &recipe.source["own"]).unwrap_err());
    assert!(
        text.contains("own/one.c was changed while it was read") && text.contains("run the command again"),
        "{text}"
    );
}

#[test]
fn mistakes_in_parts_are_named_where_they_are() {
    let text = |parts: &str, library: &str| {
        let folder = including(parts, library);
        fault::render(&catalog::find(folder.path(), "mini-os").unwrap_err())
            .replace(folder.path().to_str().unwrap(), "[CHECKOUT]")
    };
    let mut all = String::new();
    for (parts, library) in [
        ("\"libary\"", LIBRARY),
        ("\"library\"", "[step.library]\nsource = \"mini-os\"\nrum = \"make\"\n"),
        ("\"library\"", "[step.kernel]\nsource = \"mini-os\"\nrun = \"make\"\n"),
        ("\"library\"", "[source.own]\nfolder = \"nowhere\"\n"),
        ("\"library\"", "[source.own]\nfolder = \"own\"\nsha256 = \"00\"\n"),
    ] {
        all += &format!("{}\n\n", text(parts, library));
    }
    expect::golden(&root().join("tests/catalog/parts.txt"), &all);
}

#[test]
fn a_copy_of_a_checkout_holds_what_a_build_reads() {
    let folder = including("\"library\"", LIBRARY);
    fs_err::create_dir(folder.path().join("toolchains")).unwrap();
    let recipe = catalog::find(folder.path(), "mini-os").unwrap();
    let copy = tempfile::tempdir().unwrap();
    catalog::copy(folder.path(), &recipe, copy.path()).unwrap();
    let again = catalog::find(copy.path(), "mini-os").unwrap();
    let identity = |recipe: &Recipe| sources::identity(&recipe.source["own"]);
    assert_eq!(identity(&again), identity(&recipe));
    assert!(copy.path().join("toolchains").is_dir() && !copy.path().join("own/target").exists());
}
