//! New versions of a tiny Xen: trees from `bump/trees` as commits in repositories that are made here, tags signed by a key that is made
//! here, and the recipe and queue of `bump/checkout`. What the program says and writes stands beside them.

mod outcomes;
mod refusals;

use crate::support::key::{DAY, Key, MADE};
use crate::support::run::{Answer, run};
use crate::support::{expect, root, scratch};
use fs_err as fs;
use git2::{IndexAddOption, ObjectType, Oid, Repository, Signature, Time};
use std::path::{Path, PathBuf};

const RECIPE: &str = "recipes/xen-4.17.4.toml";
const BUMP: &str = "xtask bump xen-4.17 4.17.6 --offline --mirror mirror";

/// When 4.17.4 was committed, as the recipe's comment has it; the others follow a day later each.
const EPOCH: i64 = 1_712_677_736;

/// A checkout with repositories of Xen and SeaBIOS in its folder `mirror`, without Xen's tags but the first.
struct World {
    folder: tempfile::TempDir,
    key: Key,
    /// Of each version, its commit.
    versions: Vec<(&'static str, Oid)>,
}

impl World {
    fn new() -> World {
        World::with_key(Key::new(MADE), "https://xen.example")
    }

    /// `origins` is where the recipe says that repositories are.
    fn with_key(key: Key, origins: &str) -> World {
        let mut world = World { folder: scratch(), key, versions: Vec::new() };
        let cases = root().join("tests/bump");
        fs::create_dir_all(world.path("toolchains")).unwrap();
        xtask::tree::copy(&cases.join("checkout/patches"), &world.path("patches")).unwrap();

        let xen = Repository::init(world.path("mirror/xen")).unwrap();
        for (days, version) in ["4.17.4", "4.17.6", "4.18.0"].into_iter().enumerate() {
            let commit =
                commit(&xen, &cases.join(format!("trees/xen-{version}")), EPOCH + days as i64 * i64::from(DAY));
            world.versions.push((version, commit));
        }
        let seabios = Repository::init(world.path("mirror/seabios")).unwrap();
        let mut firmware = Vec::new();
        for (days, version) in ["1.16.0", "1.16.1"].into_iter().enumerate() {
            let tree = scratch();
            fs::write(tree.path().join("version"), version).unwrap();
            let id = commit(&seabios, tree.path(), EPOCH + days as i64);
            seabios.reference(&format!("refs/tags/rel-{version}"), id, true, "").unwrap();
            firmware.push(id);
        }

        let tree = xen.find_commit(world.commit("4.17.4")).unwrap().tree_id();
        world.key_file(&world.key.armored());
        let text = fs::read_to_string(cases.join("checkout").join(RECIPE)).unwrap();
        let text = text.replace("@EPOCH@", &EPOCH.to_string()).replace("@GIT@", origins);
        let text = text.replace("@XEN@", &world.commit("4.17.4").to_string()).replace("@TREE@", &tree.to_string());
        let text = text.replace("@SEABIOS@", &firmware[0].to_string()).replace("@SIGNER@", &world.key.fingerprint());
        fs::write(world.path(RECIPE), text).unwrap();
        world.tag("4.17.4");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = fs::canonicalize(self.folder.path()).unwrap().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn key_file(&self, text: &str) {
        fs::write(self.path("recipes/keys/xen.asc"), text).unwrap();
    }

    fn commit(&self, version: &str) -> Oid {
        self.versions.iter().find(|(name, _)| *name == version).unwrap().1
    }

    fn xen(&self) -> Repository {
        Repository::open(self.path("mirror/xen")).unwrap()
    }

    /// What stands in a tag before its signature.
    fn payload(&self, version: &str) -> String {
        let commit = self.commit(version);
        let tagger = format!("tagger Xen <xen@example.org> {MADE} +0000");
        format!("object {commit}\ntype commit\ntag RELEASE-{version}\n{tagger}\n\nXen {version}\n")
    }

    /// Tags the version, signed the day after the key was made.
    fn tag(&self, version: &str) {
        let payload = self.payload(version);
        let signature = self.key.sign_beside(payload.as_bytes(), MADE + DAY);
        self.write_tag(version, &(payload + &signature));
    }

    fn write_tag(&self, version: &str, text: &str) {
        let xen = self.xen();
        let id = xen.odb().unwrap().write(ObjectType::Tag, text.as_bytes()).unwrap();
        xen.reference(&format!("refs/tags/RELEASE-{version}"), id, true, "").unwrap();
    }

    fn edit(&self, path: &str, find: &str, put: &str) {
        let text = fs::read_to_string(self.path(path)).unwrap();
        assert!(text.contains(find), "{path} has no `{find}`");
        fs::write(self.path(path), text.replace(find, put)).unwrap();
    }

    fn run(&self, line: &str) -> Answer {
        run(&fs::canonicalize(self.folder.path()).unwrap(), line, &[("PATH", &std::env::var("PATH").unwrap())])
    }

    /// A text without what differs from run to run.
    fn timeless(&self, text: &str) -> String {
        let print = self.key.fingerprint();
        text.replace(&print, "[SIGNER]").replace(&print.to_lowercase(), "[SIGNER]")
    }

    fn answer(&self, name: &str, line: &str) {
        let answer = self.run(line);
        let golden = root().join("tests/bump").join(format!("{name}.txt"));
        expect::golden(&golden, &self.timeless(&answer.text(line)));
    }

    fn recipe(&self, version: &str) {
        let text = fs::read_to_string(self.path(&format!("recipes/xen-{version}.toml"))).unwrap();
        let golden = root().join("tests/bump").join(format!("xen-{version}.toml"));
        expect::golden(&golden, &self.timeless(&text));
    }

    /// The paths and texts of recipes and queues.
    fn repository(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut folders = vec![self.path("recipes"), self.path("patches")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push((path.clone(), fs::read(path).unwrap())) }
            }
        }
        files.sort();
        files
    }
}

/// The folder's files, and nothing else, as the next commit of the repository.
fn commit(repository: &Repository, folder: &Path, at: i64) -> Oid {
    let workdir = repository.workdir().unwrap();
    for entry in fs::read_dir(workdir).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != ".git") {
        if entry.path().is_dir() { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) }.unwrap();
    }
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let to = workdir.join(entry.file_name());
        if entry.path().is_dir() {
            xtask::tree::copy(&entry.path(), &to).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
    let mut index = repository.index().unwrap();
    index.clear().unwrap();
    index.add_all(["*"], IndexAddOption::FORCE, None).unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let who = Signature::new("Xen", "xen@example.org", &Time::new(at, 0)).unwrap();
    let parent = repository.head().ok().map(|head| head.peel_to_commit().unwrap());
    repository.commit(Some("HEAD"), &who, &who, "next", &tree, &parent.iter().collect::<Vec<_>>()).unwrap()
}
