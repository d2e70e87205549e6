//! Content identities: sha256 digests of bytes, git object ids, and the keys of build steps.
//!
//! Digests are those of the Remote Execution API (sha256 and size). A [`Key`] names the result of an action before the action
//! has run: everything that can reach the output is hashed into it, field by field, so that two different inputs never share
//! one byte string.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read, Write};

/// A sha256 in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(String);

impl Hash {
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(hex(&Sha256::digest(bytes)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, enough to tell two apart on a screen.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl TryFrom<String> for Hash {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Hash> {
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            bail!("`{text}` is not a sha256: expected 64 lower-case hexadecimal digits");
        }
        Ok(Hash(text))
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> String {
        hash.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A git object id (sha1) in lower-case hexadecimal: a commit or a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GitId(String);

impl GitId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for GitId {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<GitId> {
        if text.len() != 40 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            bail!("`{text}` is not a git object id: expected 40 lower-case hexadecimal digits, unabbreviated");
        }
        Ok(GitId(text))
    }
}

impl From<GitId> for String {
    fn from(id: GitId) -> String {
        id.0
    }
}

impl fmt::Display for GitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A writer that passes bytes on and keeps their sha256 and count.
pub struct Hasher<W> {
    inner: W,
    state: Sha256,
    size: u64,
}

impl<W: Write> Hasher<W> {
    pub fn new(inner: W) -> Hasher<W> {
        Hasher { inner, state: Sha256::new(), size: 0 }
    }

    /// The writer below, the sha256 of all that went through, and how many bytes that was.
    pub fn finish(self) -> (W, Hash, u64) {
        (self.inner, Hash(hex(&self.state.finalize())), self.size)
    }
}

impl<W: Write> Write for Hasher<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buf)?;
        self.state.update(&buf[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The sha256 and size in bytes of all that a reader gives.
pub fn hash_reader(mut reader: impl Read) -> io::Result<(Hash, u64)> {
    let mut hasher = Hasher::new(io::sink());
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            n => hasher.write_all(&buffer[..n])?,
        }
    }
    let (_, hash, size) = hasher.finish();
    Ok((hash, size))
}

/// The name of an action's result: same key, same bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key(Hash);

impl Key {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn short(&self) -> &str {
        self.0.short()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Collects the fields of a key; each is written with its name and length, so that no two lists of fields run together.
pub struct KeyBuilder(Sha256);

impl KeyBuilder {
    /// `kind` names the action and the version of the code that carries it out, such as `step/1`.
    pub fn new(kind: &str) -> KeyBuilder {
        KeyBuilder(Sha256::new()).field("kind", kind)
    }

    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> KeyBuilder {
        let value = value.as_ref();
        self.0.update(format!("{} {name} {} ", name.len(), value.len()));
        self.0.update(value);
        self
    }

    pub fn finish(self) -> Key {
        Key(Hash(hex(&self.0.finalize())))
    }
}

pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_checked_where_it_is_read() {
        // FIPS 180-4, "abc".
        assert_eq!(Hash::of(b"abc").as_str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(Hash::try_from("BA78".to_owned()).is_err());
        assert!(GitId::try_from("d530627".to_owned()).unwrap_err().to_string().contains("unabbreviated"));
    }

    #[test]
    fn fields_do_not_run_together() {
        let one = KeyBuilder::new("t/1").field("a", "bc").field("d", "").finish();
        let two = KeyBuilder::new("t/1").field("a", "b").field("cd", "").finish();
        assert_ne!(one, two);
    }
}
