//! Binary data of a patch, applied by libgit2 in a repository that is in memory only. The ids on the `index` line are checked on
//! both sides, as git does.

use super::Direction;
use crate::patches::diff::Binary;
use git2::{Diff, ObjectType, Odb, Oid, Repository};
use std::path::Path;

/// The content afterwards, or why there is none.
pub fn apply(before: &[u8], binary: &Binary, data: &[u8], direction: Direction) -> Result<Vec<u8>, String> {
    if data.is_empty() {
        return Err("the patch says that it differs, and not how".to_owned());
    }
    let Some([old, new]) = &binary.ids else {
        return Err("binary data without an `index` line that has both ids in full".to_owned());
    };
    let halves = memchr::memmem::find(data, b"\n\n").map(|end| data.split_at(end + 2));
    let Some((to_new, to_old)) = halves else {
        return Err("binary data that is cut off".to_owned());
    };
    let (from, to, forth, back) = match direction {
        Direction::Forward => (old, new, to_new, to_old),
        Direction::Reverse => (new, old, to_old, to_new),
    };
    if !is(from, before) {
        return Err(format!("has other content than the patch was made for, {from}"));
    }
    let after = applied(before, from, to, forth, back).map_err(|error| error.message().to_owned())?;
    if !is(to, &after) {
        return Err(format!("the binary data does not give what the patch says, {to}"));
    }
    Ok(after)
}

/// Whether the content has this id; that of no file is all zeros.
fn is(id: &str, content: &[u8]) -> bool {
    let none = id.bytes().all(|digit| digit == b'0') && content.is_empty();
    none || Oid::hash_object(ObjectType::Blob, content).is_ok_and(|found| found.to_string() == id)
}

/// A patch of one file with a name of its own: where the file is in the source does not matter here.
fn applied(before: &[u8], from: &str, to: &str, forth: &[u8], back: &[u8]) -> Result<Vec<u8>, git2::Error> {
    let header = format!("diff --git a/f b/f\nindex {from}..{to} 100644\nGIT binary patch\n");
    let diff = Diff::from_buffer(&[header.as_bytes(), forth, back].concat())?;
    let objects = Odb::new()?;
    objects.add_new_mempack_backend(1)?;
    let repository = Repository::from_odb(objects)?;
    let mut tree = repository.treebuilder(None)?;
    tree.insert("f", repository.blob(before)?, 0o100644)?;
    let tree = repository.find_tree(tree.write()?)?;
    let index = repository.apply_to_tree(&tree, &diff, None)?;
    let entry = index.get_path(Path::new("f"), 0).ok_or_else(|| git2::Error::from_str("the file is gone"))?;
    Ok(repository.find_blob(entry.id)?.content().to_vec())
}
