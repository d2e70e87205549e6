//! The folder of recipes: file names that do not fit, and the words that choose among them.

use xtask::{catalog, fault};

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
