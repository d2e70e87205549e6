//! The guest's state on its way out: QEMU saves into a file, and from there it goes to the console that libxl reads.
//!
//! libxl has QEMU save into file set 1, of which docs/misc/stubdom.txt says that it is console 1. QEMU empties what it saves into,
//! and a terminal cannot be emptied (EINVAL): so the file set holds a regular file, and its content follows when QEMU has answered,
//! before libxl hears the answer. A state is some hundred kilobytes, without the guest's memory.

use crate::sys::file::{self, CREAT, RDONLY, WRONLY};
use crate::sys::{Errno, Fd, OUT, Poll, Result, device, now, poll};
use alloc::vec;

/// How long dom0 may take for the whole of it, in milliseconds: libxl waits 10 s for the answer (LIBXL_QMP_CMD_TIMEOUT).
const PATIENCE: u64 = 8_000;
/// How long the last bytes may lie in the console's ring (2048 of them), in milliseconds: nobody says when dom0 has taken them.
const RING: i32 = 200;

pub struct Save {
    into: Fd,
    from: Fd,
    console: Fd,
    /// Waits for the ring; zero in tests, whose consoles have none.
    ring: i32,
}

impl Save {
    /// `path` is a file that does not matter otherwise, `console` a raw terminal.
    pub fn new(path: &str, console: Fd) -> Result<Save> {
        let into = file::open(path, WRONLY | CREAT)?;
        Ok(Save { into, from: file::open(path, RDONLY)?, console, ring: RING })
    }

    /// What QEMU is to have as file set 1: for writing only, as QEMU looks for a descriptor of just that mode.
    pub fn into(&self) -> &Fd {
        &self.into
    }

    /// Before each saving: QEMU's copy of the descriptor shares the place that it is at.
    pub fn begin(&self) -> Result<()> {
        file::rewind(&self.into)
    }

    /// After a saving: how many bytes went to the console.
    pub fn finish(&self) -> Result<usize> {
        file::start(&self.from)?;
        let end = now() + PATIENCE;
        let (mut piece, mut sum) = (vec![0; 16 << 10], 0);
        loop {
            let length = self.from.read(&mut piece)?;
            if length == 0 {
                break;
            }
            self.write(&piece[..length], end)?;
            sum += length;
        }
        // What is not a terminal has nothing to drain.
        let _ = device::drain(&self.console);
        poll(&mut [], self.ring)?;
        file::rewind(&self.into)?;
        Ok(sum)
    }

    fn write(&self, mut rest: &[u8], end: u64) -> Result<()> {
        while !rest.is_empty() {
            match self.console.write(rest) {
                Ok(length) => rest = &rest[length.min(rest.len())..],
                Err(Errno::AGAIN) if now() < end => {
                    poll(&mut [Poll::new(&self.console, OUT)], 1000)?;
                }
                Err(Errno::AGAIN) => return Err(Errno::TIMEDOUT),
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub fn without_ring(mut self) -> Save {
        self.ring = 0;
        self
    }
}
