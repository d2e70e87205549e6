//! Every message with sample values, against the file that shows them.

extern crate std;

use super::*;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString as _;

fn faults() -> [Fault; 18] {
    let s = |text: &str| text.to_string();
    [
        Fault::Mount("/proc", Errno(19)),
        Fault::Device("/dev/xen/xenbus", Errno(2)),
        Fault::Disk(s("/dev/xvda"), 10),
        Fault::StoreSilent(s("reading target"), 20),
        Fault::StoreBroken(s("reading target"), s("xenstored answers a message of type 99")),
        Fault::StoreLacks(s("target"), s("xenstored answers ENOENT")),
        Fault::Argv(s("/vm/1/image/dm-argv"), s("argument 002 is missing")),
        Fault::Netdev(s("`-netdev type=tap` has no id=net<number>")),
        Fault::CardMissing(0, s("vif1.0-emu")),
        Fault::Network(s("making the bridge"), s("br0"), Errno(22)),
        Fault::Console("/dev/hvc1", Errno(2)),
        Fault::Channel("/dev/xen/gntalloc", Errno(2)),
        Fault::Sockets("making the monitor's socket", Errno(12)),
        Fault::Spawn(s("/usr/bin/qemu"), Step::Execute, Errno(2)),
        Fault::QemuEnded(Ended::Signal(11), s("")),
        Fault::QemuEnded(Ended::Exit(1), s("qemu: could not open disk")),
        Fault::Wait(Errno(12)),
        Fault::Panic(s("init/src/start.rs:1: index out of bounds")),
    ]
}

fn notes() -> [Note; 29] {
    let s = |text: &str| text.to_string();
    [
        Note::Starts("0.1.0"),
        Note::Option(s("stubdom.x")),
        Note::Target(2, 1),
        Note::Arguments(21, true),
        Note::Bridged(s("eth0"), s("vif1.0-emu")),
        Note::ChannelReady(s("device-model/1/qmp-vchan")),
        Note::Started(20),
        Note::Monitor,
        Note::Limited(Errno(1)),
        Note::Running,
        Note::NotRunning(25, s("qemu: waiting")),
        Note::Connected,
        Note::Disconnected,
        Note::Reconnected,
        Note::Refused(s("byte 0x47 where a QMP command begins")),
        Note::Stalled(12, 30),
        Note::Unreachable(Errno(111)),
        Note::QemuHungUp,
        Note::Saved(64000),
        Note::SaveFailed(Errno(110)),
        Note::MonitorLost(s("QEMU closed it")),
        Note::MonitorRefused(s("add-fd"), s("no")),
        Note::Disk(s("xvdc"), 5632),
        Note::DiskFailed(s("xvdc"), Errno(123)),
        Note::StoreLost(s("the connection is closed")),
        Note::NotShutDown(1, Errno(1)),
        Note::Full(1 << 20),
        Note::PowerOff,
        Note::StillHere(Errno(1)),
    ]
}

/// A variant's name; the compiler makes sure that `Debug` has one for each.
fn kind(debug: String) -> String {
    debug.split(['(', ' ']).next().unwrap().to_string()
}

/// The variants as this file's neighbour declares them, so that a new one without a sample is found.
fn declared(name: &str) -> BTreeSet<String> {
    let source = include_str!("message.rs");
    let body = source.split(&format!("pub enum {name} {{")).nth(1).unwrap().split("\n}").next().unwrap();
    body.lines()
        .map(|line| kind(line.trim().trim_end_matches(',').to_string()))
        .filter(|kind| !kind.is_empty())
        .collect()
}

#[test]
fn every_message_is_in_the_golden_file() {
    let shown: BTreeSet<String> = faults().iter().map(|fault| kind(format!("{fault:?}"))).collect();
    assert_eq!(shown, declared("Fault"));
    let shown: BTreeSet<String> = notes().iter().map(|note| kind(format!("{note:?}"))).collect();
    assert_eq!(shown, declared("Note"));
    let mut text =
        "# What init writes to its console, with sample values. Made by a test; UPDATE_EXPECT=1 blesses it.\n\n"
            .to_string();
    faults().iter().for_each(|fault| text += &format!("stubdom: error: {fault}\n"));
    text.push('\n');
    notes().iter().for_each(|note| text += &format!("stubdom: {note}\n"));
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/messages.txt");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(golden, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(golden).unwrap_or_default(), text, "UPDATE_EXPECT=1 blesses {golden}");
}
