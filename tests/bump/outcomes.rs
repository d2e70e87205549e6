//! Bumps that go well, and those whose queue does not fit.

use super::*;
use crate::support::http::Server;

#[test]
fn a_point_release_is_written_with_its_queue_and_reviewed() {
    let world = World::new();
    world.tag("4.17.6");
    // Another project has a tag of the name that mini-os's has.
    let another = Repository::init(world.path("mirror/another")).unwrap();
    let id = commit(&another, &root().join("tests/bump/trees/xen-4.17.4"), EPOCH);
    another.reference("refs/tags/xen-RELEASE-4.17.6", id, true, "").unwrap();

    let before = world.repository();
    world.answer("point-dry", &format!("{BUMP} --dry-run"));
    assert_eq!(world.repository(), before, "a dry run writes nothing");

    world.answer("point", BUMP);
    world.recipe("4.17.6");
    let queue = |stem: &str, name: &str| fs::read(world.path(&format!("patches/{stem}/xen/{name}"))).ok();
    let exact = "0101-tools-say-more.patch";
    assert_eq!(queue("xen-4.17.6", exact), queue("xen-4.17.4", exact), "a patch that applies exactly keeps its bytes");
    let moved = String::from_utf8(queue("xen-4.17.6", "0102-tools-say-less.patch").unwrap()).unwrap();
    assert!(moved.contains("@@ -7,7 +7,7 @@"), "{moved}");
    assert_eq!(queue("xen-4.17.6", "0201-tools-spell-the-number.patch"), None, "upstream has it");
    let after: Vec<_> =
        world.repository().into_iter().filter(|(path, _)| !path.to_string_lossy().contains("4.17.6")).collect();
    assert_eq!(after, before, "the old recipe and its queue stay");

    world.answer("again", "xtask bump xen-4.17.4 4.17.6 --offline --mirror mirror");
    let listed = world.run("xtask list --json");
    assert!(listed.stdout.contains("xen-4.17.6"), "{}", listed.stdout);
}

#[test]
fn another_series_changes_every_path_and_a_conflict_leaves_the_queue() {
    let world = World::new();
    world.tag("4.18.0");
    let line = "xtask bump xen-4.17.4 4.18.0 --offline --mirror mirror";
    world.answer("series-dry", &format!("{line} --dry-run"));
    world.answer("series", line);
    world.recipe("4.18.0");
    assert!(!world.path("patches/xen-4.18.0").exists(), "a queue is written whole or not at all");

    // The way on that the message names.
    let rebase = world.run("xtask patch rebase xen-4.17.4 --onto xen-4.18.0 --offline --mirror mirror");
    let text = rebase.text("");
    assert!(rebase.code == 1 && text.contains("0101-tools-say-more.patch"), "{text}");
    let conflict = fs::read_to_string(world.path("target/rebase/xen-4.17.4/xen/tools/first.txt")).unwrap();
    assert!(conflict.contains("first line VIII") && conflict.contains("first line 8, and more"), "{conflict}");
}

#[test]
fn programs_read_the_review_as_json() {
    let world = World::new();
    world.tag("4.17.6");
    let answer = world.run(&format!("{BUMP} --json"));
    let result = answer.events().pop().unwrap();
    assert_eq!(result["event"], "result", "{}", answer.stdout);
    let result = &result["result"];
    assert_eq!(result["commit"], world.commit("4.17.6").to_string());
    assert_eq!(result["signer"], world.key.fingerprint());
    assert_eq!(result["written"], serde_json::json!(["recipes/xen-4.17.6.toml", "patches/xen-4.17.6/xen"]));
    assert_eq!(result["queues"]["xen"][0]["outcome"], "exact");
}

#[test]
fn a_tag_is_fetched_from_the_recipes_origin() {
    let served = scratch();
    let server = Server::start(served.path());
    let world = World::with_key(Key::new(MADE), &server.url("/git"));
    world.tag("4.17.6");
    // The mirror folder becomes the server's.
    for name in ["xen", "seabios"] {
        fs::rename(world.path("mirror").join(name).join(".git"), served.path().join(format!("{name}.git"))).unwrap();
    }
    let answer = world.run("xtask bump xen-4.17 4.17.6");
    let text = answer.text("");
    assert_eq!(answer.code, 0, "{text}");
    assert!(answer.stdout.contains(&format!("RELEASE-4.17.6 of {}", server.url("/git/xen.git"))), "{text}");
    assert!(!answer.stdout.contains("does not have the old commit"), "{text}");
    let recipe = fs::read_to_string(world.path("recipes/xen-4.17.6.toml")).unwrap();
    assert!(recipe.contains("release = \"rel-1.16.1\""), "the server's list of tags says which commit it is: {recipe}");
}

#[test]
fn a_subkey_signs_for_its_primary_key() {
    let world = World::new();
    let payload = world.payload("4.17.6");
    let signature = world.key.sign_beside_by_subkey(payload.as_bytes(), MADE + DAY);
    world.write_tag("4.17.6", &(payload + &signature));
    let answer = world.run(&format!("{BUMP} --dry-run"));
    assert_eq!(answer.code, 0, "{}", answer.text(""));
}

#[test]
fn a_key_that_has_expired_since_is_believed() {
    let mut key = Key::new(MADE);
    key.state(MADE, Some(30 * DAY), true);
    let world = World::with_key(key, "https://xen.example");
    world.tag("4.17.6");
    let answer = world.run(&format!("{BUMP} --dry-run"));
    assert_eq!(answer.code, 0, "{}", answer.text(""));
}

#[test]
fn xens_key_is_the_pinned_one_in_every_recipe() {
    let folder = root().join("recipes");
    let armored = fs::read_to_string(folder.join("keys/xen.asc")).unwrap();
    for entry in xtask::catalog::all(&root()).unwrap() {
        let recipe = xtask::catalog::load(&root(), &entry).unwrap();
        let signer = recipe.source["xen"].signed_by.clone().expect("a recipe says who signs its source");
        assert_eq!(signer, "23E3222C145F4475FA8060A783FE14C957E82BD9");
        assert_eq!(xtask::openpgp::certificates(&armored, &[signer]).unwrap().len(), 1);
    }
}
