//! Recipes that are read, and mistakes that are named: `recipe/ok/*.toml`, and `recipe/err/*.toml` with its message beside it.

use crate::support::{cases, expect, shown};
use xtask::{fault, recipe};

#[test]
fn a_good_recipe_is_read() {
    for file in cases("recipe/ok", "toml") {
        let text = fs_err::read_to_string(&file).unwrap();
        if let Err(error) = recipe::parse(&shown(&file), &text) {
            panic!("{}", fault::render(&error));
        }
    }
}

#[test]
fn a_mistake_is_named_with_its_place_and_what_was_expected() {
    for file in cases("recipe/err", "toml") {
        let text = fs_err::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let error = recipe::parse(&name, &text).map(|_| panic!("{name} is read without a complaint")).unwrap_err();
        assert_eq!(fault::exit_code(&error), 2, "{name}");
        expect::golden(&file.with_extension("txt"), &format!("{}\n", fault::render(&error)));
    }
}
