//! One process to start and to lock in, and those that end.

use super::file::{self, path};
use super::{Errno, Fd, IN, Poll, Result, call, plain, poll};
use alloc::vec::Vec;
use core::ptr;

/// What is started, and with what.
pub struct Spawn<'a> {
    pub program: &'a str,
    pub arguments: &'a [Vec<u8>],
    pub environment: &'a [&'a str],
    /// The descriptors that it gets, as 0, 1, 2, …; it gets no others.
    pub inherit: &'a [&'a Fd],
    /// The user and group that it becomes, without any capability; none keeps the caller's, which is for tests.
    pub user: Option<u32>,
    /// The capabilities that it keeps as that user, a bit for each; zero for none.
    pub keep: u64,
    /// How much it may map, in bytes, until [`lift`] is called.
    pub address_space: u64,
}

/// What reads the configuration of a PCI device beyond its first 64 bytes (Linux, pci_read_config()), opens the files of its
/// resources, and is allowed to map them: CAP_DAC_OVERRIDE, CAP_SYS_RAWIO, CAP_SYS_ADMIN.
pub const PASSTHROUGH: u64 = 1 << 1 | 1 << 17 | 1 << 21;

/// The step that a child did not get over. The numbers travel from child to parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    Fork,
    Descriptors,
    User,
    Filter,
    Execute,
}

impl Step {
    pub fn text(self) -> &'static str {
        match self {
            Step::Fork => "a process could not be made",
            Step::Descriptors => "its descriptors could not be arranged",
            Step::User => "its privileges could not be dropped",
            Step::Filter => "its system calls could not be limited",
            Step::Execute => "it could not be executed",
        }
    }
}

/// A process that runs, or has ended and was not waited for.
pub struct Child {
    pub pid: i32,
    /// Is ready to read when the process has ended.
    pub ended: Fd,
}

/// How a process ended: its exit code or its signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Exit(i32),
    Signal(i32),
}

impl core::fmt::Display for Ended {
    fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result {
        match self {
            Ended::Exit(code) => write!(f, "exit code {code}"),
            Ended::Signal(number) => write!(f, "signal {number}"),
        }
    }
}

pub fn spawn(what: &Spawn) -> core::result::Result<Child, (Step, Errno)> {
    let fork = |errno| (Step::Fork, errno);
    // All memory is taken before the fork: what a child may do is little.
    let program = path(what.program).map_err(fork)?;
    let list =
        |texts: &[Vec<u8>]| -> Vec<*const u8> { texts.iter().map(|t| t.as_ptr()).chain([ptr::null()]).collect() };
    let arguments: Vec<Vec<u8>> =
        [what.program.as_bytes()].into_iter().chain(what.arguments.iter().map(Vec::as_slice)).map(zero).collect();
    let environment: Vec<Vec<u8>> = what.environment.iter().map(|text| zero(text.as_bytes())).collect();
    let (arguments, environment) = (list(&arguments), list(&environment));
    let filter = filter();
    let (told, tell) = file::pipe().map_err(fork)?;
    // SAFETY: fork(2) takes nothing; the child below only makes system calls with memory that it has a copy of.
    let pid = unsafe { call(57, [0; 6]) }.map_err(fork)?;
    if pid == 0 {
        let (step, errno) = child(what, &program, &arguments, &environment, &filter);
        let _ = tell.write(&[&[step as u8][..], &errno.0.to_le_bytes()].concat());
        loop {
            // SAFETY: exit_group(2) takes a number and does not return.
            let _ = unsafe { call(231, [127, 0, 0, 0, 0, 0]) };
        }
    }
    drop(tell);
    let ended = plain(434, [pid, 0, 0, 0]).map(Fd::from).map_err(fork)?;
    // The pipe closes when the program starts, or carries what went wrong.
    let mut message = [0; 5];
    while told.read(&mut message) == Err(Errno::AGAIN) {
        let _ = poll(&mut [Poll::new(&told, IN)], 1000);
    }
    let steps = [Step::Fork, Step::Descriptors, Step::User, Step::Filter, Step::Execute];
    match i32::from_le_bytes([message[1], message[2], message[3], message[4]]) {
        0 => Ok(Child { pid: pid as i32, ended }),
        errno => {
            let _ = wait(Some(pid as i32));
            let step = steps.into_iter().find(|step| *step as u8 == message[0]).unwrap_or(Step::Fork);
            Err((step, Errno(errno)))
        }
    }
}

fn zero(text: &[u8]) -> Vec<u8> {
    [text, b"\0"].concat()
}

