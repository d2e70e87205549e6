//! What a user can read on the console, all of it: a wrong message is mended here, and `stubdom/init/messages.txt` shows each one.
//!
//! A fault says which object, what happened to it and what to do. Nothing here prints.

use crate::sys::Errno;
use crate::sys::process::{Ended, Step};
use alloc::string::String;
use core::fmt::{Display, Formatter, Result};

/// What ends the stubdomain.
#[derive(Debug)]
pub enum Fault {
    Mount(&'static str, Errno),
    Device(&'static str, Errno),
    Disk(String, u32),
    StoreSilent(String, u32),
    StoreBroken(String, String),
    StoreLacks(String, String),
    Argv(String, String),
    Netdev(String),
    CardMissing(u32, String),
    Network(String, String, Errno),
    Console(&'static str, Errno),
    Channel(&'static str, Errno),
    Sockets(&'static str, Errno),
    Spawn(String, Step, Errno),
    QemuEnded(Ended, String),
    Wait(Errno),
    Panic(String),
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter) -> Result {
        match self {
            Fault::Mount(on, errno) => {
                write!(f, "mounting {on}: {errno}; the stubdomain's kernel lacks it, use the one built with this init")
            }
            Fault::Device(name, errno) => {
                write!(f, "opening {name}: {errno}; the stubdomain's kernel lacks it, use the one built with this init")
            }
            Fault::Disk(name, seconds) => {
                write!(
                    f,
                    "{name}, which QEMU is to open, has not come in {seconds} s; see whether its backend in dom0 runs"
                )
            }
            Fault::StoreSilent(what, seconds) => {
                write!(f, "{what}: xenstored gave no answer for {seconds} s; see whether it still runs in dom0")
            }
            Fault::StoreBroken(what, how) => {
                write!(
                    f,
                    "{what}: {how}; stubdomain and xenstored do not speak the same protocol, or the connection is lost"
                )
            }
            Fault::StoreLacks(path, how) => {
                write!(
                    f,
                    "reading {path}: {how}; start this domain through libxl, with device_model_stubdomain_override=1"
                )
            }
            Fault::Argv(path, how) => {
                write!(
                    f,
                    "QEMU's arguments in {path}: {how}; libxl of Xen 4.14 or newer writes them for a Linux stubdomain"
                )
            }
            Fault::Netdev(how) => write!(f, "QEMU's arguments: {how}; libxl writes type=tap,id=netN,ifname=…"),
            Fault::CardMissing(devid, ifname) => {
                write!(
                    f,
                    "network card {devid} of the guest ({ifname}): no vif {devid} has come; see whether its backend in dom0 runs"
                )
            }
            Fault::Network(what, on, errno) => {
                write!(f, "{what} {on}: {errno}; the stubdomain's kernel may lack bridges or taps")
            }
            Fault::Console(name, errno) => {
                write!(f, "console {name}: {errno}; libxl gives a stubdomain three consoles, served by a QEMU in dom0")
            }
            Fault::Channel(what, errno) => {
                write!(f, "QMP over vchan, {what}: {errno}; libxl cannot reach QEMU without it")
            }
            Fault::Sockets(what, errno) => {
                write!(f, "{what}: {errno}; the stubdomain may be out of memory, see stubdomain_memory")
            }
            Fault::Spawn(program, step, errno) => {
                write!(f, "starting {program}: {}: {errno}; the image of the stubdomain is not whole", step.text())
            }
            Fault::QemuEnded(ended, last) if last.is_empty() => {
                write!(
                    f,
                    "QEMU has ended with {ended} and said nothing; the guest is shut down as it has no device model"
                )
            }
            Fault::QemuEnded(ended, last) => write!(
                f,
                "QEMU has ended with {ended}, its last line being `{last}`; the guest is shut down as it has no device model"
            ),
            Fault::Wait(errno) => write!(f, "waiting for something to do: {errno}; this is a bug in init"),
            Fault::Panic(what) => write!(f, "init stopped itself: {what}; this is a bug in init"),
        }
    }
}

/// What is said while the stubdomain goes on.
#[derive(Debug)]
pub enum Note {
    Starts(&'static str),
    Option(String),
    Target(u32, u32),
    Arguments(usize, bool),
    Bridged(String, String),
    ChannelReady(String),
    Started(i32),
    Monitor,
    Limited(Errno),
    Running,
    NotRunning(u32, String),
    Connected,
    Disconnected,
    Reconnected,
    Refused(String),
    Stalled(usize, u32),
    Unreachable(Errno),
    QemuHungUp,
    Saved(usize),
    SaveFailed(Errno),
    MonitorLost(String),
    MonitorRefused(String, String),
    Disk(String, u32),
    DiskFailed(String, Errno),
    StoreLost(String),
    NotShutDown(u32, Errno),
    Full(usize),
    PowerOff,
    StillHere(Errno),
}

impl Display for Note {
    fn fmt(&self, f: &mut Formatter) -> Result {
        match self {
            Note::Starts(version) => write!(f, "init {version} starts"),
            Note::Option(text) => {
                write!(f, "option {text} is not known and ignored; see stubdom/README.md for those that are")
            }
            Note::Target(own, guest) => write!(f, "this is domain {own}, the device model of domain {guest}"),
            Note::Arguments(count, restore) => {
                write!(f, "{count} arguments for QEMU{}", if *restore { ", with a state to restore" } else { "" })
            }
            Note::Bridged(card, tap) => write!(f, "{card} is bridged to {tap}"),
            Note::ChannelReady(path) => write!(f, "vchan: QMP is served at {path}"),
            Note::Started(pid) => write!(f, "QEMU is started as process {pid}"),
            Note::Monitor => write!(f, "QEMU answers on its monitor, and can save its state"),
            Note::Limited(errno) => {
                write!(
                    f,
                    "lifting the limit of QEMU's address space: {errno}; a guest that uses much memory may end QEMU"
                )
            }
            Note::Running => write!(f, "QEMU says that it runs"),
            Note::NotRunning(seconds, last) => {
                write!(
                    f,
                    "QEMU does not run after {seconds} s, and libxl gives up after 30; QEMU's last line is `{last}`"
                )
            }
            Note::Connected => write!(f, "vchan: a client has connected"),
            Note::Disconnected => write!(f, "vchan: the client has gone"),
            Note::Reconnected => write!(f, "vchan: another client has come at once after the last"),
            Note::Refused(what) => write!(f, "vchan: the client sent {what}; it is not heard until it connects anew"),
            Note::Stalled(bytes, seconds) => write!(
                f,
                "vchan: the client stopped within a QMP command, {bytes} bytes of it, for {seconds} s; it is not heard until it connects anew"
            ),
            Note::Unreachable(errno) => {
                write!(f, "vchan: QEMU's QMP socket: {errno}; the client is not heard until it connects anew")
            }
            Note::QemuHungUp => {
                write!(f, "vchan: QEMU closed the connection; the client is not heard until it connects anew")
            }
            Note::Saved(bytes) => write!(f, "{bytes} bytes of state are saved to /dev/hvc1"),
            Note::SaveFailed(errno) => {
                write!(f, "saving the state to /dev/hvc1: {errno}; libxl is told, and the guest can go on")
            }
            Note::MonitorLost(what) => write!(f, "QEMU's monitor: {what}; saving and changing disks will fail"),
            Note::MonitorRefused(command, what) => write!(f, "QEMU's monitor refused {command}: {what}"),
            Note::Disk(name, devid) => write!(f, "disk {name} has come, QEMU has it as stub-devid:{devid}"),
            Note::DiskFailed(name, errno) => write!(f, "disk {name} has come, but QEMU cannot have it: {errno}"),
            Note::StoreLost(what) => write!(f, "xenstore: {what}; nothing more is asked of it"),
            Note::NotShutDown(guest, errno) => {
                write!(f, "shutting down domain {guest}: {errno}; it hangs without a device model, destroy it")
            }
            Note::Full(bytes) => write!(f, "{bytes} bytes were written here, nothing more is but the end (XSA-180)"),
            Note::PowerOff => write!(f, "powering off"),
            Note::StillHere(errno) => write!(f, "powering off: {errno}"),
        }
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
