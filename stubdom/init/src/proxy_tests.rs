//! A client of the vchan, the proxy and a QEMU that listens, all in one process.

extern crate std;

use super::*;
use crate::sys::file::{self, NONBLOCK, RDWR};
use alloc::format;
use core::sync::atomic::AtomicU32;
use protocol::vchan::{self, Page};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

const GREETING: &[u8] = b"{\"QMP\": {}}\r\n";

struct Socket(Fd);

impl Bell for Socket {
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

struct World {
    page: &'static Page,
    proxy: Proxy<'static>,
    client: Option<Endpoint<'static>>,
    rings: Fd,
    qemu: UnixListener,
    log: Fd,
    console: Console,
    folder: PathBuf,
    /// Where console 1 is, as a file.
    hvc1: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn world(name: &str, marker: Option<u8>) -> World {
    let folder = std::env::temp_dir().join(format!("init-proxy-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_string();
    let page: &Page = Box::leak(Box::new([const { AtomicU32::new(0) }; 1024]));
    vchan::format(page);
    let qemu = UnixListener::bind(path("qmp")).unwrap();
    qemu.set_nonblocking(true).unwrap();
    let (rings, bell) = socket::pair().unwrap();
    let (log, write) = file::pipe().unwrap();
    let hvc1 = folder.join("hvc1");
    let terminal = file::open(&path("hvc1"), RDWR | file::CREAT | NONBLOCK).unwrap();
    let save = Save::new(&path("state"), terminal).unwrap().without_ring();
    let proxy = Proxy::new(Endpoint::server(page), Box::new(Socket(bell)), &path("qmp"), marker, save);
    World { page, proxy, client: None, rings, qemu, log, console: Console::new(write), folder, hvc1 }
}

impl World {
    fn work(&mut self) {
        let _ = self.rings.write(b"!");
        self.proxy.work(&self.console);
    }

    fn connect(&mut self) {
        self.client = Endpoint::client(self.page);
        self.work();
    }

    fn leave(&mut self) {
        self.client.take().unwrap().close();
        self.work();
    }

    /// The client writes, as much as goes.
    fn say(&mut self, bytes: &[u8]) -> usize {
        let moved = self.client.as_mut().unwrap().write(bytes).unwrap();
        self.work();
        moved.bytes
    }

    /// All that the client can read.
    fn hear(&mut self) -> String {
        let (mut text, mut bytes) = (Vec::new(), [0; 2048]);
        loop {
            self.work();
            let moved = self.client.as_mut().unwrap().read(&mut bytes).unwrap();
            text.extend(&bytes[..moved.bytes]);
            if moved.bytes == 0 {
                return String::from_utf8(text).unwrap();
            }
        }
    }

    /// QEMU's end of the session that has just begun, with the greeting said.
    fn session(&self) -> UnixStream {
        let (mut stream, _) = self.qemu.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.write_all(GREETING).unwrap();
        stream
    }

    fn log(&self) -> String {
        let (mut text, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = self.log.read(&mut piece) {
            text.extend(&piece[..length]);
        }
        String::from_utf8(text).unwrap()
    }
}

/// What QEMU can read now; `None` at the end of the session.
fn read(stream: &mut UnixStream) -> Option<String> {
    let (mut text, mut piece) = (Vec::new(), [0; 65536]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) if text.is_empty() => return None,
            Ok(0) => break,
            Ok(length) => text.extend(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => return None,
        }
    }
    Some(String::from_utf8(text).unwrap())
}

#[test]
fn a_client_has_a_session_of_its_own() {
    let mut world = world("session", None);
    for turn in 0..3 {
        world.connect();
        let mut qemu = world.session();
        assert_eq!(world.hear().trim_start().as_bytes(), GREETING, "turn {turn}");
        world.say(b"{\"execute\":\"qmp_capabilities\",\"id\":1}");
        assert_eq!(read(&mut qemu).unwrap(), "{\"execute\":\"qmp_capabilities\",\"id\":1}\r\n");
        qemu.write_all(b"{\"return\": {}, \"id\": 1}\r\n").unwrap();
        assert_eq!(world.hear(), "{\"return\": {}, \"id\": 1}\r\n");
        // Something that nobody reads must not reach the next client.
        qemu.write_all(b"{\"event\": \"STOP\"}\r\n").unwrap();
        world.work();
        world.leave();
        assert_eq!(read(&mut qemu), None);
    }
    assert_eq!(world.log().matches("a client has connected").count(), 3);
}

#[test]
fn a_successor_that_comes_at_once_gets_a_greeting() {
    let mut world = world("successor", None);
    world.connect();
    let mut first = world.session();
    world.hear();
    world.say(b"{\"execute\":\"a\"}{\"execute\":");
    assert_eq!(read(&mut first).unwrap(), "{\"execute\":\"a\"}\r\n");
    first.write_all(b"{\"event\": \"STOP\"}\r\n").unwrap();
    world.work();
    // Both happen before the proxy looks: close and connect.
    world.client.take().unwrap().close();
    world.connect();
    assert_eq!(read(&mut first), None);
    let mut second = world.session();
    assert_eq!(world.hear().trim_start().as_bytes(), GREETING);
    world.say(b"{\"execute\":\"b\"}");
    assert_eq!(read(&mut second).unwrap(), "{\"execute\":\"b\"}\r\n");
    assert!(world.log().contains("another client has come at once after the last"));
}

#[test]
fn a_marker_begins_a_session() {
    let mut world = world("marker", Some(1));
    world.connect();
    let mut first = world.session();
    world.hear();
    world.say(b"left over{{{");
    world.say(b"more\x01{\"execute\":\"a\"}");
    assert_eq!(read(&mut first).unwrap(), "{\"execute\":\"a\"}\r\n");
    // The page does not show that the client is another one, as with a proxy that shares one vchan.
    world.say(b"{\"half\":\x01");
    assert_eq!(read(&mut first), None);
    let mut second = world.session();
    assert_eq!(world.hear().trim_start().as_bytes(), GREETING);
    world.say(b"{\"execute\":\"b\"}");
    assert_eq!(read(&mut second).unwrap(), "{\"execute\":\"b\"}\r\n");
}

#[test]
fn rubbish_does_not_reach_qemu() {
    let mut world = world("rubbish", None);
    for rubbish in [&b"\xff\xfe"[..], b"GET / HTTP/1.1\r\n", b"{\"a\"}", b"[1]"] {
        world.connect();
        let mut qemu = world.session();
        world.hear();
        world.say(rubbish);
        assert_eq!(read(&mut qemu), None);
        assert!(world.log().contains("it is not heard until it connects anew"));
        // The peer goes on; nothing is opened, kept or hung.
        assert_eq!(world.say(&[b'{'; 1024]), 1024);
        assert_eq!(world.say(&[b'{'; 1024]), 1024);
        assert!(world.qemu.accept().is_err());
        world.leave();
    }
    // An index that cannot be.
    world.connect();
    let mut qemu = world.session();
    world.page[1].fetch_add(5000, core::sync::atomic::Ordering::SeqCst);
    world.work();
    assert_eq!(read(&mut qemu), None);
    assert!(world.log().contains("bytes in a ring of 1024"));
    world.leave();
    world.connect();
    world.session();
    assert!(world.hear().ends_with("{\"QMP\": {}}\r\n"));
}

#[test]
fn half_a_command_is_dropped_with_its_client_or_after_a_while() {
    let mut world = world("half", None);
    world.connect();
    let mut qemu = world.session();
    world.say(b"{\"execute\":\"quit");
    assert_eq!(read(&mut qemu).unwrap(), "");
    world.leave();
    assert_eq!(read(&mut qemu), None);
    world.connect();
    let mut qemu = world.session();
    world.say(b"{\"execute\":\"quit");
    if let State::Open(session) = &mut world.proxy.state {
        session.heard = now().saturating_sub(STALL + 1000);
    }
    world.work();
    // On a machine that is up for less than the time that is allowed, the wait cannot be pretended.
    if now() > STALL + 1000 {
        assert_eq!(read(&mut qemu), None);
        assert!(world.log().contains("stopped within a QMP command, 16 bytes of it, for 3"));
    }
}

#[test]
fn floods_are_held_back_in_both_directions() {
    let mut world = world("flood", None);
    world.connect();
    let mut qemu = world.session();
    world.hear();
    // QEMU does not read: the peer is stopped before much is kept.
    let command = format!("{{\"execute\":\"{}\"}}", "x".repeat(1000));
    let (mut sent, mut last) = (0, 1);
    while last > 0 && sent < 8 << 20 {
        last = world.say(&command.as_bytes()[sent % command.len()..]);
        sent += last;
    }
    let State::Open(session) = &world.proxy.state else { panic!("the session is gone: {}", world.log()) };
    assert!(session.to_qemu.len() < WAITING + 4096 && sent < 4 << 20, "{} {sent}", session.to_qemu.len());
    assert!(read(&mut qemu).unwrap().len() > 1000);
    // The peer does not read: QEMU is stopped.
    let mut pushed = 0;
    while let Ok(length) = qemu.write(&[b' '; 4096]) {
        pushed += length;
        world.work();
        assert!(pushed < 8 << 20);
    }
    let State::Open(session) = &world.proxy.state else { panic!("the session is gone: {}", world.log()) };
    assert!(session.to_peer.len() <= WAITING + 4096, "{}", session.to_peer.len());
    assert_eq!(world.proxy.qemu().unwrap().1 & IN, 0);
}

#[test]
fn rubbish_of_any_kind_leaves_a_channel_that_works() {
    use protocol::chance::Chance;
    let mut world = world("chance", None);
    for seed in 0..300 {
        let mut chance = Chance::new(seed);
        world.connect();
        let qemu = world.qemu.accept();
        for _ in 0..chance.below(6) {
            let length = chance.below(1500);
            let bytes: Vec<u8> = (0..length).map(|_| *chance.pick(b"{}[]\"\\,: a1\r\n\x01\xff")).collect();
            match chance.below(8) {
                0 => world.page[*chance.pick(&[0, 1, 2, 3, 5])]
                    .store(chance.word() as u32, core::sync::atomic::Ordering::SeqCst),
                _ => drop(world.client.as_mut().unwrap().write(&bytes)),
            }
            world.work();
        }
        drop(qemu);
        if chance.below(2) == 0 {
            world.leave();
        }
        while world.qemu.accept().is_ok() {}
    }
    // Whatever was written into the page, the next client is served.
    world.connect();
    world.leave();
    while world.qemu.accept().is_ok() {}
    world.connect();
    let _qemu = world.session();
    assert_eq!(world.hear().trim_start().as_bytes(), GREETING);
}

#[test]
fn a_qemu_that_hangs_up_or_does_not_listen_is_named() {
    let mut world = world("hangup", None);
    world.connect();
    drop(world.session());
    world.work();
    assert!(world.log().contains("QEMU closed the connection"));
    world.leave();
    world.proxy.path += "-not";
    world.connect();
    assert!(world.log().contains("vchan: QEMU's QMP socket: no such file"));
}

const SAVE: &[u8] =
    b"{\"execute\":\"xen-save-devices-state\",\"id\":7,\"arguments\":{\"live\":true,\"filename\":\"/dev/fdset/1\"}}";

#[test]
fn a_saved_state_is_there_before_libxl_hears_of_it() {
    let mut world = world("save", None);
    world.connect();
    let mut qemu = world.session();
    world.hear();
    let mut expected = Vec::new();
    for turn in 1..=2u8 {
        world.say(SAVE);
        assert!(read(&mut qemu).unwrap().contains("xen-save-devices-state"));
        // As QEMU does with file set 1: it empties it, and writes.
        let state = [turn; 50_000];
        assert_eq!(world.proxy.save().into().write(&state), Ok(state.len()));
        expected.extend(state);
        qemu.write_all(b"{\"event\": \"STOP\"}\r\n{\"return\": {}, ").unwrap();
        assert_eq!(world.hear(), "{\"event\": \"STOP\"}\r\n");
        assert_eq!(std::fs::read(&world.hvc1).unwrap().len() + 50_000, expected.len());
        qemu.write_all(b"\"id\": 7}\r\n{\"event\": \"RES").unwrap();
        assert_eq!(world.hear(), "{\"return\": {}, \"id\": 7}\r\n{\"event\": \"RES");
        assert_eq!(std::fs::read(&world.hvc1).unwrap(), expected);
        assert!(world.log().contains("50000 bytes of state are saved"));
        qemu.write_all(b"UME\"}\r\n").unwrap();
        assert_eq!(world.hear(), "UME\"}\r\n");
    }
    world.say(SAVE);
    qemu.write_all(b"{\"error\": {\"desc\": \"no\"}, \"id\": 7}\r\n").unwrap();
    assert_eq!(world.hear(), "{\"error\": {\"desc\": \"no\"}, \"id\": 7}\r\n");
}

#[test]
fn a_state_that_cannot_be_saved_is_an_error_for_libxl() {
    let mut world = world("full", None);
    world.proxy.save = {
        let path = world.folder.join("state").to_str().unwrap().to_string();
        Save::new(&path, file::open("/dev/full", RDWR).unwrap()).unwrap().without_ring()
    };
    world.connect();
    let mut qemu = world.session();
    world.hear();
    world.say(SAVE);
    world.proxy.save().into().write(b"state").unwrap();
    qemu.write_all(b"{\"return\": {}, \"id\": 7}\r\n").unwrap();
    let answer = world.hear();
    assert!(answer.starts_with("{\"id\": 7, \"error\": ") && answer.contains("could not write the state"), "{answer}");
    assert!(world.log().contains("saving the state to /dev/hvc1: no room left"));
}
