//! The one place with unsafe code: Linux's system calls, each behind a function that is safe to call with any argument.
//!
//! Two functions of the C library are used, `syscall` and `__errno_location` (and its heap, in `heap`), so that all structures here
//! are those of the kernel (x86_64, `include/uapi`), whatever library stands below. Descriptors are closed when they are dropped and
//! are never inherited unless [`process::spawn`] is told so.

pub mod device;
pub mod file;
#[cfg(not(test))]
pub mod heap;
pub mod net;
pub mod process;
pub mod socket;

use core::ffi::{c_int, c_long};
use core::fmt;

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn __errno_location() -> *mut c_int;
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    pub const NOENT: Errno = Errno(2);
    pub const INTR: Errno = Errno(4);
    pub const AGAIN: Errno = Errno(11);
    pub const EXIST: Errno = Errno(17);
    pub const TIMEDOUT: Errno = Errno(110);
    pub const PIPE: Errno = Errno(32);
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let text = match self.0 {
            1 => "not permitted",
            2 => "no such file or device",
            5 => "input or output failed",
            6 | 19 => "no such device behind it",
            11 => "not ready",
            12 => "out of memory",
            13 => "access denied",
            16 => "busy",
            17 => "there already",
            22 => "invalid argument",
            28 => "no room left",
            32 => "the other side is closed",
            38 => "this kernel does not know that",
            104 => "the other side has gone",
            110 => "no answer in time",
            111 => "nobody listens there",
            number => return write!(f, "errno {number}"),
        };
        write!(f, "{text} (errno {})", self.0)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub type Result<T> = core::result::Result<T, Errno>;

/// One system call.
///
/// # Safety
///
/// Every argument that the call takes for an address must be one that the kernel may read or write as this call does.
unsafe fn call(number: c_long, a: [usize; 6]) -> Result<usize> {
    // SAFETY: the caller answers for the addresses; `syscall` itself only moves its arguments into registers.
    let result = unsafe { syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) };
    if result == -1 {
        // SAFETY: the C library gives the address of this thread's errno, which is there as long as the thread is.
        Err(Errno(unsafe { *__errno_location() }))
    } else {
        Ok(result as usize)
    }
}

/// A call without an address among its arguments.
fn plain(number: c_long, a: [usize; 4]) -> Result<usize> {
    debug_assert!([3, 7, 8, 33, 39, 41, 50, 62, 77, 95, 157, 169, 434].contains(&number));
    // SAFETY: only calls that are listed above come here, none of which takes an address with the arguments that are used.
    unsafe { call(number, [a[0], a[1], a[2], a[3], 0, 0]) }
}

/// A descriptor that is ours.
#[derive(Debug)]
pub struct Fd(i32);

impl Fd {
    /// What the kernel gives the first process to write to, which nobody else closes.
    pub fn inherited_output() -> Fd {
        Fd(1)
    }

    #[cfg(test)]
    pub fn owned(number: i32) -> Fd {
        Fd(number)
    }

    fn from(number: usize) -> Fd {
        Fd(number as i32)
    }

    pub fn raw(&self) -> i32 {
        self.0
    }

    pub fn read(&self, to: &mut [u8]) -> Result<usize> {
        // SAFETY: read(2) writes at most `len` bytes to a slice that is borrowed for writing.
        unsafe { call(0, [self.0 as usize, to.as_mut_ptr() as usize, to.len(), 0, 0, 0]) }
    }

    pub fn write(&self, from: &[u8]) -> Result<usize> {
        // SAFETY: write(2) reads at most `len` bytes of a slice that is borrowed.
        unsafe { call(1, [self.0 as usize, from.as_ptr() as usize, from.len(), 0, 0, 0]) }
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // close(2) releases the number whatever it returns.
        let _ = plain(3, [self.0 as usize, 0, 0, 0]);
    }
}

/// struct pollfd.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Poll {
    fd: i32,
    events: i16,
    revents: i16,
}

pub const IN: i16 = 1;
pub const OUT: i16 = 4;

impl Poll {
    pub fn new(fd: &Fd, events: i16) -> Poll {
        Poll { fd: fd.0, events, revents: 0 }
    }

    /// Whether something is to be done: what was asked for, or an end or error of the other side.
    pub fn ready(&self) -> bool {
        self.revents != 0
    }
}

/// Waits until one is ready, or for so many milliseconds; -1 is for ever. An interruption counts as nothing ready.
pub fn poll(of: &mut [Poll], milliseconds: i32) -> Result<usize> {
    // SAFETY: poll(2) reads and writes `len` structures of a slice that is borrowed for writing.
    match unsafe { call(7, [of.as_mut_ptr() as usize, of.len(), milliseconds as usize, 0, 0, 0]) } {
        Err(Errno::INTR) => Ok(0),
        other => other,
    }
}

/// Milliseconds of a clock that only goes forward.
pub fn now() -> u64 {
    let mut time = [0u64; 2];
    // SAFETY: clock_gettime(CLOCK_MONOTONIC) writes one struct timespec, two words.
    match unsafe { call(228, [1, time.as_mut_ptr() as usize, 0, 0, 0, 0]) } {
        Ok(_) => time[0] * 1000 + time[1] / 1_000_000,
        Err(_) => 0,
    }
}

/// Ends this machine; returns only when the caller is not the first process of one.
pub fn power_off() -> Errno {
    // LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF; the fourth argument is only read by another command.
    plain(169, [0xfee1_dead, 672_274_793, 0x4321_fedc, 0]).err().unwrap_or(Errno(0))
}
