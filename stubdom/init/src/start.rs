//! The way of the first process: mounts, what libxl left, consoles, devices, cards, the vchan, QEMU, and the end of the machine.
//!
//! Steps stand in their order, and each says on the console how far it got. What goes wrong ends the machine, after it was said on
//! the console and in xenstore, and after the guest was shut down: it must not hang without a device model.

use crate::bell::Port;
use crate::console::Console;
use crate::message::{Fault, Note};
use crate::network;
use crate::store::{PATIENCE, Store};
use crate::supervise::{Launch, launch};
use crate::sys::file::{self, NOCTTY, NONBLOCK, RDWR};
use crate::sys::process::{Ended, PASSTHROUGH, undisturbed};
use crate::sys::{Errno, Fd, device, now, poll, power_off, socket};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use protocol::argv;
use protocol::vchan::{self, Endpoint};

const PROGRAM: &str = "/usr/bin/qemu";
/// The user and group that QEMU runs as. It has no name: there is no file of names.
pub const USER: u32 = 100;
/// How long a device that is on its way is waited for, in milliseconds.
const ON_ITS_WAY: u64 = if cfg!(test) { 100 } else { 10_000 };
/// Where `srv_live` is in the page of a vchan, in bytes.
const SRV_LIVE: usize = 21;

/// Reasons of `enum sched_shutdown_reason` (xen/include/public/sched.h).
const POWEROFF: u32 = 0;
const CRASH: u32 = 3;

/// Everything; returns only if the machine cannot be ended.
pub fn run() {
    file::mask(0o077);
    let mounted = mount();
    let console = Console::new(terminal());
    console.note(&Note::Starts(env!("CARGO_PKG_VERSION")));
    let (mut store, mut guest) = (None, None);
    let fault = match mounted.and_then(|()| serve(&console, &mut store, &mut guest)) {
        Ok(fault) | Err(fault) => fault,
    };
    end(&fault, &console, store, guest);
}

/// Ends the machine in the name of a fault that nobody has foreseen.
pub fn panicked(what: String) {
    let console = Console::new(terminal());
    console.fault(&Fault::Panic(what));
    console.last(&Note::StillHere(power_off()));
}

/// The log in dom0, or what the kernel gave.
fn terminal() -> Fd {
    file::open("/dev/hvc0", RDWR | NOCTTY | NONBLOCK).unwrap_or_else(|_| Fd::inherited_output())
}

fn mount() -> Result<(), Fault> {
    for (kind, on) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("xenfs", "/proc/xen")] {
        // The folder may be part of the image, or of what was mounted before.
        let _ = file::create_folder(on);
        match file::mount(kind, on) {
            // It is there already.
            Ok(()) | Err(Errno(16)) => (),
            Err(errno) => return Err(Fault::Mount(on, errno)),
        }
    }
    let _ = file::create_folder("/run");
    Ok(())
}

/// From the first question to xenstore to QEMU's end. What was learnt on the way stays with the caller.
fn serve(console: &Console, place: &mut Option<Store>, told: &mut Option<u32>) -> Result<Fault, Fault> {
    let options = options(&file::read("/proc/cmdline", 4096).unwrap_or_default(), console);
    let xenbus = open("/dev/xen/xenbus")?;
    let store = place.insert(Store::new(xenbus, PATIENCE));
    let guest = *told.insert(store.number("target")?);
    let own = store.number("domid")?;
    console.note(&Note::Target(own, guest));
    let arguments = arguments(store, guest)?;
    let cards = argv::netdevs(&arguments).map_err(Fault::Netdev)?;
    let restores = argv::restores(&arguments);
    console.note(&Note::Arguments(arguments.len(), restores));

    let console1 = raw("/dev/hvc1")?;
    let console2 = if restores { Some(raw("/dev/hvc2")?) } else { None };
    devices(&arguments)?;
    for card in &cards {
        network::bridge(card, "/sys/class/net", USER, console)?;
    }
    let (channel, bell) = channel(store, own, guest, console)?;
    let launch_ = Launch {
        program: PROGRAM,
        environment: &["HOME=/", "TERM=dumb"],
        arguments,
        run: "/run",
        dev: "/dev",
        user: Some(USER),
        keep: if options.passthrough { PASSTHROUGH } else { 0 },
        guest,
        channel,
        bell: Box::new(bell),
        marker: options.marker,
        console1,
        console2,
        uevents: socket::uevents().ok(),
        first: true,
    };
    Ok(launch(launch_, store, console)?.run())
}

/// Says what happened where somebody looks, shuts the guest down, and ends the machine.
fn end(fault: &Fault, console: &Console, store: Option<Store>, guest: Option<u32>) {
    console.fault(fault);
    if let Some(guest) = guest {
        if let Some(mut store) = store {
            tell(&mut store, guest, fault);
        }
        let reason = if matches!(fault, Fault::QemuEnded(Ended::Exit(0), _)) { POWEROFF } else { CRASH };
        let down = file::open("/dev/xen/privcmd", RDWR).and_then(|privcmd| device::shut_down(&privcmd, guest, reason));
        if let Err(errno) = down {
            console.last(&Note::NotShutDown(guest, errno));
        }
    }
    console.last(&Note::PowerOff);
    // What was written reaches dom0 before this domain is gone.
    let _ = poll(&mut [], 300);
    console.last(&Note::StillHere(power_off()));
}

