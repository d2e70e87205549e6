//! From the start of QEMU to its end: one loop that waits for whatever comes and gives it to whom it concerns.
//!
//! Nothing in it waits for QEMU, for the peer of the vchan or for xenstore: whoever stops leaves the others as they were.

use crate::bell::Bell;
use crate::console::{Console, Relay};
use crate::message::{Fault, Note};
use crate::monitor::Monitor;
use crate::proxy::Proxy;
use crate::save::Save;
use crate::store::Store;
use crate::sys::process::{self, Child, Spawn};
use crate::sys::{Fd, IN, Poll, file, now, poll, socket};
use crate::uevent;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use protocol::argv;
use protocol::vchan::Endpoint;

/// When a QEMU that does not run is spoken of, in milliseconds: before libxl gives up.
const SLOW: u64 = 25_000;

/// How much QEMU may map while it makes its machine, in bytes. It sizes its caches of the guest's memory by that (hw/xen/xen-mapcache.c):
/// without a limit, those of grants have 384 MiB of zeros each, which Linux refuses in a domain of 64 MiB, and the page tables of the
/// other could fill the domain. Once the machine is made the limit says nothing useful any more, and is lifted.
const ADDRESS_SPACE: u64 = 2 << 30;

/// Descriptors that QEMU finds at these numbers.
const MONITOR: u32 = 3;
const LIBXL: u32 = 4;
const INCOMING: u32 = 5;

/// What QEMU is started with.
pub struct Launch<'a> {
    pub program: &'a str,
    pub environment: &'a [&'a str],
    /// As libxl wrote them.
    pub arguments: Vec<Vec<u8>>,
    /// A folder for a socket and a file.
    pub run: &'a str,
    /// Where disks are.
    pub dev: &'a str,
    pub user: Option<u32>,
    /// Capabilities that QEMU keeps, a bit for each.
    pub keep: u64,
    pub guest: u32,
    pub channel: Endpoint<'a>,
    pub bell: Box<dyn Bell>,
    pub marker: Option<u8>,
    /// Console 1, to which a saved state goes.
    pub console1: Fd,
    /// Console 2, from which a state to restore comes.
    pub console2: Option<Fd>,
    pub uevents: Option<Fd>,
    /// Whether this is the first process of its machine, to which others fall when their parents end.
    pub first: bool,
}

pub struct Supervisor<'a> {
    console: &'a Console,
    store: Option<&'a mut Store>,
    state: String,
    dev: String,
    user: Option<u32>,
    child: Child,
    relay: Option<Relay>,
    last: String,
    monitor: Monitor,
    proxy: Proxy<'a>,
    uevents: Option<Fd>,
    began: u64,
    running: bool,
    spoken: bool,
    limited: bool,
    first: bool,
}

/// Starts QEMU, with what it needs of this side.
pub fn launch<'a>(launch: Launch<'a>, store: &'a mut Store, console: &'a Console) -> Result<Supervisor<'a>, Fault> {
    let sockets = |what: &'static str| move |errno| Fault::Sockets(what, errno);
    let null = file::open("/dev/null", file::RDWR).map_err(|errno| Fault::Device("/dev/null", errno))?;
    let (output, end) = file::output().map_err(sockets("making QEMU's output"))?;
    let (ours, monitor) = socket::pair().map_err(sockets("making the monitor's socket"))?;
    let path = format!("{}/qmp", launch.run);
    let listener = socket::listen(&path).map_err(sockets("making libxl's QMP socket"))?;
    let state = format!("{}/state", launch.run);
    let save = Save::new(&state, launch.console1).map_err(sockets("making the file for a saved state"))?;
    let watched = format!("device-model/{}/state", launch.guest);
    if let Err(refusal) = store.watch(&watched)? {
        console.note(&Note::StoreLost(format!("watching {watched}: {refusal}")));
    }
    let place = |what: String| Fault::Argv("dm-argv".to_string(), what);
    let mut arguments = argv::substitute(launch.arguments, INCOMING).map_err(place)?;
    for (name, fd) in
        [("stubdom-init", format!("fd={MONITOR}")), ("libxl-cmd", format!("fd={LIBXL},server=on,wait=off"))]
    {
        let pairs = [("-chardev", format!("socket,id={name},{fd}")), ("-mon", format!("chardev={name},mode=control"))];
        arguments
            .extend(pairs.into_iter().flat_map(|(option, value)| [option.as_bytes().to_vec(), value.into_bytes()]));
    }
    let mut inherit = [&null, &end, &end, &monitor, &listener].to_vec();
    inherit.extend(&launch.console2);
    let (program, environment, user, keep) = (launch.program, launch.environment, launch.user, launch.keep);
    let child = process::spawn(&Spawn {
        program,
        arguments: &arguments,
        environment,
        inherit: &inherit,
        user,
        keep,
        address_space: ADDRESS_SPACE,
    })
    .map_err(|(step, errno)| Fault::Spawn(program.to_string(), step, errno))?;
    console.note(&Note::Started(child.pid));
    Ok(Supervisor {
        console,
        store: Some(store),
        state: watched,
        dev: launch.dev.to_string(),
        user,
        child,
        relay: Some(Relay::new(output)),
        last: String::new(),
        monitor: Monitor::new(ours),
        proxy: Proxy::new(launch.channel, launch.bell, &path, launch.marker, save),
        uevents: launch.uevents,
        began: now(),
        running: false,
        spoken: false,
        limited: true,
        first: launch.first,
    })
}

