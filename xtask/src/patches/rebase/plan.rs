//! Which queues a rebase carries, and where to: what the command line says, held against the recipes.

use crate::catalog;
use crate::digest::{GitId, Key, KeyBuilder};
use crate::fault::Fault;
use crate::patches::{Queue, packed};
use crate::recipe::{Origin, Recipe, Source, quoted};
use crate::sources;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the queues go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Onto {
    /// The sources of this recipe, by its stem.
    Recipe(String),
    /// This commit of one source; the queue stays where it is.
    Commit(GitId),
}

/// One queue's way.
pub struct Way {
    pub queue: Queue,
    pub old: Source,
    pub new: Source,
    /// What it takes the place of.
    pub there: Queue,
}

pub struct Plan {
    /// The recipe's stem.
    pub recipe: String,
    pub onto: Onto,
    /// The queues that are not empty, by source.
    pub ways: BTreeMap<String, Way>,
}

impl Onto {
    /// What the word after `--onto` means.
    pub fn read(root: &Path, word: &str) -> Result<Onto> {
        if let Ok(commit) = GitId::try_from(word.to_owned()) {
            return Ok(Onto::Commit(commit));
        }
        let entries = catalog::all(root)?;
        match catalog::choose(&entries, word) {
            Ok(entry) => Ok(Onto::Recipe(entry.stem())),
            Err(_) if word.len() >= 7 && word.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Err(Fault::usage(format!("--onto {word}: a commit's id is cut off"))
                    .cure("name it by all of its 40 digits")
                    .into())
            }
            Err(error) => Err(error),
        }
    }

    /// What tables and conflict markers call it.
    pub fn name(&self) -> &str {
        match self {
            Onto::Recipe(stem) => stem,
            Onto::Commit(commit) => &commit.as_str()[..12],
        }
    }

    /// Where the queue of a source is saved: `patches/xen-4.20.3+127/xen`.
    pub fn target(&self, recipe: &str, source: &str) -> String {
        match self {
            Onto::Recipe(stem) => format!("patches/{stem}/{source}"),
            Onto::Commit(_) => format!("patches/{recipe}/{source}"),
        }
    }
}

impl Plan {
    /// `source` is the only one to be carried.
    pub fn of(root: &Path, recipe: &Recipe, onto: Onto, source: Option<&str>) -> Result<Plan> {
        let stem = recipe.stem();
        if let Some(source) = source.filter(|source| !recipe.source.contains_key(*source)) {
            return Err(no_source(recipe, source).into());
        }
        if onto == Onto::Recipe(stem.clone()) {
            return Err(Fault::usage(format!("--onto {stem}: the queues are there already"))
                .cure("`cargo xtask patch refresh` takes offsets out of a queue")
                .into());
        }
        let mut queues = Queue::read_all(root, recipe)?;
        queues.retain(|name, queue| !queue.patches.is_empty() && source.is_none_or(|source| source == name));
        // Queues that other sources hold go with these; they are in the way only of who has no other to carry.
        if queues.is_empty() {
            let asked = recipe.source.keys().filter(|name| source.is_none_or(|source| source == *name));
            asked.into_iter().try_for_each(|name| packed::check_own(recipe, name))?;
        }
        let ways = match &onto {
            Onto::Recipe(other) => to_recipe(root, recipe, &catalog::find(root, other)?, queues)?,
            Onto::Commit(commit) => to_commit(recipe, commit, queues)?,
        };
        Ok(Plan { recipe: stem, onto, ways })
    }

    /// The source whose queue would be saved over one of another recipe.
    pub fn occupied(&self) -> Option<&str> {
        let mut ways = self.ways.iter().filter(|_| matches!(self.onto, Onto::Recipe(_)));
        ways.find(|(_, way)| !way.there.patches.is_empty()).map(|(name, _)| name.as_str())
    }

    /// What must be the same from the beginning of a rebase to its end: names for people, and what they stand for.
    pub fn basis(&self) -> BTreeMap<String, Key> {
        let mut basis = BTreeMap::new();
        for (name, way) in &self.ways {
            basis.insert(format!("the pin of source {name} in {}", self.recipe), sources::identity(&way.old));
            basis.insert(format!("the pin of source {name} in {}", self.onto.name()), sources::identity(&way.new));
            basis.insert(format!("patches/{}/{name}", self.recipe), digest(&way.queue));
            basis.insert(self.onto.target(&self.recipe, name), digest(&way.there));
        }
        basis
    }
}

fn to_recipe(
    root: &Path,
    recipe: &Recipe,
    other: &Recipe,
    queues: BTreeMap<String, Queue>,
) -> Result<BTreeMap<String, Way>> {
    let mut theirs = Queue::read_all(root, other)?;
    let mut ways = BTreeMap::new();
    for (name, queue) in queues {
        let Some(new) = other.source.get(&name) else { return Err(no_source(other, &name).into()) };
        let there = theirs.remove(&name).unwrap_or_default();
        packed::check_own(other, &name)?;
        let old = recipe.source[&name].clone();
        ways.insert(name, Way { queue, old, new: new.clone(), there });
    }
    Ok(ways)
}

fn to_commit(recipe: &Recipe, commit: &GitId, queues: BTreeMap<String, Queue>) -> Result<BTreeMap<String, Way>> {
    if queues.len() > 1 {
        let names = quoted(queues.keys().map(String::as_str));
        return Err(Fault::usage(format!("{commit} is a commit of one source, and {names} have queues"))
            .cure("say which with --source")
            .into());
    }
    let way = |(name, queue): (String, Queue)| {
        let old = recipe.source[&name].clone();
        let new = at_commit(&old, commit);
        (name, Way { there: queue.clone(), queue, old, new })
    };
    Ok(queues.into_iter().map(way).collect())
}

/// The source at another commit, which repositories have and tarballs have not.
pub fn at_commit(source: &Source, commit: &GitId) -> Source {
    let mut new = Source {
        commit: Some(commit.clone()),
        tree: None,
        sha256: None,
        release: commit.as_str()[..12].to_owned(),
        ..source.clone()
    };
    new.origins.retain(|origin| matches!(origin, Origin::Git(_)));
    new
}

fn no_source(recipe: &Recipe, name: &str) -> Fault {
    Fault::usage(format!("recipe {} has no source `{name}`", recipe.stem()))
        .cure(format!("its sources are {}", quoted(recipe.source.keys().map(String::as_str))))
}

fn digest(queue: &Queue) -> Key {
    let key = KeyBuilder::new("queue/1");
    queue.patches.iter().fold(key, |key, patch| key.field("file", &patch.file).field("text", &patch.text)).finish()
}

/// Where a rebase works: `target/rebase/<recipe>` where nothing else is said.
pub fn folder(root: &Path, recipe: &str, said: Option<&Path>) -> Result<PathBuf> {
    match said {
        Some(folder) => Ok(std::path::absolute(folder)?),
        None => Ok(root.join("target/rebase").join(recipe)),
    }
}
