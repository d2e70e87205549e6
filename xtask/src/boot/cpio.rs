//! Writes cpio archives in the "new ASCII" format (cpio(5)), as Linux unpacks them at its start: everything belongs to root and is
//! as old as 1970, so that the same members give the same bytes.
//!
//! Linux unpacks one archive after another from the same bytes: what is appended adds files to those before it, and replaces them.

use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeSet;
use std::io::{self, Read, Write};

const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const TRAILER: &str = "TRAILER!!!";

/// An archive that is being written. Paths have no leading slash.
pub struct Archive<W> {
    to: W,
    /// Bytes written.
    at: u64,
    members: u32,
    folders: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    pub fn new(to: W) -> Archive<W> {
        Archive { to, at: 0, members: 0, folders: BTreeSet::new() }
    }

    /// Linux makes no folder by itself: those that lead to a member must stand before it, and are written where they do not.
    pub fn folder(&mut self, path: &str, mode: u32) -> Result<()> {
        if self.folders.insert(path.to_owned()) {
            self.parents(path)?;
            self.member(path, FOLDER | mode & 0o7777, 0, io::empty())?;
        }
        Ok(())
    }

    pub fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.parents(path)?;
        self.member(path, LINK | 0o777, target.len() as u64, target.as_bytes())
    }

    /// `content` must have exactly `size` bytes.
    pub fn file(&mut self, path: &str, mode: u32, size: u64, content: impl Read) -> Result<()> {
        self.parents(path)?;
        self.member(path, FILE | mode & 0o7777, size, content)
    }

    /// Writes the end; the archive's length is a multiple of four, as what follows it wants.
    pub fn finish(mut self) -> Result<W> {
        self.member(TRAILER, 0, 0, io::empty())?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn parents(&mut self, path: &str) -> Result<()> {
        match path.rsplit_once('/') {
            Some((parent, _)) => self.folder(parent, 0o755),
            None => Ok(()),
        }
    }

    fn member(&mut self, path: &str, mode: u32, size: u64, content: impl Read) -> Result<()> {
        self.write(path, mode, size, content).with_context(|| format!("writing {path} to a cpio archive"))
    }

    fn write(&mut self, path: &str, mode: u32, size: u64, mut content: impl Read) -> Result<()> {
        ensure!(!path.is_empty() && !path.starts_with('/'), "it is not a path below the root");
        let size = u32::try_from(size).context("the format has no room for files of 4 GiB and more")?;
        self.members += 1;
        // A file has one name only: Linux would look for the others by the number.
        let inode = if path == TRAILER { 0 } else { self.members };
        let header = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, path.len() as u32 + 1, 0];
        let mut text = "070701".to_owned();
        text.extend(header.iter().map(|field| format!("{field:08X}")));
        self.put(text.as_bytes())?;
        self.put(path.as_bytes())?;
        self.put(b"\0")?;
        self.pad()?;
        let copied = io::copy(&mut (&mut content).take(u64::from(size)), &mut self.to)?;
        self.at += copied;
        let more = content.read(&mut [0])?;
        ensure!(copied == u64::from(size) && more == 0, "it has not the {size} bytes that it was said to have");
        self.pad()
    }

    /// Names and contents are filled up to multiples of four.
    fn pad(&mut self) -> Result<()> {
        let missing = self.at.next_multiple_of(4) - self.at;
        self.put(&[0; 3][..missing as usize])
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.to.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repro::cpio;

    /// `mode path content` of each member.
    fn members(mut bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            cpio::each(&mut bytes, |header, content| {
                let mut text = String::new();
                content.read_to_string(&mut text)?;
                assert_eq!((header.uid, header.gid, header.mtime), (0, 0, 0));
                found.push(format!("{:o} {} {text}", header.mode, header.path).trim_end().to_owned());
                Ok(())
            })
            .unwrap();
        }
        found
    }

    fn sample() -> Result<Vec<u8>> {
        let mut archive = Archive::new(Vec::new());
        archive.folder("tmp", 0o1777)?;
        archive.file("usr/bin/true", 0o755, 3, "abc".as_bytes())?;
        archive.link("usr/bin/yes", "true")?;
        archive.finish()
    }

    #[test]
    fn members_come_back_with_the_folders_that_lead_to_them() {
        let expected =
            ["41777 tmp", "40755 usr", "40755 usr/bin", "100755 usr/bin/true abc", "120777 usr/bin/yes true"];
        assert_eq!(members(&sample().unwrap()), expected);
        assert_eq!(sample().unwrap(), sample().unwrap());
    }

    #[test]
    fn archives_follow_one_another() {
        let mut bytes = sample().unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let mut archive = Archive::new(&mut bytes);
        archive.file("case/run", 0o644, 2, "ok".as_bytes()).unwrap();
        archive.finish().unwrap();
        assert_eq!(members(&bytes)[5..], ["40755 case", "100644 case/run ok"]);
    }

    #[test]
    fn sizes_are_held_to() {
        for size in [2, 4] {
            let mut archive = Archive::new(Vec::new());
            let error = archive.file("a", 0o644, size, "abc".as_bytes()).unwrap_err();
            assert!(format!("{error:#}").contains("writing a"), "{error:#}");
        }
        assert!(Archive::new(Vec::new()).folder("/etc", 0o755).is_err());
    }
}
