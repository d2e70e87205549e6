//! Whole sources of a recipe, from every kind of origin and from none.

use super::git::upstream;
use super::tree::nasty;
use super::*;
use crate::support::http::refusing;
use std::os::unix::fs::MetadataExt as _;
use std::time::Instant;
use xtask::fault::exit_code;
use xtask::recipe::Recipe;
use xtask::sources::{self, Reach};

/// A recipe of one step that uses source `xen`; no step uses source `unused`.
fn recipe(source: &str) -> Recipe {
    let text = format!(
        r#"
        name = "tiny"
        version = "1.0.0"
        series = "1.0"
        summary = "s"
        license = "MIT"
        epoch = 1
        toolchain = "t"
        architecture = "x86_64"
        [source.xen]
        release = "1.0"
        {source}
        [source.unused]
        release = "0"
        commit = "0000000000000000000000000000000000000001"
        origins = [ {{ git = "http://127.0.0.1:9/nowhere" }} ]
        [step.one]
        source = "xen"
        run = "true"
        [relocate]
        private = "/usr/lib/tiny"
        public-libdir = "/usr/lib"
        unstable = []
        common = []
        outside = []
        [[package]]
        name = "tiny"
        files = ["**"]
        "#
    );
    xtask::recipe::parse("tiny-1.0.0.toml", &text).unwrap()
}

/// The tarball of a folder, as upstream would make it: everything in one top folder.
fn tarball(world: &World, name: &str, fill: impl FnOnce(&Path)) -> Vec<u8> {
    let folder = world.path(&format!("{name}.d"));
    fs::create_dir_all(folder.join("xen-1.0")).unwrap();
    fill(&folder.join("xen-1.0"));
    let mut builder = ::tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    builder.append_dir_all("", &folder).unwrap();
    builder.into_inner().unwrap()
}

/// An origin that the world's server serves, by a path on a Debian mirror.
fn debian(world: &World, name: &str, bytes: &[u8]) -> String {
    let wanted = world.wanted(name, bytes);
    format!("{{ debian = '{name}', sha256 = '{}', size = {} }}", wanted.sha256, wanted.size)
}

/// Path, mode and time of everything below a folder.
fn listing(root: &Path) -> Vec<String> {
    fn walk(root: &Path, at: &Path, lines: &mut Vec<String>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            lines.push(format!("{name} {:o} {}", meta.mode(), meta.mtime()));
            if meta.is_dir() {
                walk(root, &path, lines);
            }
        }
    }
    let mut lines = Vec::new();
    walk(root, root, &mut lines);
    lines.sort();
    lines
}

#[test]
fn a_tarball_and_a_repository_of_one_tree_give_the_same_source() {
    let from_git = World::new();
    let pinned = upstream(&from_git.path("mirror/xen"));
    let pin = format!("commit = '{}'\ntree = '{}'", pinned.commit, pinned.tree);
    let by_git = sources::obtain(
        &from_git.mirrored(),
        &recipe(&format!("{pin}\norigins = [ {{ git = 'http://127.0.0.1:9/nowhere' }} ]")),
    )
    .unwrap();

    let from_tarball = World::new();
    let origin = debian(&from_tarball, "xen.tar", &tarball(&from_tarball, "xen", nasty));
    let by_tarball = sources::obtain(&from_tarball.ctx(), &recipe(&format!("{pin}\norigins = [ {origin} ]"))).unwrap();

    let (by_git, by_tarball) = (&by_git["xen"], &by_tarball["xen"]);
    assert_eq!(by_git.identity(), by_tarball.identity());
    assert_eq!(listing(by_git.path()), listing(by_tarball.path()));
    assert_eq!(sources::tree::id(by_git.path()).unwrap(), pinned.tree);
}

#[test]
fn a_source_is_unpacked_once_and_then_needs_no_origin() {
    let world = World::new();
    let tarball = tarball(&world, "xen", nasty);
    let sha256 = Hash::of(&tarball);
    let recipe = recipe(&format!("sha256 = '{sha256}'\norigins = [ {} ]", debian(&world, "xen.tar", &tarball)));
    let first = sources::obtain(&world.ctx(), &recipe).unwrap()["xen"].path().to_owned();
    assert!(first.join("a/file").is_file());
    fs::remove_file(world.path("web").join("xen.tar")).unwrap();
    let mut ctx = world.ctx();
    ctx.net.offline = true;
    assert_eq!(sources::obtain(&ctx, &recipe).unwrap()["xen"].path(), first);
    assert_eq!(world.server.seen().len(), 1);
}

