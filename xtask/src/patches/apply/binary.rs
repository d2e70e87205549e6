//! Binary data of a patch, applied by libgit2 in a repository that is in memory only. The ids on the `index` line are checked on
//! both sides, as git does.

use super::Direction;
use crate::patches::diff::Binary;
use flate2::read::ZlibDecoder;
use git2::{Diff, ObjectType, Odb, Oid, Repository};
use std::io::{self, Read as _};
use std::path::Path;

/// What the data of one file may unpack to.
const LIMIT: u64 = 256 << 20;

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
    bounded(to_new)?;
    bounded(to_old)?;
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

/// Sees that one half's data does not unpack to more than it says, or than any file of a source has: libgit2 unpacks all there is.
fn bounded(half: &[u8]) -> Result<(), String> {
    let mut lines = half.split(|&byte| byte == b'\n');
    let head = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let size = head.strip_prefix("literal ").or_else(|| head.strip_prefix("delta "));
    let Some(size) = size.and_then(|size| size.trim_end().parse::<u64>().ok()) else {
        return Err(format!("binary data begins with `{head}`, not with `literal` or `delta` and a size"));
    };
    if size > LIMIT {
        return Err(format!("binary data of {size} bytes, more than the {LIMIT} that are unpacked"));
    }
    let mut packed = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        packed.extend(line_of_85(line).ok_or("binary data with a line that is not base 85")?);
    }
    let unpacked = io::copy(&mut ZlibDecoder::new(&packed[..]).take(size + 1), &mut io::sink());
    match unpacked {
        Ok(found) if found == size => Ok(()),
        Ok(found) if found > size => {
            Err(format!("binary data that unpacks to more than the {size} bytes that it says"))
        }
        Ok(found) => Err(format!("binary data that unpacks to {found} bytes and says {size}")),
        Err(error) => Err(format!("binary data that cannot be unpacked: {error}")),
    }
}

/// A line of git's binary data: how many bytes it holds, and these, four in five digits.
fn line_of_85(line: &[u8]) -> Option<Vec<u8>> {
    const DIGITS: &[u8; 85] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
    let (length, digits) = line.trim_ascii_end().split_first()?;
    let length = match length {
        b'A'..=b'Z' => length - b'A' + 1,
        b'a'..=b'z' => length - b'a' + 27,
        _ => return None,
    };
    let mut bytes = Vec::new();
    for group in digits.chunks(5) {
        let value = group.iter().try_fold(0_u64, |value, digit| {
            Some(value * 85 + DIGITS.iter().position(|known| known == digit)? as u64)
        })?;
        bytes.extend(u32::try_from(value).ok()?.to_be_bytes());
    }
    bytes.truncate(length.into());
    (bytes.len() == usize::from(length)).then_some(bytes)
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
