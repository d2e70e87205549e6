//! The event channel of a vchan: how each side wakes the other.
//!
//! In a stubdomain it is a port of `/dev/xen/evtchn`; a test has a socket.

use crate::sys::{Fd, device};

pub trait Bell {
    /// Ready to read when the peer has rung.
    fn fd(&self) -> &Fd;
    fn ring(&self);
    /// Takes the rings that came, so that the next one is seen.
    fn hear(&self);
}

pub struct Port {
    evtchn: Fd,
    port: u32,
}

impl Port {
    pub fn new(evtchn: Fd, port: u32) -> Port {
        Port { evtchn, port }
    }
}

impl Bell for Port {
    fn fd(&self) -> &Fd {
        &self.evtchn
    }

    fn ring(&self) {
        // A peer that is gone needs no ring, and its next coming is seen in the page.
        let _ = device::notify(&self.evtchn, self.port);
    }

    fn hear(&self) {
        let mut ports = [0; 64];
        if let Ok(length) = self.evtchn.read(&mut ports) {
            // What is written back is unmasked (Linux, drivers/xen/evtchn.c).
            let _ = self.evtchn.write(&ports[..length]);
        }
    }
}