#[test]
fn a_tree_that_differs_is_named() {
    let world = World::new();
    let expected = "3".repeat(40);
    let origin = debian(&world, "xen.tar", &tarball(&world, "xen", nasty));
    let recipe = recipe(&format!("commit = '{expected}'\ntree = '{expected}'\norigins = [ {origin} ]"));
    let error = sources::obtain(&world.ctx(), &recipe).unwrap_err();
    assert_eq!(exit_code(&error), 3);
    let found = tempfile::tempdir().unwrap();
    nasty(found.path());
    let found = sources::tree::id(found.path()).unwrap();
    assert_says(&xtask::fault::render(&error), &["source xen (1.0)", "xen.tar", &expected, found.as_str(), "help: "]);
    assert!(world.ctx().store.tree(&sources::identity(&recipe.source["xen"])).unwrap().is_none());
}

#[test]
fn a_tarball_has_one_folder_at_its_top() {
    let world = World::new();
    let two = |at: &Path| {
        fs::write(at.join("file"), "x").unwrap();
        fs::write(at.with_file_name("second"), "x").unwrap();
    };
    let tarball = tarball(&world, "xen", two);
    let recipe =
        recipe(&format!("sha256 = '{}'\norigins = [ {} ]", Hash::of(&tarball), debian(&world, "x.tar", &tarball)));
    let story = story(sources::obtain(&world.ctx(), &recipe));
    assert_says(&story, &["unpacking x.tar", "source xen (1.0)", "one folder that holds everything, found 2"]);
}

#[test]
fn a_link_may_not_lead_out_of_the_top_folder() {
    let world = World::new();
    let link = |at: &Path| fs_err::os::unix::fs::symlink("../beside", at.join("link")).unwrap();
    let tarball = tarball(&world, "xen", link);
    let recipe =
        recipe(&format!("sha256 = '{}'\norigins = [ {} ]", Hash::of(&tarball), debian(&world, "x.tar", &tarball)));
    assert_says(&story(sources::obtain(&world.ctx(), &recipe)), &["unpacking x.tar", "link", "../beside", "leaves"]);
}

#[test]
fn a_top_folder_may_hold_its_own_name() {
    let world = World::new();
    let own = |at: &Path| {
        fs::create_dir(at.join("xen-1.0")).unwrap();
        fs::write(at.join("xen-1.0/.top"), "x").unwrap();
        fs::write(at.join(".top"), "y").unwrap();
    };
    let tarball = tarball(&world, "xen", own);
    let recipe =
        recipe(&format!("sha256 = '{}'\norigins = [ {} ]", Hash::of(&tarball), debian(&world, "x.tar", &tarball)));
    let path = sources::obtain(&world.ctx(), &recipe).unwrap()["xen"].path().to_owned();
    assert_eq!(fs::read_to_string(path.join("xen-1.0/.top")).unwrap(), "x");
    assert_eq!(fs::read_to_string(path.join(".top")).unwrap(), "y");
}

/// Origins of all kinds, none of which has it.
fn hopeless(world: &World, dead: &str) -> Recipe {
    let hash = "0".repeat(64);
    recipe(&format!(
        "commit = '{0}'\ntree = '{0}'\norigins = [ {{ git = '{dead}/xen.git' }}, {{ git = '{1}/git/none' }}, \
         {{ url = '{dead}/xen.tar', sha256 = '{hash}', size = 5 }}, {{ debian = 'none.tar', sha256 = '{hash}', size = 5 }} ]",
        "4".repeat(40),
        world.server.base(),
    ))
}

#[test]
fn nothing_answers_is_told_in_time_with_each_origin_and_what_can_be_built() {
    let world = World::new();
    let dead = refusing();
    let good = tarball(&world, "good", nasty);
    let mut good = recipe(&format!("sha256 = '{}'\norigins = [ {} ]", Hash::of(&good), debian(&world, "g.tar", &good)));
    good.name = "good".to_owned();
    let start = Instant::now();
    let ctx = world.mirrored();
    let recipe = hopeless(&world, &dead);
    let error = sources::obtain(&ctx, &recipe).unwrap_err();
    let error = sources::suggest(&ctx, error, || vec![good, recipe]);
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(exit_code(&error), 3);
    assert_says(
        &xtask::fault::render(&error),
        &[
            "source xen (1.0): could not be had",
            &format!("{dead}/xen.git: "),
            &format!("{dead}/xen.tar: Connection refused"),
            &format!("{}/git/none: 404", world.server.base()),
            &format!("{}/none.tar: 404", world.server.base()),
            &format!("{}: none of its 0 git repositories has commit 4444", world.path("mirror").display()),
            "help: ",
            "can be built from here: good-1.0.0",
        ],
    );
    assert!(!xtask::fault::render(&error).contains("tiny-1.0.0"));
}