/// What the child does: it returns only when a step fails.
fn child(
    what: &Spawn,
    program: &[u8],
    arguments: &[*const u8],
    environment: &[*const u8],
    filter: &[Instruction],
) -> (Step, Errno) {
    if let Err(errno) = arrange(what.inherit) {
        return (Step::Descriptors, errno);
    }
    if let Err(errno) = set_address_space(0, what.address_space) {
        return (Step::User, errno);
    }
    if let Err(errno) = what.user.map_or(Ok(()), |user| drop_to(user, what.keep)) {
        return (Step::User, errno);
    }
    if let Err(errno) = limit(filter) {
        return (Step::Filter, errno);
    }
    let (arguments, environment) = (arguments.as_ptr() as usize, environment.as_ptr() as usize);
    // SAFETY: strings that end with a zero and lists that end with a null, all of which live in `spawn`'s frame.
    match unsafe { call(59, [program.as_ptr() as usize, arguments, environment, 0, 0, 0]) } {
        Err(errno) => (Step::Execute, errno),
        Ok(_) => (Step::Execute, Errno(0)),
    }
}

/// Puts the descriptors at their numbers, and closes all others when the program starts.
fn arrange(inherit: &[&Fd]) -> Result<()> {
    const ABOVE: usize = 64;
    const DUPFD: usize = 0;
    // First out of the way, as one may stand where another belongs.
    for (at, fd) in inherit.iter().enumerate() {
        // SAFETY: fcntl(F_DUPFD) takes a number.
        let copy = unsafe { call(72, [fd.raw() as usize, DUPFD, ABOVE, 0, 0, 0]) }?;
        // What stays below `ABOVE` until then is a parent's and is read by later turns: hence two loops.
        if copy != ABOVE + at {
            // SAFETY: dup3(2) takes numbers.
            unsafe { call(292, [copy, ABOVE + at, 0, 0, 0, 0]) }?;
        }
    }
    for at in 0..inherit.len() {
        plain(33, [ABOVE + at, at, 0, 0])?;
    }
    const CLOSE_RANGE_CLOEXEC: usize = 4;
    // SAFETY: close_range(2) takes numbers.
    unsafe { call(436, [inherit.len(), u32::MAX as usize, CLOSE_RANGE_CLOEXEC, 0, 0, 0]) }.map(|_| ())
}

/// Of a process, or of this one, which is zero.
fn set_address_space(pid: i32, bytes: u64) -> Result<()> {
    const ADDRESS_SPACE: usize = 9;
    let limits = [bytes; 2];
    // SAFETY: prlimit64(2) reads one structure of two words.
    unsafe { call(302, [pid as usize, ADDRESS_SPACE, limits.as_ptr() as usize, 0, 0, 0]) }.map(|_| ())
}

/// Takes the limit of a child's address space away.
pub fn lift(child: &Child) -> Result<()> {
    set_address_space(child.pid, u64::MAX)
}

/// Becomes a user who may do nothing that needs a privilege but what is kept, for good.
fn drop_to(user: u32, keep: u64) -> Result<()> {
    // No core to write anywhere; memory that Xen's libraries lock for a hypercall's arguments.
    const MEMLOCK: usize = 8;
    const CORE: usize = 4;
    for (limit, value) in [(CORE, [0u64; 2]), (MEMLOCK, [1 << 26; 2])] {
        // SAFETY: prlimit64(2) on this process reads one structure of two words.
        let _ = unsafe { call(302, [0, limit, value.as_ptr() as usize, 0, 0, 0]) };
    }
    const CAPBSET_DROP: usize = 24;
    const SET_KEEPCAPS: usize = 8;
    const AMBIENT: usize = 47;
    const AMBIENT_RAISE: usize = 2;
    let kept = |capability: &usize| keep >> capability & 1 == 1;
    for capability in (0..64).filter(|capability| !kept(capability)) {
        // The kernel says that there is no such capability after its last.
        if plain(157, [CAPBSET_DROP, capability, 0, 0]) == Err(Errno(22)) {
            break;
        }
    }
    plain(157, [SET_KEEPCAPS, usize::from(keep != 0), 0, 0])?;
    let user = user as usize;
    // SAFETY: setgroups(2) with no groups reads none; setresgid(2) and setresuid(2) take numbers.
    unsafe {
        call(116, [0; 6])?;
        call(119, [user, user, user, 0, 0, 0])?;
        call(117, [user, user, user, 0, 0, 0])?;
    }
    if keep == 0 {
        return Ok(());
    }
    // _LINUX_CAPABILITY_VERSION_3, this process; twice effective, permitted and inheritable, the low half first.
    let (header, low, high) = ([0x2008_0522u32, 0], keep as u32, (keep >> 32) as u32);
    let sets = [low, low, low, high, high, high];
    // SAFETY: capset(2) reads a header of two words and, in this version, six words of sets.
    unsafe { call(126, [header.as_ptr() as usize, sets.as_ptr() as usize, 0, 0, 0, 0]) }?;
    // Ambient capabilities last through the start of a program that is not root's.
    (0..64).filter(kept).try_for_each(|capability| plain(157, [AMBIENT, AMBIENT_RAISE, capability, 0]).map(|_| ()))
}

