//! Files, folders, mounts and owners.

use super::{Errno, Fd, Result, call, plain};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

pub const RDONLY: usize = 0;
pub const WRONLY: usize = 1;
pub const RDWR: usize = 2;
pub const CREAT: usize = 0o100;
/// A terminal does not become that of the process.
pub const NOCTTY: usize = 0o400;
pub const NONBLOCK: usize = 0o4000;
const CLOEXEC: usize = 0o2_000_000;
const DIRECTORY: usize = 0o200_000;
const AT_FDCWD: usize = -100_isize as usize;

/// A path as the kernel takes it. A zero inside would name another file.
pub fn path(text: &str) -> Result<Vec<u8>> {
    if text.contains('\0') {
        return Err(Errno(22));
    }
    Ok([text.as_bytes(), b"\0"].concat())
}

pub fn open(name: &str, flags: usize) -> Result<Fd> {
    let name = path(name)?;
    // SAFETY: `name` ends with a zero and lives through the call.
    unsafe { call(257, [AT_FDCWD, name.as_ptr() as usize, flags | CLOEXEC, 0o600, 0, 0]) }.map(Fd::from)
}

/// The whole of a file, which may be one whose size the kernel does not know; at most `most` bytes.
pub fn read(name: &str, most: usize) -> Result<Vec<u8>> {
    let file = open(name, RDONLY)?;
    let (mut bytes, mut piece) = (Vec::new(), [0; 1024]);
    loop {
        let length = file.read(&mut piece)?;
        bytes.extend(&piece[..length]);
        if length == 0 || bytes.len() >= most {
            bytes.truncate(most);
            return Ok(bytes);
        }
    }
}

pub fn create_folder(name: &str) -> Result<()> {
    let name = path(name)?;
    // SAFETY: `name` ends with a zero and lives through the call.
    unsafe { call(83, [name.as_ptr() as usize, 0o755, 0, 0, 0, 0]) }.map(|_| ())
}

pub fn mount(kind: &str, on: &str) -> Result<()> {
    let (kind, on) = (path(kind)?, path(on)?);
    let (kind, on) = (kind.as_ptr() as usize, on.as_ptr() as usize);
    // SAFETY: three strings that end with a zero and live through the call, and no data.
    unsafe { call(165, [kind, on, kind, 0, 0, 0]) }.map(|_| ())
}

/// Gives a file to a user and a group of the same number.
pub fn own(name: &str, user: u32) -> Result<()> {
    let name = path(name)?;
    // SAFETY: `name` ends with a zero and lives through the call.
    unsafe { call(92, [name.as_ptr() as usize, user as usize, user as usize, 0, 0, 0]) }.map(|_| ())
}

pub fn read_link(name: &str) -> Result<String> {
    let (name, mut to) = (path(name)?, [0; 512]);
    // SAFETY: `name` ends with a zero, and readlinkat(2) writes at most the length of `to`.
    let length = unsafe { call(267, [AT_FDCWD, name.as_ptr() as usize, to.as_mut_ptr() as usize, to.len(), 0, 0]) }?;
    Ok(String::from_utf8_lossy(&to[..length]).into_owned())
}

/// The names in a folder, sorted, without `.` and `..`.
pub fn list(name: &str) -> Result<Vec<String>> {
    let folder = open(name, RDONLY | DIRECTORY)?;
    let (mut names, mut bytes) = (Vec::new(), vec![0; 4096]);
    loop {
        // SAFETY: getdents64(2) writes at most the length of `bytes`.
        let length = unsafe { call(217, [folder.raw() as usize, bytes.as_mut_ptr() as usize, bytes.len(), 0, 0, 0]) }?;
        if length == 0 {
            names.sort();
            return Ok(names);
        }
        let mut rest = &bytes[..length];
        // struct linux_dirent64: 16 bytes, the record's length, a type, a name that ends with a zero.
        while let [_, ..] = rest {
            let size = rest.get(16..18).map_or(rest.len(), |size| usize::from(u16::from_le_bytes([size[0], size[1]])));
            let (record, later) = rest.split_at(size.clamp(1, rest.len()));
            let name = record.get(19..).unwrap_or_default().split(|byte| *byte == 0).next().unwrap_or_default();
            if name != b"." && name != b".." {
                names.push(String::from_utf8_lossy(name).into_owned());
            }
            rest = later;
        }
    }
}

/// Empties a regular file and goes to its start: for all who share this opening of it.
pub fn rewind(file: &Fd) -> Result<()> {
    plain(77, [file.raw() as usize, 0, 0, 0])?;
    plain(8, [file.raw() as usize, 0, 0, 0]).map(|_| ())
}

/// Goes to the start of a file.
pub fn start(file: &Fd) -> Result<()> {
    plain(8, [file.raw() as usize, 0, 0, 0]).map(|_| ())
}

/// A pipe: where to read, where to write. Neither waits.
pub fn pipe() -> Result<(Fd, Fd)> {
    let mut ends = [0i32; 2];
    // SAFETY: pipe2(2) writes two numbers.
    unsafe { call(293, [ends.as_mut_ptr() as usize, CLOEXEC | NONBLOCK, 0, 0, 0, 0]) }?;
    Ok((Fd(ends[0]), Fd(ends[1])))
}

/// A pipe for what a program says: reading does not wait, writing does.
pub fn output() -> Result<(Fd, Fd)> {
    let (read, write) = pipe()?;
    const SET_FLAGS: usize = 4;
    // SAFETY: fcntl(F_SETFL) takes a number. An end of a pipe keeps its direction.
    unsafe { call(72, [write.raw() as usize, SET_FLAGS, 0, 0, 0, 0]) }?;
    Ok((read, write))
}

/// The mask of what is taken from the mode of new files.
pub fn mask(bits: u32) {
    let _ = plain(95, [bits as usize, 0, 0, 0]);
}
