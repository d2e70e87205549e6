//! Reads cpio archives in the "new ASCII" format, with and without check sums (cpio(5)): what the payload of an .rpm is.

use anyhow::{Context as _, Result, bail, ensure};
use std::io::{self, Read};

/// What an archive begins with, and each member of it.
pub const MAGIC: [&[u8]; 2] = [b"070701", b"070702"];

const HEADER: usize = 110;
const TRAILER: &[u8] = b"TRAILER!!!";
/// Bytes that a name may have: Linux's PATH_MAX.
const LONGEST: usize = 4096;

/// The fields of a member's header that say something about the file.
pub struct Header {
    pub path: String,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: u32,
    pub size: u64,
}

/// Calls `visit` for each member with a reader of its content; what of that is not read is skipped.
pub fn each(mut from: impl Read, mut visit: impl FnMut(Header, &mut dyn Read) -> Result<()>) -> Result<()> {
    loop {
        let mut raw = [0; HEADER];
        from.read_exact(&mut raw).context("the archive ends without its trailer")?;
        ensure!(MAGIC.contains(&&raw[..6]), "a member's header does not begin with 070701");
        let field = |number: usize| -> Result<u32> {
            let text = std::str::from_utf8(&raw[6 + 8 * number..][..8])?;
            u32::from_str_radix(text, 16).with_context(|| format!("`{text}` in a header is no number"))
        };
        let length = field(11)? as usize;
        ensure!((1..=LONGEST).contains(&length), "a member's name of {length} bytes");
        let mut name = vec![0; length];
        from.read_exact(&mut name).context("the archive ends within a name")?;
        name.pop();
        skip(&mut from, padding(HEADER + length))?;
        if name == TRAILER {
            return Ok(());
        }
        let size = u64::from(field(6)?);
        let header = Header {
            path: String::from_utf8_lossy(&name).into_owned(),
            mode: field(1)?,
            uid: field(2)?,
            gid: field(3)?,
            mtime: field(5)?,
            size,
        };
        let mut content = (&mut from).take(size);
        visit(header, &mut content)?;
        let rest = content.limit();
        skip(&mut from, rest + padding(size as usize))?;
    }
}

/// Name and content are filled up to multiples of four.
fn padding(size: usize) -> u64 {
    (size.next_multiple_of(4) - size) as u64
}

fn skip(from: &mut impl Read, bytes: u64) -> Result<()> {
    if io::copy(&mut from.take(bytes), &mut io::sink())? < bytes {
        bail!("the archive ends within a member");
    }
    Ok(())
}
