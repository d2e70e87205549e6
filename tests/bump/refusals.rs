//! Tags that are not believed, versions that cannot be bumped to, sisters that are missing: each leaves the repository as it was.

use super::*;

/// The answer is written down, and nothing else is.
fn refused(world: &World, name: &str, line: &str) {
    let before = world.repository();
    world.answer(name, line);
    assert_eq!(world.repository(), before, "{name}");
}

#[test]
fn a_lightweight_tag_is_refused() {
    let world = World::new();
    world.xen().reference("refs/tags/RELEASE-4.17.6", world.commit("4.17.6"), true, "").unwrap();
    refused(&world, "lightweight", BUMP);
}

#[test]
fn a_tag_without_a_signature_is_refused() {
    let world = World::new();
    world.write_tag("4.17.6", &world.payload("4.17.6"));
    refused(&world, "unsigned", BUMP);
}

#[test]
fn a_tag_that_was_changed_after_it_was_signed_is_refused() {
    let world = World::new();
    let payload = world.payload("4.17.6");
    let signature = world.key.sign_beside(payload.as_bytes(), MADE + DAY);
    let other = payload.replace(&world.commit("4.17.6").to_string(), &world.commit("4.18.0").to_string());
    world.write_tag("4.17.6", &(other + &signature));
    refused(&world, "changed", BUMP);
}

#[test]
fn a_good_tag_under_another_name_is_refused() {
    let world = World::new();
    let payload = world.payload("4.17.4");
    let signature = world.key.sign_beside(payload.as_bytes(), MADE + DAY);
    world.write_tag("4.17.6", &(payload + &signature));
    refused(&world, "renamed", BUMP);
}

#[test]
fn a_signature_that_cannot_be_read_is_refused() {
    let world = World::new();
    let payload = world.payload("4.17.6");
    world
        .write_tag("4.17.6", &format!("{payload}-----BEGIN PGP SIGNATURE-----\n\nnone\n-----END PGP SIGNATURE-----\n"));
    let answer = world.run(BUMP);
    assert_eq!(answer.code, 1, "{}", answer.text(""));
    assert!(answer.stderr.contains("its signature cannot be read"), "{}", answer.stderr);
}

#[test]
fn a_strangers_signature_is_refused() {
    let world = World::new();
    let payload = world.payload("4.17.6");
    let stranger = Key::new(MADE);
    let signature = stranger.sign_beside(payload.as_bytes(), MADE + DAY);
    world.write_tag("4.17.6", &(payload + &signature));
    let answer = world.run(BUMP);
    assert_eq!(answer.code, 1, "{}", answer.text(""));
    let reason = format!("key {} is not known", stranger.fingerprint().to_lowercase());
    assert!(answer.stderr.contains(&reason), "{}", answer.stderr);
}

#[test]
fn a_key_that_had_expired_or_was_revoked_is_refused() {
    let mut expired = Key::new(MADE);
    expired.state(MADE, Some(DAY / 2), true);
    let mut revoked = Key::new(MADE);
    revoked.revoke(MADE + 2 * DAY);
    for (name, key) in [("expired", expired), ("revoked", revoked)] {
        let world = World::with_key(key, "https://xen.example");
        world.tag("4.17.6");
        refused(&world, name, BUMP);
    }
}

#[test]
fn a_missing_key_is_asked_for_by_its_fingerprint() {
    let world = World::new();
    world.tag("4.17.6");
    world.key_file(&Key::new(MADE).armored());
    refused(&world, "key-other", BUMP);
    fs::remove_file(world.path("recipes/keys/xen.asc")).unwrap();
    refused(&world, "key-missing", BUMP);
    let line = format!("signed-by = \"{}\"    # who signs Xen\n", world.key.fingerprint());
    world.edit(RECIPE, &line, "");
    refused(&world, "key-unpinned", BUMP);
}

#[test]
fn a_tag_that_nobody_has_is_named_with_those_around_it() {
    let world = World::new();
    world.tag("4.17.6");
    world.tag("4.18.0");
    refused(&world, "no-tag", "xtask bump xen-4.17.4 4.17.5 --offline --mirror mirror");
    refused(&world, "nobody", "xtask bump xen-4.17.4 4.17.5 --offline");
}

#[test]
fn a_version_that_cannot_be_bumped_to_is_refused() {
    let world = World::new();
    for (name, version) in [
        ("older", "4.17.3"),
        ("same", "4.17.4"),
        ("counted", "4.17.6+3"),
        ("no-version", "RELEASE-4.17.6"),
        ("two", "4.18"),
    ] {
        refused(&world, name, &format!("xtask bump xen-4.17.4 {version} --offline --mirror mirror"));
    }
}

#[test]
fn a_sister_that_a_step_builds_must_be_known() {
    let world = World::new();
    world.tag("4.17.6");
    fs::rename(world.path("mirror/seabios"), world.path("elsewhere")).unwrap();
    refused(&world, "no-sister", BUMP);
}

#[test]
fn a_recipe_with_tarballs_only_has_nowhere_to_look() {
    let world = World::new();
    world.tag("4.17.6");
    world.edit(RECIPE, "  { git = \"https://xen.example/xen.git\" },\n", "");
    refused(&world, "no-origin", BUMP);
}