impl Supervisor<'_> {
    /// Returns when QEMU has ended: how, as a fault.
    pub fn run(&mut self) -> Fault {
        loop {
            match self.turn() {
                Ok(None) => (),
                Ok(Some(fault)) | Err(fault) => return fault,
            }
        }
    }

    fn turn(&mut self) -> Result<Option<Fault>, Fault> {
        let mut polls = [Poll::new(&self.child.ended, IN), Poll::new(self.proxy.bell(), IN)].to_vec();
        let mut add = |fd: Option<(&Fd, i16)>| {
            fd.map(|(fd, events)| {
                polls.push(Poll::new(fd, events));
                polls.len() - 1
            })
        };
        let relay = add(self.relay.as_ref().map(|relay| (relay.fd(), IN)));
        let monitor = add(self.monitor.fd().map(|fd| (fd, IN)));
        let uevents = add(self.uevents.as_ref().map(|fd| (fd, IN)));
        let store = add(self.store.as_ref().map(|store| (store.fd(), IN)));
        add(self.proxy.qemu());
        // Something is under way that has a time limit, or nothing is.
        let wait = if self.proxy.unfinished() || !(self.running || self.spoken) { 1000 } else { -1 };
        poll(&mut polls, wait).map_err(Fault::Wait)?;
        let ready = |at: Option<usize>| at.is_some_and(|at| polls[at].ready());
        if ready(relay) {
            self.relay();
        }
        if ready(monitor) {
            self.monitor.work(self.proxy.save(), self.console);
            if self.limited && self.monitor.answered() {
                self.limited = false;
                if let Err(errno) = process::lift(&self.child) {
                    self.console.note(&Note::Limited(errno));
                }
            }
        }
        if ready(uevents) {
            self.devices();
        }
        if ready(store) {
            self.ask();
        }
        self.proxy.work(self.console);
        if !self.running && !self.spoken && now() - self.began >= SLOW {
            self.spoken = true;
            self.console.note(&Note::NotRunning((SLOW / 1000) as u32, self.last.clone()));
        }
        // Whatever ended: nothing of it may stay.
        while let Some((pid, ended)) = process::wait(if self.first { None } else { Some(self.child.pid) }) {
            if pid == self.child.pid {
                self.relay();
                return Ok(Some(Fault::QemuEnded(ended, self.last.clone())));
            }
        }
        Ok(None)
    }

    fn relay(&mut self) {
        let Some(relay) = &mut self.relay else { return };
        let open = relay.pump(self.console);
        self.last = relay.last().to_string();
        if !open {
            self.relay = None;
        }
    }

    /// Whether QEMU has written that it runs.
    fn ask(&mut self) {
        let Some(store) = &mut self.store else { return };
        let mut look = || -> Result<bool, Fault> {
            let fired = store.fired()?;
            // The first event of a watch comes at once, before there is anything to read.
            Ok(!fired.is_empty() && store.read(&self.state).is_ok_and(|value| value == b"running"))
        };
        match look() {
            Ok(true) if !self.running => {
                self.running = true;
                self.console.note(&Note::Running);
            }
            Ok(_) => (),
            Err(fault) => {
                self.console.note(&Note::StoreLost(fault.to_string()));
                self.store = None;
            }
        }
    }

    /// Disks that have come: QEMU's user may open them, and QEMU has them as libxl looks for them.
    fn devices(&mut self) {
        let Some(uevents) = &self.uevents else { return };
        let mut message = [0; 4096];
        while let Ok(length @ 1..) = uevents.read(&mut message) {
            let Some(disk) = uevent::disk(&message[..length]) else { continue };
            let path = format!("{}/{}", self.dev, disk.name);
            let given = || {
                self.user.map_or(Ok(()), |user| file::own(&path, user))?;
                file::open(&path, file::RDONLY | file::NONBLOCK)
            };
            match given() {
                Ok(fd) => self.monitor.disk(&disk.name, disk.devid, fd, self.console),
                Err(errno) => self.console.note(&Note::DiskFailed(disk.name, errno)),
            }
        }
    }
}

#[cfg(test)]
#[path = "supervise_tests.rs"]
mod tests;
