//! QEMU as a process that this program starts, with a fake xenstore and a client of the vchan: the loop as it runs in a stubdomain.
//!
//! The fake QEMU is this test program again: init's own arguments stand behind `--`, where libtest takes them for names of tests.

extern crate std;

use super::*;
use crate::start;
use crate::sys::file::{NONBLOCK, RDWR};
use core::sync::atomic::AtomicU32;
use protocol::vchan::{self, Page};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::FromRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;
use std::{env, println, thread};

/// A xenstored that knows some nodes. It ends when its connection does.
fn xenstored(nodes: &[(&str, &str)], silent_after: usize) -> (Store, thread::JoinHandle<Vec<String>>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let nodes: Vec<(String, String)> = nodes.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let served = thread::spawn(move || serve(theirs, nodes, silent_after));
    (Store::new(crate::store::tests::fd(ours), 2000), served)
}

/// Gives what was written, as `path=value`.
fn serve(mut stream: UnixStream, mut nodes: Vec<(String, String)>, silent_after: usize) -> Vec<String> {
    let (mut written, mut header, mut asked) = (Vec::new(), [0; 16], 0);
    while stream.read_exact(&mut header).is_ok() {
        let asked_with = header;
        let word = |at: usize| u32::from_le_bytes(asked_with[at..at + 4].try_into().unwrap());
        let mut payload = std::vec![0; word(12) as usize];
        stream.read_exact(&mut payload).unwrap();
        asked += 1;
        if asked > silent_after {
            continue;
        }
        let mut parts = payload.splitn(2, |byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
        let (path, rest) = (parts.next().unwrap(), parts.next().unwrap_or_default());
        let value = nodes.iter().rev().find(|(name, _)| *name == path).map(|(_, value)| value.clone().into_bytes());
        let below = std::format!("{path}/");
        let names: Vec<u8> = nodes
            .iter()
            .filter_map(|(name, _)| name.strip_prefix(&below))
            .flat_map(|n| [n.as_bytes(), b"\0"].concat())
            .collect();
        let (kind, reply) = match (word(0), value) {
            (1, _) if names.len() > 4096 => (16, b"E2BIG\0".to_vec()),
            (1, _) if !names.is_empty() || nodes.iter().any(|(name, _)| *name == path) => (1, names),
            (2, Some(value)) => (2, value),
            (22, _) => {
                let offset: usize = rest.trim_end_matches('\0').parse().unwrap();
                let end = names.len().min(offset + 4000);
                let end = names[..end].iter().rposition(|byte| *byte == 0).unwrap() + 1;
                let last: &[u8] = if end == names.len() { b"\0" } else { b"" };
                (22, [b"5\0", &names[offset..end], last].concat())
            }
            (11, _) => {
                written.push(std::format!("{path}={rest}"));
                nodes.push((path, rest));
                (11, b"OK\0".to_vec())
            }
            (4, _) => {
                // As Linux does: the answer without a number, and the first event at once.
                header[4..8].fill(0);
                (4, b"OK\0".to_vec())
            }
            (14, _) => (14, b"OK\0".to_vec()),
            _ => (16, b"ENOENT\0".to_vec()),
        };
        let watched = word(0) == 4;
        header[..4].copy_from_slice(&u32::to_le_bytes(kind));
        header[12..].copy_from_slice(&u32::to_le_bytes(reply.len() as u32));
        stream.write_all(&[&header[..], &reply].concat()).unwrap();
        if watched {
            let event = b"device-model/1/state\0init\0";
            let words = [15, 0, 0, event.len() as u32];
            let header: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
            let _ = stream.write_all(&[&header[..], event].concat());
        }
    }
    written
}

/// What the fake QEMU is told to do, in its environment.
#[test]
fn fake_qemu() {
    let Ok(part) = env::var("FAKE_QEMU") else { return };
    let arguments: Vec<String> = env::args().collect();
    let number = |id: &str| -> i32 {
        let chardev = arguments.iter().find(|a| a.starts_with(&std::format!("socket,id={id},fd="))).unwrap();
        chardev.split("fd=").nth(1).unwrap().split(',').next().unwrap().parse().unwrap()
    };
    // SAFETY: these are the numbers that init promises QEMU, and nobody else in this process knows them.
    let (monitor, listener) =
        unsafe { (UnixStream::from_raw_fd(number("stubdom-init")), UnixListener::from_raw_fd(number("libxl-cmd"))) };
    monitor.set_nonblocking(false).unwrap();
    listener.set_nonblocking(false).unwrap();
    let limit = || std::fs::read_to_string("/proc/self/limits").unwrap();
    let limit = || limit().lines().find(|line| line.starts_with("Max address space")).map(str::to_string).unwrap();
    println!("fake: at first {}", limit());
    println!("fake: incoming {:?}", arguments.iter().find(|a| a.starts_with("fd:")));
    if part == "crash" {
        println!("fake: out of luck");
        std::process::abort();
    }
    if part == "refuse" {
        std::eprintln!("fake: cannot open disk");
        std::process::exit(1);
    }
    if part == "restore" {
        // SAFETY: as above.
        let mut incoming = unsafe { std::fs::File::from_raw_fd(5) };
        let mut state = String::new();
        incoming.read_to_string(&mut state).unwrap();
        println!("fake: restored {state}");
    }
    let mut answers = monitor.try_clone().unwrap();
    answers.write_all(b"{\"QMP\": {}}\r\n").unwrap();
    let mut commands = BufReader::new(monitor);
    for (expected, id) in [("qmp_capabilities", "capabilities"), ("add-fd", "save")] {
        let mut line = String::new();
        commands.read_line(&mut line).unwrap();
        assert!(line.contains(expected), "{line}");
        answers.write_all(std::format!("{{\"return\": {{}}, \"id\": \"{id}\"}}\r\n").as_bytes()).unwrap();
    }
    let (session, _) = listener.accept().unwrap();
    let mut session = BufReader::new(session);
    session.get_mut().write_all(b"{\"QMP\": {}}\r\n").unwrap();
    let mut line = String::new();
    session.read_line(&mut line).unwrap();
    println!("fake: at last {}", limit());
    println!("fake: libxl says {}", line.trim());
    // `quit`.
    std::process::exit(0);
}

struct Silent(Fd);

impl Bell for Silent {
    fn fd(&self) -> &Fd {
        &self.0
    }

    fn ring(&self) {
        let _ = self.0.write(b"!");
    }

    fn hear(&self) {
        let _ = self.0.read(&mut [0; 64]);
    }
}

/// Runs a fake QEMU to its end: the fault, the console, and what was written to xenstore.
fn run(part: &str, client: impl FnOnce(&'static Page, Fd) + Send + 'static) -> (Fault, String, Vec<String>) {
    let name = concat!(module_path!(), "::fake_qemu").trim_start_matches("init::");
    let arguments = ["--exact", "--nocapture", "--test-threads=1", name, "--"];
    let exe = env::current_exe().unwrap();
    let environment = std::format!("FAKE_QEMU={part}");
    run_program(part, exe.to_str().unwrap(), &[&environment], &arguments, "/dev/null", client)
}

/// As [`run`], whatever the program. `part` names a folder, in which nothing is left.
fn run_program(
    part: &str,
    program: &str,
    environment: &[&str],
    arguments: &[&str],
    console1: &str,
    client: impl FnOnce(&'static Page, Fd) + Send + 'static,
) -> (Fault, String, Vec<String>) {
    let mut arguments = arguments.to_vec();
    let folder = env::temp_dir().join(std::format!("init-supervise-{}-{part}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let run = folder.to_str().unwrap();
    let page: &Page = Box::leak(Box::new([const { AtomicU32::new(0) }; 1024]));
    vchan::format(page);
    let (rings, bell) = socket::pair().unwrap();
    let talking = thread::spawn(move || client(page, rings));
    let (log, write) = file::pipe().unwrap();
    let console = Console::new(write);
    let (mut store, served) = xenstored(&[("device-model/1/state", "running")], usize::MAX);
    let console2 = (part == "restore").then(|| {
        arguments.extend(["-incoming", "$STUBDOM_RESTORE_INCOMING_ARG"]);
        std::fs::write(folder.join("hvc2"), "the state").unwrap();
        file::open(&std::format!("{run}/hvc2"), RDWR).unwrap()
    });
    let fault = launch(
        Launch {
            program,
            environment,
            arguments: arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect(),
            run,
            dev: "/dev",
            user: None,
            keep: 0,
            guest: 1,
            channel: Endpoint::server(page),
            bell: Box::new(Silent(bell)),
            marker: None,
            console1: file::open(console1, RDWR | NONBLOCK | file::CREAT).unwrap(),
            console2,
            uevents: None,
            first: false,
        },
        &mut store,
        &console,
    )
    .unwrap()
    .run();
    start::tell(&mut store, 1, &fault);
    drop(store);
    talking.join().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = log.read(&mut piece) {
        text.extend(&piece[..length]);
    }
    (fault, String::from_utf8(text).unwrap(), served.join().unwrap())
}

#[test]
fn libxl_reaches_qemu_and_its_end_is_seen() {
    let (fault, log, _) = run("serve", |page, rings| {
        let mut client = loop {
            if let Some(client) = Endpoint::client(page) {
                break client;
            }
        };
        let (mut heard, mut bytes) = (Vec::new(), [0; 100]);
        while !heard.ends_with(b"}}\r\n") {
            let _ = rings.write(b"!");
            let moved = client.read(&mut bytes).unwrap();
            heard.extend(&bytes[..moved.bytes]);
            thread::sleep(Duration::from_millis(1));
        }
        client.write(b"{\"execute\":\"quit\"}").unwrap();
        let _ = rings.write(b"!");
    });
    assert!(matches!(fault, Fault::QemuEnded(process::Ended::Exit(0), _)), "{fault} {log}");
    for expected in [
        "stubdom: QEMU is started as process",
        "stubdom: QEMU says that it runs",
        "stubdom: QEMU answers on its monitor",
        "stubdom: vchan: a client has connected",
        "qemu: fake: libxl says {\"execute\":\"quit\"}",
        "fake: at first Max address space         2147483648           2147483648",
    ] {
        assert!(log.contains(expected), "{expected} in {log}");
    }
}

#[test]
fn a_machine_that_is_made_may_map_what_it_likes() {
    let (_, log, _) = run("lifted", |page, rings| {
        let mut client = Endpoint::client(page).unwrap();
        client.write(b"{}").unwrap();
        let _ = rings.write(b"!");
    });
    let lifted = log.contains("at last Max address space         unlimited            unlimited");
    // Only root may raise what was lowered.
    assert!(lifted || log.contains("lifting the limit of QEMU's address space: not permitted"), "{log}");
}

#[test]
fn a_state_to_restore_reaches_qemu() {
    let (_, log, _) = run("restore", |page, rings| {
        let mut client = Endpoint::client(page).unwrap();
        client.write(b"{}").unwrap();
        let _ = rings.write(b"!");
    });
    assert!(log.contains("fake: incoming Some(\"fd:5\")") && log.contains("fake: restored the state"), "{log}");
}

#[test]
fn a_qemu_that_dies_is_named_on_the_console_and_in_xenstore() {
    let (fault, log, written) = run("crash", |_, _| ());
    assert!(
        matches!(&fault, Fault::QemuEnded(process::Ended::Signal(6), last) if last.contains("fake")),
        "{fault} {log}"
    );
    assert!(written.iter().any(|node| node == "device-model/1/state=failed"), "{written:?}");
    assert!(
        written.iter().any(|node| node.starts_with("device-model/1/error=QEMU has ended with signal 6")),
        "{written:?}"
    );
    let (fault, _, _) = run("refuse", |_, _| ());
    let expected = "QEMU has ended with exit code 1, its last line being `fake: cannot open disk`";
    assert!(fault.to_string().starts_with(expected), "{fault}");
}

fn asked(nodes: &[(&str, &str)], silent_after: usize) -> Result<Vec<Vec<u8>>, Fault> {
    let (mut store, served) = xenstored(nodes, silent_after);
    let arguments = start::arguments(&mut store, 1);
    drop(store);
    served.join().unwrap();
    arguments
}

#[test]
fn arguments_are_read_however_many_and_however_odd() {
    let vm = ("/local/domain/1/vm", "/vm/x");
    let expected: Vec<String> = (1..=2500).map(|n| std::format!("argument {n} \"$x\" \\ é,,")).collect();
    let paths: Vec<String> = (1..=2500).map(|n| std::format!("/vm/x/image/dm-argv/{n:03}")).collect();
    let mut nodes: Vec<(&str, &str)> =
        paths.iter().map(String::as_str).zip(expected.iter().map(String::as_str)).collect();
    nodes.reverse();
    nodes.push(vm);
    let got = asked(&nodes, usize::MAX).unwrap();
    assert_eq!(got, expected.iter().map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>());
    let refused = |nodes: &[(&str, &str)]| asked(nodes, usize::MAX).unwrap_err().to_string();
    assert!(refused(&[]).starts_with("reading /local/domain/1/vm: xenstored answers ENOENT"));
    assert!(refused(&[vm]).starts_with("QEMU's arguments in /vm/x/image/dm-argv: xenstored answers ENOENT"));
    assert!(refused(&[vm, ("/vm/x/image/dm-argv", "")]).contains("dm-argv: it is empty"));
    assert!(refused(&[vm, ("/vm/x/image/dm-argv/002", "x")]).contains("argument 001 is missing"));
}

#[test]
fn a_xenstore_that_goes_away_is_named() {
    let silent = asked(&[("/local/domain/1/vm", "/vm/x")], 1).unwrap_err();
    assert!(silent.to_string().contains("xenstored gave no answer for 2 s"), "{silent}");
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    let mut store = Store::new(crate::store::tests::fd(ours), 2000);
    let gone = store.read("target").unwrap_err().to_string();
    assert!(gone.contains("the other side is closed") || gone.contains("the connection is closed"), "{gone}");
    // It is not asked again, to tell it what it has caused.
    start::tell(&mut store, 1, &Fault::StoreSilent("x".to_string(), 2));
}

#[test]
fn options_are_those_that_are_known() {
    let (log, write) = file::pipe().unwrap();
    let console = Console::new(write);
    let options = |line: &str| start::options(line.as_bytes(), &console);
    let known = options("console=hvc0 stubdom.reconnect-marker=1 stubdom.passthrough\n");
    assert_eq!((known.marker, known.passthrough), (Some(1), true));
    let odd = options("stubdom.reconnect-marker=300 stubdom.x stubdom.passthrough=no");
    assert_eq!((odd.marker, odd.passthrough), (None, false));
    let mut piece = [0; 4096];
    let length = log.read(&mut piece).unwrap();
    let text = String::from_utf8_lossy(&piece[..length]).into_owned();
    assert!(
        text.contains("stubdom.reconnect-marker=300 is not known") && text.contains("stubdom.x is not known"),
        "{text}"
    );
}

/// What a client reads until a line of it answers, or greets.
fn answer(client: &mut Endpoint, rings: &Fd) -> String {
    let (mut text, mut bytes) = (String::new(), [0; 100]);
    for _ in 0..10_000 {
        let _ = rings.write(b"!");
        let moved = client.read(&mut bytes).unwrap();
        text += core::str::from_utf8(&bytes[..moved.bytes]).unwrap();
        if let Some(line) = text.lines().find(|line| line.contains("\"QMP\"") || line.contains("\"id\"")) {
            if text.ends_with('\n') {
                return line.trim().to_string();
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    std::format!("no answer, but {text:?}")
}

/// A QEMU with Xen's parts, given by its path: descriptors, monitor, sessions and saving as it sees them, behind the filter.
#[test]
fn a_real_qemu_is_reached_and_saves() {
    let Ok(program) = env::var("XENWRIGHT_QEMU") else {
        println!("skipped: XENWRIGHT_QEMU does not name a qemu-system-i386 that is built for Xen");
        return;
    };
    let libraries = std::format!("LD_LIBRARY_PATH={}", env::var("LD_LIBRARY_PATH").unwrap_or_default());
    let saved = env::temp_dir().join(std::format!("init-real-qemu-{}", std::process::id()));
    let arguments = ["-M", "none", "-accel", "qtest", "-display", "none", "-nodefaults", "-no-user-config"];
    const SAVE: &str = r#""execute":"xen-save-devices-state","arguments":{"live":true,"filename":"/dev/fdset/1"}"#;
    let (tell, heard) = std::sync::mpsc::channel();
    // A client for each command, as libxl has it; each goes, and the next comes at once. The first waits for file set 1.
    let talk = move |page: &'static Page, rings: Fd| {
        for command in [r#""execute":"query-fdsets""#, SAVE, SAVE, r#""execute":"nonsense""#, r#""execute":"quit""#] {
            let mut client = Endpoint::client(page).unwrap();
            tell.send(answer(&mut client, &rings)).unwrap();
            thread::sleep(Duration::from_millis(200));
            for line in
                [r#"{"execute":"qmp_capabilities","id":0}"#.to_string(), std::format!(r#"{{{command},"id":1}}"#)]
            {
                client.write(line.as_bytes()).unwrap();
                tell.send(answer(&mut client, &rings)).unwrap();
            }
            client.close();
        }
    };
    let (fault, log, _) = run_program("real", &program, &[&libraries], &arguments, saved.to_str().unwrap(), talk);
    let answers: Vec<String> = heard.iter().collect();
    let state = std::fs::read(&saved).unwrap();
    std::fs::remove_file(&saved).unwrap();
    assert!(matches!(fault, Fault::QemuEnded(process::Ended::Exit(0), _)), "{fault}: {log}");
    for session in answers.chunks(3) {
        assert!(session[0].starts_with("{\"QMP\"") && session[1].starts_with("{\"return\": {}"), "{answers:#?} {log}");
    }
    assert!(answers[2].contains("\"fdset-id\": 1"), "{}", answers[2]);
    assert!(answers[5].starts_with("{\"return\"") && answers[8].starts_with("{\"return\""), "{answers:#?}");
    assert!(answers[11].contains("\"CommandNotFound\"") && answers[14].starts_with("{\"return\""), "{answers:#?}");
    // Two states of the same machine, one behind the other, each with the magic number that QEMU's loader looks for.
    let (first, second) = state.split_at(state.len() / 2);
    assert!(first.starts_with(b"QEVM") && second.starts_with(b"QEVM"), "{} bytes", state.len());
    assert_eq!(log.matches("bytes of state are saved").count(), 2, "{log}");
}
