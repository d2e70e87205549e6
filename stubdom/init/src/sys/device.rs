//! Requests to Xen's devices and to terminals.
//!
//! Numbers and structures: `tools/include/xen-sys/Linux/{evtchn,gntalloc,privcmd}.h` and `xen/include/public/hvm/dm_op.h` of Xen,
//! `include/uapi/asm-generic/{ioctls,termbits}.h` of Linux.

use super::{Errno, Fd, Result, call};
use protocol::vchan::Page;

const PAGE: usize = 4096;

/// One ioctl(2).
///
/// # Safety
///
/// `data` is as large as this request takes it.
unsafe fn ioctl<T>(fd: &Fd, request: usize, data: &mut T) -> Result<usize> {
    // SAFETY: the caller answers for the size; the place is borrowed for writing.
    unsafe { call(16, [fd.raw() as usize, request, data as *mut T as usize, 0, 0, 0]) }
}

/// _IOC(_IOC_NONE, kind, number, size).
const fn request(kind: u8, number: usize, size: usize) -> usize {
    size << 16 | (kind as usize) << 8 | number
}

/// A port of /dev/xen/evtchn to which the other domain may bind.
pub fn unbound_port(evtchn: &Fd, domain: u32) -> Result<u32> {
    let mut domain = domain;
    // SAFETY: IOCTL_EVTCHN_BIND_UNBOUND_PORT takes one word, which it only reads.
    unsafe { ioctl(evtchn, request(b'E', 2, 4), &mut domain) }.map(|port| port as u32)
}

pub fn notify(evtchn: &Fd, port: u32) -> Result<()> {
    let mut port = port;
    // SAFETY: IOCTL_EVTCHN_NOTIFY takes one word.
    unsafe { ioctl(evtchn, request(b'E', 4, 4), &mut port) }.map(|_| ())
}

/// A page of our own that the other domain may map, and its grant reference. When this process ends, the byte at `live` becomes
/// zero and the port rings. The page is never given back: it lasts as long as this process, which is the machine's first.
pub fn share(gntalloc: &Fd, domain: u32, live: usize, port: u32) -> Result<(&'static Page, u32)> {
    #[repr(C)]
    struct Alloc {
        domain: u16,
        flags: u16,
        count: u32,
        index: u64,
        reference: u32,
    }
    #[repr(C)]
    struct Notify {
        index: u64,
        action: u32,
        port: u32,
    }
    let domain = u16::try_from(domain).map_err(|_| Errno(22))?;
    // GNTALLOC_FLAG_WRITABLE.
    let mut alloc = Alloc { domain, flags: 1, count: 1, index: 0, reference: 0 };
    // SAFETY: IOCTL_GNTALLOC_ALLOC_GREF with a count of 1 takes and fills just this structure.
    unsafe { ioctl(gntalloc, request(b'G', 5, size_of::<Alloc>()), &mut alloc) }?;
    const READ_WRITE: usize = 3;
    const SHARED: usize = 1;
    let fd = gntalloc.raw() as usize;
    // SAFETY: a new mapping at a place that the kernel chooses touches no memory that is in use.
    let at = unsafe { call(9, [0, PAGE, READ_WRITE, SHARED, fd, alloc.index as usize]) }?;
    // UNMAP_NOTIFY_CLEAR_BYTE | UNMAP_NOTIFY_SEND_EVENT.
    let mut notify = Notify { index: alloc.index + live as u64, action: 3, port };
    // SAFETY: IOCTL_GNTALLOC_SET_UNMAP_NOTIFY takes just this structure.
    unsafe { ioctl(gntalloc, request(b'G', 7, size_of::<Notify>()), &mut notify) }?;
    // SAFETY: one page, aligned to a page, readable and writable until this process ends. Words that another domain writes are as
    // good as those that another thread writes when all access is atomic, and every bit pattern is a word.
    Ok((unsafe { &*(at as *const Page) }, alloc.reference))
}

