//! Pinned commits from repositories in mirror folders and behind git's own HTTP server, and trees that mean harm.

use super::tree::nasty;
use super::*;
use std::time::Instant;
use xtask::digest::GitId;
use xtask::git::{self, Pin};
use xtask::origin::Failures;

/// A repository with two commits: the pinned one, then another on top.
pub struct Upstream {
    pub commit: GitId,
    pub tree: GitId,
}

pub fn upstream(at: &Path) -> Upstream {
    fs::create_dir_all(at).unwrap();
    run_git(at, &["init", "-q", "-b", "main"]);
    nasty(at);
    run_git(at, &["add", "-Af", "."]);
    run_git(at, &["commit", "-qm", "one"]);
    let id = |what: &str| GitId::try_from(run_git(at, &["rev-parse", what])).unwrap();
    let found = Upstream { commit: id("HEAD"), tree: id("HEAD^{tree}") };
    fs::write(at.join("later"), "x").unwrap();
    run_git(at, &["add", "later"]);
    run_git(at, &["commit", "-qm", "two"]);
    found
}

fn pin(upstream: &Upstream) -> Pin<'_> {
    Pin { commit: &upstream.commit, tree: Some(&upstream.tree) }
}

fn empty(world: &World, name: &str) -> PathBuf {
    let path = world.path(name);
    fs::create_dir(&path).unwrap();
    path
}

/// Fetches over HTTP; gives the failures' lines if nothing came.
fn fetch(world: &World, name: &str, pin: &Pin<'_>) -> Result<PathBuf, Vec<String>> {
    let (into, scratch) = (empty(world, "into"), empty(world, "scratch"));
    let url = world.server.url(&format!("/git/{name}"));
    let mut failures = Failures::new("test");
    match git::remote(&world.ctx(), &url, pin, &into, &scratch, &mut failures).unwrap() {
        true => Ok(into),
        false => Err(failures.lines()),
    }
}

fn packs(world: &World) -> u64 {
    let scratch = git2::Repository::open(world.path("scratch")).unwrap();
    let mut count = 0;
    scratch
        .odb()
        .unwrap()
        .foreach(|_| {
            count += 1;
            true
        })
        .unwrap();
    count
}

#[test]
fn a_commit_is_found_in_repositories_bare_or_not() {
    let world = World::new();
    let mirror = world.path("mirror");
    let upstream = upstream(&mirror.join("work"));
    run_git(&mirror, &["init", "-q", "another"]);
    fs::create_dir(mirror.join("no-repository")).unwrap();
    let export = |name: &str| {
        let into = empty(&world, name);
        let found = git::local(&world.mirrored().net, &pin(&upstream), &into, &mut Failures::new("test")).unwrap();
        assert!(found, "{name}");
        assert_eq!(xtask::sources::tree::id(&into).unwrap(), upstream.tree, "{name}");
        assert_eq!(fs::read(into.join("sub.sh")).unwrap(), b"$Format:%H$\r\n", "no filter touches the bytes");
    };
    export("from-work-tree");
    run_git(&mirror, &["clone", "-q", "--bare", "work", "bare.git"]);
    fs::remove_dir_all(mirror.join("work")).unwrap();
    export("from-bare");
}

#[test]
fn a_commit_that_no_mirror_has_is_a_failure_of_the_folder() {
    let world = World::new();
    upstream(&world.path("mirror/work"));
    let absent = GitId::try_from("1".repeat(40)).unwrap();
    let mut failures = Failures::new("test");
    let pin = Pin { commit: &absent, tree: None };
    assert!(!git::local(&world.mirrored().net, &pin, &empty(&world, "into"), &mut failures).unwrap());
    assert_says(&failures.lines().join("\n"), &["none of its 1 git repositories has commit 1111"]);
}