/// struct sock_filter.
#[repr(C)]
struct Instruction {
    code: u16,
    yes: u8,
    no: u8,
    value: u32,
}

/// System calls that a device model has no use for and that make most of the kernel reachable: other processes, mounts, modules,
/// namespaces, keys, clocks, profiling, programs in the kernel, rings of calls. By the numbers of x86_64.
const FORBIDDEN: [u32; 62] = [
    57, 58, 101, 135, 153, 154, 155, 159, 161, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 175, 176, 179,
    212, 227, 246, 248, 249, 250, 256, 272, 279, 298, 300, 303, 304, 305, 308, 310, 311, 312, 313, 320, 321, 323, 425,
    426, 427, 428, 429, 430, 431, 432, 433, 438, 440, 442, 443, 444, 445, 446, 447,
];

/// A program for the kernel's classic filter. Threads may be made, processes not; clone3(2) is said to be unknown, so that a C
/// library falls back to clone(2), whose flags can be looked at.
fn filter() -> Vec<Instruction> {
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const ABOVE: u16 = 0x35;
    const BITS: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    let step = |code, yes, no, value| Instruction { code, yes, no, value };
    let mut program = Vec::new();
    // struct seccomp_data: number, architecture, address, arguments. Behind the list stand: clone's check, allow, refuse, unknown.
    let count = FORBIDDEN.len() as u8;
    program.push(step(LOAD, 0, 0, 4));
    program.push(step(EQUAL, 0, count + 7, 0xc000_003e));
    program.push(step(LOAD, 0, 0, 0));
    // The x32 calls.
    program.push(step(ABOVE, count + 5, 0, 0x4000_0000));
    for (at, number) in (0..).zip(FORBIDDEN) {
        program.push(step(EQUAL, count - at + 4, 0, number));
    }
    program.push(step(EQUAL, 5, 0, 435));
    program.push(step(EQUAL, 0, 2, 56));
    program.push(step(LOAD, 0, 0, 16));
    // CLONE_THREAD.
    program.push(step(BITS, 0, 1, 0x1_0000));
    program.push(step(RETURN, 0, 0, ALLOW));
    program.push(step(RETURN, 0, 0, ERRNO | 1));
    program.push(step(RETURN, 0, 0, ERRNO | 38));
    program
}

fn limit(filter: &[Instruction]) -> Result<()> {
    #[repr(C)]
    struct Program {
        length: u16,
        instructions: *const Instruction,
    }
    const SET_SECCOMP: usize = 22;
    const FILTER: usize = 2;
    const SET_NO_NEW_PRIVS: usize = 38;
    plain(157, [SET_NO_NEW_PRIVS, 1, 0, 0])?;
    let program = Program { length: filter.len() as u16, instructions: filter.as_ptr() };
    // SAFETY: prctl(PR_SET_SECCOMP) reads the structure and as many instructions as it says.
    unsafe { call(157, [SET_SECCOMP, FILTER, &raw const program as usize, 0, 0, 0]) }.map(|_| ())
}

/// This child if it has ended, or any child that has.
pub fn wait(of: Option<i32>) -> Option<(i32, Ended)> {
    let pid = of.unwrap_or(-1);
    const NOHANG: usize = 1;
    let mut status = 0i32;
    // SAFETY: wait4(2) writes one number.
    let pid = unsafe { call(61, [pid as usize, &raw mut status as usize, NOHANG, 0, 0, 0]) }.ok()?;
    let ended = if status & 0x7f == 0 { Ended::Exit(status >> 8 & 0xff) } else { Ended::Signal(status & 0x7f) };
    (pid > 0).then_some((pid as i32, ended))
}

/// Keeps all ordinary processes of this processor waiting until `work` is done, so that nothing of the kernel's own happens between
/// two of its calls. What it gives matters less than that it is tried: an error changes nothing.
pub fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let set = |policy: usize, priority: u32| {
        // SAFETY: sched_setscheduler(2) on this process reads one number.
        let _ = unsafe { call(144, [0, policy, &raw const priority as usize, 0, 0, 0]) };
    };
    const FIFO: usize = 1;
    set(FIFO, 1);
    let done = work();
    set(0, 0);
    done
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