/// In the node that libxl watches while the stubdomain starts, and beside it why. A xenstore that does not answer is not waited for
/// once more.
pub fn tell(store: &mut Store, guest: u32, fault: &Fault) {
    if matches!(fault, Fault::StoreSilent(..) | Fault::StoreBroken(..)) {
        return;
    }
    let base = format!("device-model/{guest}");
    let text: String = fault.to_string().chars().take(1000).collect();
    // Nobody is left to be told when that fails; the console has it.
    let _ = store.write(&format!("{base}/error"), &text).and_then(|_| store.write(&format!("{base}/state"), "failed"));
}

/// What a user can ask for.
#[derive(Debug, Default)]
pub struct Options {
    /// `stubdom.reconnect-marker=N`: the value of the byte with which each client of the vchan begins.
    pub marker: Option<u8>,
    /// `stubdom.passthrough`: the guest gets PCI devices, which QEMU cannot drive without privileges.
    pub passthrough: bool,
}

/// The kernel's command line is libxl's stubdomain_cmdline.
pub fn options(line: &[u8], console: &Console) -> Options {
    let mut options = Options::default();
    let line = String::from_utf8_lossy(line).into_owned();
    for word in line.split_ascii_whitespace().filter(|word| word.starts_with("stubdom.")) {
        match word.strip_prefix("stubdom.reconnect-marker=").map(str::parse) {
            Some(Ok(byte)) => options.marker = Some(byte),
            _ if word == "stubdom.passthrough" => options.passthrough = true,
            _ => console.note(&Note::Option(word.to_string())),
        }
    }
    options
}

/// QEMU's arguments as libxl wrote them.
pub fn arguments(store: &mut Store, guest: u32) -> Result<Vec<Vec<u8>>, Fault> {
    let vm = String::from_utf8_lossy(&store.read(&format!("/local/domain/{guest}/vm"))?).into_owned();
    let path = format!("{vm}/image/dm-argv");
    let names = store.directory(&path)?.map_err(|refusal| Fault::Argv(path.clone(), refusal.to_string()))?;
    let names = argv::order(&names).map_err(|what| Fault::Argv(path.clone(), what))?;
    names.iter().map(|name| store.read(&format!("{path}/{name}"))).collect()
}

fn open(name: &'static str) -> Result<Fd, Fault> {
    file::open(name, RDWR | NONBLOCK).map_err(|errno| Fault::Device(name, errno))
}

/// Tries until there is something, for as long as a device may be on its way.
pub fn patiently<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let end = now() + ON_ITS_WAY;
    loop {
        let done = attempt();
        if done.is_some() || now() >= end {
            return done;
        }
        let _ = poll(&mut [], 20);
    }
}

/// A console that passes every byte. dom0 may have written to it before it is opened, and what arrives between its opening and its
/// being raw would be echoed and edited: so nothing else of this one processor runs between the two.
fn raw(name: &'static str) -> Result<Fd, Fault> {
    let open = || {
        undisturbed(|| {
            let terminal = file::open(name, RDWR | NOCTTY | NONBLOCK)?;
            device::make_raw(&terminal).map(|()| terminal)
        })
    };
    let mut last = Errno::NOENT;
    patiently(|| open().map_err(|errno| last = errno).ok()).ok_or(Fault::Console(name, last))
}

/// QEMU's user may open what QEMU opens, and nothing else.
fn devices(arguments: &[Vec<u8>]) -> Result<(), Fault> {
    for name in ["/dev/xen/xenbus", "/dev/xen/privcmd", "/dev/xen/evtchn", "/dev/xen/gntdev"] {
        file::own(name, USER).map_err(|errno| Fault::Device(name, errno))?;
    }
    // Not every kernel has the first, and not every guest a card.
    for name in ["/dev/xen/hypercall", "/dev/net/tun"] {
        let _ = file::own(name, USER);
    }
    for name in argv::devices(arguments) {
        let own = || file::own(&name, USER).ok();
        patiently(own).ok_or(Fault::Disk(name.clone(), (ON_ITS_WAY / 1000) as u32))?;
    }
    Ok(())
}

/// Shares a page, binds a port, and says where both are. What a client reads first is written last.
fn channel(store: &mut Store, own: u32, guest: u32, console: &Console) -> Result<(Endpoint<'static>, Port), Fault> {
    // libxl runs in domain 0; it names its own nodes by the same number (LIBXL_TOOLSTACK_DOMID).
    const TOOLSTACK: u32 = 0;
    let evtchn = open("/dev/xen/evtchn")?;
    let gntalloc = open("/dev/xen/gntalloc")?;
    let port = device::unbound_port(&evtchn, TOOLSTACK).map_err(|errno| Fault::Channel("/dev/xen/evtchn", errno))?;
    let (page, reference) = device::share(&gntalloc, TOOLSTACK, SRV_LIVE, port)
        .map_err(|errno| Fault::Channel("/dev/xen/gntalloc", errno))?;
    vchan::format(page);
    let base = format!("device-model/{guest}/qmp-vchan");
    for (name, value) in [("event-channel", port), ("ring-ref", reference)] {
        let path = format!("{base}/{name}");
        store
            .publish(&path, &value.to_string(), own, TOOLSTACK)?
            .map_err(|refusal| Fault::StoreLacks(path, refusal.to_string()))?;
    }
    console.note(&Note::ChannelReady(base));
    Ok((Endpoint::server(page), Port::new(evtchn, port)))
}
