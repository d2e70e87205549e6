//! What the store holds, by kind and by size.

use super::Store;
use super::gc::usage_of;
use anyhow::Result;
use fs_err as fs;

/// One kind of thing in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// The store's folder: `tree`, `blob`.
    pub kind: &'static str,
    pub count: u64,
    /// What the files hold; a file system that shares blocks uses less.
    pub bytes: u64,
}

#[derive(Clone, Debug)]
pub struct Usage {
    pub rows: Vec<UsageRow>,
    /// Trees with their key and bytes, the biggest first.
    pub trees: Vec<(String, crate::digest::Key, u64)>,
}

impl Store {
    /// Counts without reading any tree: sizes of trees are in their records.
    pub fn usage(&self) -> Result<Usage> {
        let mut trees = Vec::new();
        for key in self.trees()? {
            if let Ok(Some(record)) = self.record(&key) {
                trees.push((record.what, key, record.bytes));
            }
        }
        trees.sort_by(|one, other| (other.2, &one.0, &one.1).cmp(&(one.2, &other.0, &other.1)));
        let blobs = self.blobs()?;
        let mut blob_bytes = 0;
        for blob in &blobs {
            blob_bytes += fs::metadata(blob)?.len();
        }
        let mut rows = vec![
            UsageRow { kind: "tree", count: trees.len() as u64, bytes: trees.iter().map(|tree| tree.2).sum() },
            UsageRow { kind: "blob", count: blobs.len() as u64, bytes: blob_bytes },
        ];
        for kind in ["ccache", "partial", "work", "failed", "log"] {
            let folder = self.root.join(kind);
            let count = fs::read_dir(&folder)?.count() as u64;
            rows.push(UsageRow { kind, count, bytes: usage_of(&folder)? });
        }
        Ok(Usage { rows, trees })
    }
}
