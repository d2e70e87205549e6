//! Is the store what it was? One tree before it is used, or all of it on demand.

use super::{Record, Store, Stored, damaged, publish};
use crate::digest::{Hash, Key, hash_reader};
use crate::interrupt;
use crate::tree::{Manifest, Seal};
use anyhow::Result;
use fs_err as fs;
use std::path::PathBuf;

/// An entry that is not what its name promises.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The entry's path: a blob, or a tree with its record.
    pub path: PathBuf,
    /// The object in words: `blob 1f2e…`, `step tools`.
    pub what: String,
    /// Every difference, with what was expected and what was found.
    pub findings: Vec<String>,
}

impl Store {
    /// An error that names each changed file if the tree is not what it was when it was made. As cheap as a listing of the tree
    /// unless something about it changed since.
    pub fn check(&self, stored: &Stored) -> Result<()> {
        let Some(record) = self.record(&stored.key)? else {
            return Err(damaged(format!("{} has no record", stored.path.display())));
        };
        let seal = Seal::of(&stored.path)?;
        if seal == record.seal {
            return Ok(());
        }
        // Copying a store elsewhere changes every time in it and no byte; then the tree is sealed anew.
        let differences = self.manifest(stored)?.differences(&Manifest::of(&stored.path)?);
        if differences.is_empty() {
            let record = Record { seal, ..record };
            return publish(&self.entry(&stored.key).join("record.json"), serde_json::to_string(&record)?.as_bytes());
        }
        Err(damaged(format!("{} ({}) was changed: {}", record.what, stored.path.display(), shorten(&differences))))
    }

    /// Reads everything again. All that is broken, in the order of the paths; `each` is told what is looked at next and its
    /// size in bytes.
    pub fn verify(&self, mut each: impl FnMut(&str, u64)) -> Result<Vec<Broken>> {
        let mut broken = Vec::new();
        for path in self.blobs()? {
            interrupt::check()?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let what = format!("blob {name}");
            each(&what, fs::metadata(&path)?.len());
            let (found, _) = hash_reader(fs::File::open(&path)?)?;
            if found.as_str() != name {
                broken.push(Broken { path, what, findings: vec![format!("expected sha256 {name}, found {found}")] });
            }
        }
        for key in self.trees()? {
            interrupt::check()?;
            let (what, findings) = match self.record(&key) {
                Ok(Some(record)) => {
                    each(&record.what, record.bytes);
                    let findings = self.tree_findings(&key, &record)?;
                    (record.what, findings)
                }
                Ok(None) => (format!("tree {}", key.short()), vec!["record.json is missing".to_owned()]),
                Err(error) => (format!("tree {}", key.short()), vec![format!("{error:#}")]),
            };
            if !findings.is_empty() {
                broken.push(Broken { path: self.entry(&key), what, findings });
            }
        }
        Ok(broken)
    }

    fn tree_findings(&self, key: &Key, record: &Record) -> Result<Vec<String>> {
        let stored = self.stored(key, record.manifest.clone());
        match self.manifest(&stored) {
            Ok(expected) => Ok(match Manifest::of(&stored.path) {
                Ok(found) => expected.differences(&found),
                Err(error) => vec![format!("{error:#}")],
            }),
            Err(error) => Ok(vec![format!("{error:#}")]),
        }
    }

    /// Takes broken entries away; the next build makes them again. Refused while another process uses the store.
    pub fn repair(&self, broken: &[Broken]) -> Result<()> {
        self.alone(|| broken.iter().try_for_each(|entry| self.discard(&entry.path)))?.ok_or_else(|| {
            crate::fault::Fault::failed("another process is using the store, nothing was removed")
                .cure("run the command again when the other build has ended")
                .into()
        })
    }

    pub(super) fn blobs(&self) -> Result<Vec<PathBuf>> {
        let mut blobs = Vec::new();
        for folder in sorted(self.root.join("blob"))? {
            blobs.extend(sorted(folder)?);
        }
        Ok(blobs)
    }

    pub(super) fn trees(&self) -> Result<Vec<Key>> {
        let names = sorted(self.root.join("tree"))?;
        Ok(names.iter().filter_map(|path| key_of(path.file_name()?.to_str()?)).collect())
    }
}

/// A key as the store's names spell it.
pub(super) fn key_of(name: &str) -> Option<Key> {
    let hash = Hash::try_from(name.to_owned()).ok()?;
    serde_json::from_value(serde_json::Value::String(hash.into())).ok()
}

pub(super) fn sorted(folder: PathBuf) -> Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn shorten(differences: &[String]) -> String {
    const SHOWN: usize = 10;
    let mut text = differences.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
    if differences.len() > SHOWN {
        text.push_str(&format!("; and {} more", differences.len() - SHOWN));
    }
    text
}