#[test]
fn one_commit_is_fetched_without_its_history_where_the_server_gives_it_by_id() {
    let world = World::new();
    let path = world.path("web/up");
    let upstream = upstream(&path);
    run_git(&path, &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let into = fetch(&world, "up", &pin(&upstream)).unwrap();
    assert_eq!(xtask::sources::tree::id(&into).unwrap(), upstream.tree);
    let all: u64 = run_git(&path, &["rev-list", "--all", "--objects"]).lines().count() as u64;
    assert!(packs(&world) < all, "{} of {all} objects came", packs(&world));
}

#[test]
fn everything_is_fetched_where_the_server_gives_only_what_has_a_name() {
    let world = World::new();
    let upstream = upstream(&world.path("web/up"));
    let into = fetch(&world, "up", &pin(&upstream)).unwrap();
    assert_eq!(xtask::sources::tree::id(&into).unwrap(), upstream.tree);
}

#[test]
fn a_tag_at_the_commit_is_as_good_as_its_id() {
    for kind in [&["tag", "v1"][..], &["tag", "-am", "one", "v1"]] {
        let world = World::new();
        let path = world.path("web/up");
        let upstream = upstream(&path);
        run_git(&path, &[kind, &[upstream.commit.as_str()]].concat());
        let into = fetch(&world, "up", &pin(&upstream)).unwrap();
        assert_eq!(xtask::sources::tree::id(&into).unwrap(), upstream.tree);
        let later = run_git(&path, &["rev-parse", "main"]);
        let scratch = git2::Repository::open(world.path("scratch")).unwrap();
        assert!(scratch.find_commit(git2::Oid::from_str(&later).unwrap()).is_err(), "{kind:?}");
    }
}

#[test]
fn what_is_not_upstream_is_said() {
    let world = World::new();
    upstream(&world.path("web/up"));
    let absent = GitId::try_from("1".repeat(40)).unwrap();
    let lines = fetch(&world, "up", &Pin { commit: &absent, tree: None }).unwrap_err();
    assert_says(&lines.join("\n"), &["has no commit 1111"]);
}

#[test]
fn a_missing_repository_is_said_once_asked() {
    let world = World::new();
    let absent = GitId::try_from("1".repeat(40)).unwrap();
    let lines = fetch(&world, "up", &Pin { commit: &absent, tree: None }).unwrap_err();
    assert_says(&lines.join("\n"), &["/git/up: ", "404"]);
    assert_eq!(world.server.seen().len(), 1);
}

#[test]
fn a_server_that_moved_is_followed() {
    let world = World::new();
    let upstream = upstream(&world.path("web/up"));
    world.trouble("old/info/refs", Trouble::Moved { to: "/git/up/info/refs".to_owned() });
    let (into, scratch) = (empty(&world, "into"), empty(&world, "scratch"));
    let mut failures = Failures::new("test");
    let found =
        git::remote(&world.ctx(), &world.server.url("/old"), &pin(&upstream), &into, &scratch, &mut failures).unwrap();
    assert!(found, "{:?}", failures.lines());
}

#[test]
fn a_server_that_does_not_answer_is_asked_once() {
    let world = World::new();
    world.trouble("up/info/refs", Trouble::Stall);
    let absent = GitId::try_from("1".repeat(40)).unwrap();
    let (into, scratch) = (empty(&world, "into"), empty(&world, "scratch"));
    let (pin, mut failures) = (Pin { commit: &absent, tree: None }, Failures::new("test"));
    let start = Instant::now();
    assert!(!git::remote(&world.ctx(), &world.server.url("/up"), &pin, &into, &scratch, &mut failures).unwrap());
    assert_says(&failures.lines().join("\n"), &["/up: ", "no answer within 0.3 s"]);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(world.server.seen().len(), 1);
}

#[test]
fn a_commit_with_another_tree_is_refused() {
    let world = World::new();
    let upstream = upstream(&world.path("mirror/work"));
    let other = GitId::try_from("2".repeat(40)).unwrap();
    let pin = Pin { commit: &upstream.commit, tree: Some(&other) };
    let into = empty(&world, "into");
    let story = story(git::local(&world.mirrored().net, &pin, &into, &mut Failures::new("test")));
    assert_says(&story, &[upstream.tree.as_str(), other.as_str(), upstream.commit.as_str(), "mirror/work"]);
    assert!(fs::read_dir(into).unwrap().next().is_none());
}

#[test]
fn a_hostile_tree_writes_nothing_outside() {
    let world = World::new();
    fs::create_dir_all(world.path("mirror/work")).unwrap();
    let repository = git2::Repository::init(world.path("mirror/work")).unwrap();
    // libgit2 would refuse to make these trees, as git would: they are written as raw objects.
    git2::opts::strict_object_creation(false);
    let odb = repository.odb().unwrap();
    let blob = |text: &[u8]| odb.write(git2::ObjectType::Blob, text).unwrap();
    let tree = |entries: &[(&str, &str, git2::Oid)]| {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            bytes.extend_from_slice(id.as_bytes());
        }
        odb.write(git2::ObjectType::Tree, &bytes).unwrap()
    };
    let outside = world.path("outside");
    fs::create_dir(&outside).unwrap();
    let file = blob(b"x");
    let sub = tree(&[("100644", "file", file)]);
    let cases = [
        (
            "an absolute link",
            tree(&[("120000", "l", blob(outside.as_os_str().as_encoded_bytes()))]),
            "leaves the folder",
        ),
        ("a link upwards", tree(&[("120000", "l", blob(b"../outside"))]), "leaves the folder"),
        (
            "a link upwards through another",
            tree(&[("120000", "a", blob(b".")), ("120000", "b", blob(b"a/../x"))]),
            "leaves the folder",
        ),
        ("a name upwards", tree(&[("40000", "..", sub)]), "not a name"),
        ("a path for a name", tree(&[("100644", "../outside/file", file)]), "not a name"),
        ("a repository's name", tree(&[("40000", ".GIT", sub)]), "not a name"),
        ("a folder that is a link", tree(&[("120000", "l", blob(b".")), ("40000", "l", sub)]), "File exists"),
        ("a file that is a link", tree(&[("120000", "l", blob(b"x")), ("100644", "l", file)]), "File exists"),
    ];
    for (number, (what, tree, says)) in cases.into_iter().enumerate() {
        let commit = format!("tree {tree}\nauthor t <t> 1 +0000\ncommitter t <t> 1 +0000\n\nx\n");
        let commit = odb.write(git2::ObjectType::Commit, commit.as_bytes()).unwrap();
        let commit = GitId::try_from(commit.to_string()).unwrap();
        let into = empty(&world, &format!("into-{number}"));
        let pin = Pin { commit: &commit, tree: None };
        let result = git::local(&world.mirrored().net, &pin, &into, &mut Failures::new("test"));
        assert!(result.is_err(), "{what} is refused");
        assert_says(&story(result), &[says]);
        assert!(fs::read_dir(&outside).unwrap().next().is_none(), "{what}");
    }
}
