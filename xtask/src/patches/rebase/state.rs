//! A rebase that waits for its user, as a file in the folder where it works.
//!
//! The file is replaced as a whole and says what comes next before that is begun: whenever the program is killed, `continue`
//! finds out where it was, and `abort` what is to be removed.

use super::Step;
use super::plan::{Onto, Plan};
use crate::digest::Key;
use crate::fault::Fault;
use anyhow::Result;
use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const FILE: &str = "rebase.json";
/// The same while it is written.
const NEW: &str = "rebase.json.new";

/// Raised when what stands in the file means something else than before.
const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct State {
    version: u32,
    /// The recipe's stem.
    pub recipe: String,
    pub onto: Onto,
    /// The only source that is carried, if one was named.
    pub source: Option<String>,
    pub replace: bool,
    /// [`Plan::basis`] at the beginning.
    basis: BTreeMap<String, Key>,
    /// The patches so far, by source.
    pub steps: BTreeMap<String, Vec<Step>>,
    pub next: Next,
}

/// What a rebase waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Next {
    /// The user is to resolve the last step of this source.
    Resolve {
        source: String,
        /// The commit that the conflict stands upon; none while the work tree is being made.
        head: Option<String>,
    },
    /// All is done but for the saving.
    Save,
}

impl State {
    pub fn new(plan: &Plan, source: Option<String>, replace: bool) -> State {
        State {
            version: VERSION,
            recipe: plan.recipe.clone(),
            onto: plan.onto.clone(),
            source,
            replace,
            basis: plan.basis(),
            steps: BTreeMap::new(),
            next: Next::Save,
        }
    }

    /// The rebase that is under way in the folder, if there is one.
    pub fn load(folder: &Path) -> Result<Option<State>> {
        let file = folder.join(FILE);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let version = serde_json::from_slice(&text).ok().and_then(|value: Value| value["version"].as_u64());
        let what = match version {
            Some(version) if version == u64::from(VERSION) => match serde_json::from_slice(&text) {
                Ok(state) => return Ok(Some(state)),
                Err(error) => error.to_string(),
            },
            Some(version) => format!("of version {version}, and this program knows version {VERSION}"),
            None => "not what `patch rebase` writes".to_owned(),
        };
        Err(Fault::usage(format!("{}: {what}", file.display()))
            .cure(format!("give that rebase up: remove {}, and start again", folder.display()))
            .into())
    }

    pub fn save(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let new = folder.join(NEW);
        fs::write(&new, serde_json::to_vec(self)?)?;
        Ok(fs::rename(new, folder.join(FILE))?)
    }

    /// Refuses to go on when what was begun with is not there any more. While queues are saved they change by themselves.
    pub fn check(&self, plan: &Plan) -> Result<()> {
        let now = plan.basis();
        let differs = |(name, _): &(&String, &Key)| self.basis.get(*name) != now.get(*name);
        let Some((name, _)) = self.basis.iter().chain(&now).find(differs) else { return Ok(()) };
        Err(Fault::usage(format!("{name} is not what it was when this rebase began"))
            .cure(format!("put it back, or give up with `cargo xtask patch abort {}` and start again", self.recipe))
            .into())
    }

    /// Removes the work trees, then the file: when this is cut short, it can be done again.
    pub fn remove(&self, folder: &Path) -> Result<()> {
        for source in self.steps.keys() {
            let work = folder.join(source);
            if work.symlink_metadata().is_ok() {
                fs::remove_dir_all(work)?;
            }
        }
        let _ = fs::remove_file(folder.join(NEW));
        fs::remove_file(folder.join(FILE))?;
        // What the user has put beside stays, and the folder with it.
        let _ = fs::remove_dir(folder);
        Ok(())
    }
}