/// XEN_DMOP_remote_shutdown: ends another domain, as its device model. The reason is one of `enum sched_shutdown_reason`.
pub fn shut_down(privcmd: &Fd, domain: u32, reason: u32) -> Result<()> {
    #[repr(C)]
    struct Request {
        domain: u16,
        buffers: u16,
        list: *const [usize; 2],
    }
    let domain = u16::try_from(domain).map_err(|_| Errno(22))?;
    // struct xen_dm_op: the operation, padding, and a union whose largest members stay below what is reserved here.
    let mut operation = [0u32; 32];
    operation[0] = 16;
    operation[2] = reason;
    let buffer = [operation.as_mut_ptr() as usize, size_of_val(&operation)];
    let mut dm_op = Request { domain, buffers: 1, list: &buffer };
    // SAFETY: IOCTL_PRIVCMD_DM_OP takes this structure, a list of one buffer, and a buffer that is as long as the list says.
    unsafe { ioctl(privcmd, request(b'P', 5, size_of::<Request>()), &mut dm_op) }.map(|_| ())
}

/// Makes a terminal pass every byte as it is, both ways, without echo.
pub fn make_raw(terminal: &Fd) -> Result<()> {
    /// struct termios: input, output, control and local flags, the line discipline, 19 control characters.
    #[repr(C)]
    struct Termios {
        flags: [u32; 4],
        line: u8,
        characters: [u8; 19],
    }
    let mut termios = Termios { flags: [0; 4], line: 0, characters: [0; 19] };
    // SAFETY: TCGETS fills just this structure.
    unsafe { ioctl(terminal, 0x5401, &mut termios) }?;
    // What cfmakeraw() clears and sets: no translation, no flow control, no signals, eight bits.
    termios.flags[0] &= !0o2753;
    termios.flags[1] &= !1;
    termios.flags[2] = termios.flags[2] & !0o460 | 0o60;
    termios.flags[3] &= !0o100_113;
    // VTIME and VMIN: a read waits for one byte.
    termios.characters[5] = 0;
    termios.characters[6] = 1;
    // SAFETY: TCSETS takes just this structure.
    unsafe { ioctl(terminal, 0x5402, &mut termios) }.map(|_| ())
}

/// Waits until what was written to a terminal has left it.
pub fn drain(terminal: &Fd) -> Result<()> {
    // SAFETY: TCSBRK with an argument that is not zero takes no address.
    unsafe { call(16, [terminal.raw() as usize, 0x5409, 1, 0, 0, 0]) }.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::file;

    /// The numbers that the headers' macros come to.
    #[test]
    fn requests_have_the_headers_numbers() {
        assert_eq!(request(b'E', 2, 4), 0x4_4502);
        assert_eq!(request(b'E', 4, 4), 0x4_4504);
        assert_eq!(request(b'G', 5, 24), 0x18_4705);
        assert_eq!(request(b'G', 7, 16), 0x10_4707);
        assert_eq!(request(b'P', 5, 16), 0x10_5005);
    }

    #[test]
    fn what_is_no_such_device_says_so() {
        let null = file::open("/dev/null", file::RDWR).unwrap();
        assert!(unbound_port(&null, 0).is_err() && notify(&null, 1).is_err() && make_raw(&null).is_err());
        assert!(share(&null, 0, 21, 1).is_err() && shut_down(&null, 1, 3).is_err() && drain(&null).is_err());
        assert_eq!(shut_down(&null, 1 << 16, 3), Err(Errno(22)));
    }

    #[test]
    fn a_raw_terminal_changes_nothing() {
        let Ok(master) = file::open("/dev/ptmx", file::RDWR | file::NOCTTY) else {
            panic!("this machine has no /dev/ptmx: mount devpts");
        };
        let (mut number, mut unlock) = (0u32, 0u32);
        // SAFETY: TIOCGPTN and TIOCSPTLCK take one word each.
        unsafe {
            ioctl(&master, 0x8004_5430, &mut number).unwrap();
            ioctl(&master, 0x4004_5431, &mut unlock).unwrap();
        }
        let slave = file::open(&alloc::format!("/dev/pts/{number}"), file::RDWR | file::NOCTTY).unwrap();
        make_raw(&slave).unwrap();
        let sent: alloc::vec::Vec<u8> = (0..=255).collect();
        let mut got = [0; 512];
        assert_eq!((master.write(&sent), slave.read(&mut got)), (Ok(256), Ok(256)));
        assert_eq!(&got[..256], &sent[..]);
        assert_eq!((slave.write(&sent), master.read(&mut got)), (Ok(256), Ok(256)));
        assert_eq!(&got[..256], &sent[..]);
    }
}
