//! Unix sockets, descriptors that travel over them, and the kernel's announcements of devices.

use super::{Errno, Fd, Result, call, plain};
use alloc::vec;
use alloc::vec::Vec;

const AF_UNIX: u16 = 1;
const AF_NETLINK: u16 = 16;
const STREAM: usize = 1;
const DATAGRAM: usize = 2;
const CLOEXEC_NONBLOCK: usize = 0o2_004_000;

/// struct sockaddr_un of a path.
fn unix(path: &str) -> Result<Vec<u8>> {
    if path.len() > 107 || path.contains('\0') {
        return Err(Errno(22));
    }
    Ok([&AF_UNIX.to_le_bytes(), path.as_bytes(), b"\0"].concat())
}

fn socket(family: u16, kind: usize, protocol: usize) -> Result<Fd> {
    plain(41, [usize::from(family), kind | CLOEXEC_NONBLOCK, protocol, 0]).map(Fd::from)
}

fn with_address(number: i64, socket: &Fd, address: &[u8]) -> Result<()> {
    // SAFETY: bind(2) and connect(2) read the address, whose length is that of the slice.
    unsafe { call(number, [socket.raw() as usize, address.as_ptr() as usize, address.len(), 0, 0, 0]) }.map(|_| ())
}

/// Listens at a path where nothing is yet.
pub fn listen(path: &str) -> Result<Fd> {
    let socket = socket(AF_UNIX, STREAM, 0)?;
    with_address(49, &socket, &unix(path)?)?;
    plain(50, [socket.raw() as usize, 4, 0, 0])?;
    Ok(socket)
}

/// Connects without waiting: who listens need not have accepted yet.
pub fn connect(path: &str) -> Result<Fd> {
    let socket = socket(AF_UNIX, STREAM, 0)?;
    with_address(42, &socket, &unix(path)?)?;
    Ok(socket)
}

/// Two ends that are connected; neither waits.
pub fn pair() -> Result<(Fd, Fd)> {
    let mut ends = [0i32; 2];
    let kind = STREAM | CLOEXEC_NONBLOCK;
    // SAFETY: socketpair(2) writes two numbers.
    unsafe { call(53, [usize::from(AF_UNIX), kind, 0, ends.as_mut_ptr() as usize, 0, 0]) }?;
    Ok((Fd(ends[0]), Fd(ends[1])))
}

/// NETLINK_KOBJECT_UEVENT: a message for each device that comes or goes.
pub fn uevents() -> Result<Fd> {
    let socket = socket(AF_NETLINK, DATAGRAM, 15)?;
    // struct sockaddr_nl: family, padding, any port, the kernel's group.
    let mut address = vec![0; 12];
    address[..2].copy_from_slice(&AF_NETLINK.to_le_bytes());
    address[8] = 1;
    with_address(49, &socket, &address)?;
    Ok(socket)
}

#[repr(C)]
struct Header {
    name: usize,
    name_length: usize,
    parts: *const [usize; 2],
    part_count: usize,
    control: *const [u32; 6],
    control_length: usize,
    flags: usize,
}

/// Sends bytes, and with the first of them a descriptor. How many bytes went is returned.
pub fn send(socket: &Fd, bytes: &[u8], with: Option<&Fd>) -> Result<usize> {
    let part = [bytes.as_ptr() as usize, bytes.len()];
    // struct cmsghdr of 16 bytes (length 20, SOL_SOCKET, SCM_RIGHTS), the number, padding.
    let control: [u32; 6] = [20, 0, 1, 1, with.map_or(0, |fd| fd.raw() as u32), 0];
    let control_length = if with.is_some() { 24 } else { 0 };
    let header =
        Header { name: 0, name_length: 0, parts: &part, part_count: 1, control: &control, control_length, flags: 0 };
    const NOSIGNAL: usize = 0x4000;
    // SAFETY: sendmsg(2) reads the header, one part and the control data, all of which live through the call.
    unsafe { call(46, [socket.raw() as usize, &raw const header as usize, NOSIGNAL, 0, 0, 0]) }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::sys::file;

    /// Receives bytes and a descriptor, as QEMU does. The number, so that a test owns it.
    pub fn receive(socket: &Fd, to: &mut [u8]) -> Result<(usize, Option<Fd>)> {
        let part = [to.as_mut_ptr() as usize, to.len()];
        let control = [0u32; 6];
        let header = Header {
            name: 0,
            name_length: 0,
            parts: &part,
            part_count: 1,
            control: &control,
            control_length: 24,
            flags: 0,
        };
        // SAFETY: recvmsg(2) writes to the part and to the control data, which nobody else looks at meanwhile.
        let length = unsafe { call(47, [socket.raw() as usize, &raw const header as usize, 0, 0, 0, 0]) }?;
        // SAFETY: the kernel may have written there behind the compiler's back.
        let control = unsafe { core::ptr::read_volatile(&control) };
        Ok((length, (control[0] == 20).then(|| Fd(control[4] as i32))))
    }

    #[test]
    fn a_descriptor_travels() {
        let (a, b) = pair().unwrap();
        let (read, write) = file::pipe().unwrap();
        assert_eq!(send(&a, b"take", Some(&write)), Ok(4));
        let mut bytes = [0; 8];
        let (length, taken) = receive(&b, &mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"take");
        taken.unwrap().write(b"x").unwrap();
        assert_eq!(read.read(&mut bytes), Ok(1));
        drop(b);
        assert_eq!(send(&a, b"x", None), Err(Errno::PIPE));
    }
}