#[test]
fn offline_asks_nobody() {
    let world = World::new();
    let mut ctx = world.ctx();
    ctx.net.offline = true;
    let recipe = hopeless(&world, &refusing());
    let story = story(sources::obtain(&ctx, &recipe));
    assert_eq!(story.matches("not asked (offline)").count(), 4, "{story}");
    let reach = sources::reachable(&ctx, &recipe).unwrap();
    assert!(matches!(&reach["xen"], Reach::Nowhere(lines) if lines.len() == 4), "{reach:?}");
    assert!(world.server.seen().is_empty());
}

#[test]
fn reachable_tells_the_nearest_place_and_fetches_nothing() {
    let world = World::new();
    let tarball = tarball(&world, "xen", nasty);
    let origin = debian(&world, "xen.tar", &tarball);
    let sha256 = Hash::of(&tarball);
    let recipe = recipe(&format!("sha256 = '{sha256}'\norigins = [ {origin} ]"));
    let from = |ctx: &Context| match &sources::reachable(ctx, &recipe).unwrap()["xen"] {
        Reach::From(place) => place.clone(),
        Reach::Nowhere(lines) => panic!("{lines:?}"),
    };
    assert_eq!(from(&world.ctx()), world.server.url("/xen.tar"));
    let methods: Vec<_> = world.server.seen().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["HEAD"]);
    fs::write(world.path("mirror").join("xen.tar"), &tarball).unwrap();
    assert_eq!(from(&world.mirrored()), world.path("mirror").join("xen.tar").display().to_string());
    sources::obtain(&world.ctx(), &recipe).unwrap();
    assert_eq!(from(&world.ctx()), "the store");
}

#[test]
fn reachable_asks_a_repository_whether_it_answers() {
    let world = World::new();
    let upstream = upstream(&world.path("web/up"));
    let url = world.server.url("/git/up");
    let recipe = recipe(&format!("commit = '{}'\norigins = [ {{ git = '{url}' }} ]", upstream.commit));
    let reach = |ctx: &Context| sources::reachable(ctx, &recipe).unwrap()["xen"].clone();
    assert_eq!(reach(&world.ctx()), Reach::From(url));
    let other = World::new();
    let mirrored = {
        run_git(
            &other.path("mirror"),
            &["clone", "-q", "--bare", &world.path("web/up").display().to_string(), "up.git"],
        );
        other.mirrored()
    };
    let place = other.path("mirror/up.git").display().to_string();
    assert_eq!(reach(&mirrored), Reach::From(place));
}

#[test]
fn a_commit_comes_from_upstream_s_repository() {
    let world = World::new();
    let upstream = upstream(&world.path("web/up"));
    let recipe =
        recipe(&format!("commit = '{}'\norigins = [ {{ git = '{}' }} ]", upstream.commit, world.server.url("/git/up")));
    let source = sources::obtain(&world.ctx(), &recipe).unwrap()["xen"].clone();
    assert_eq!(sources::tree::id(source.path()).unwrap(), upstream.tree);
}

#[test]
fn the_identity_is_the_content_s() {
    let nowhere = "origins = [ { git = 'http://127.0.0.1:9/nowhere' } ]";
    let identity = |pin: &str| sources::identity(&recipe(&format!("{pin}\n{nowhere}")).source["xen"]);
    let (one, two) = ("1".repeat(40), "2".repeat(40));
    let tree = identity(&format!("commit = '{one}'\ntree = '{two}'"));
    assert_eq!(tree, identity(&format!("commit = '{two}'\ntree = '{two}'")), "two commits of one tree");
    assert_ne!(tree, identity(&format!("commit = '{one}'")));
    assert_ne!(tree, identity(&format!("commit = '{two}'")), "a tree is no commit");
}
