//! init's own QMP session with QEMU, which lasts as long as QEMU: QEMU forgets file sets when the last session ends.
//!
//! Gives QEMU the file into which it saves (file set 1), and each disk that comes later, under the name by which libxl of Xen 4.20
//! looks for it (`stub-devid:<number>`, query_fdsets_find_fdset() in libxl_disk.c). One command at a time, so that a descriptor
//! never meets another's command.

use crate::console::Console;
use crate::message::Note;
use crate::save::Save;
use crate::sys::{Errno, Fd, socket};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString as _};
use protocol::json::quote;
use protocol::qmp::{self, Answer, Lines, SAVE_FDSET};

/// The longest line of QEMU's that is read, in bytes.
const LINE: usize = 64 << 10;
/// Disks that wait to be given to QEMU; libxl changes one at a time.
const DISKS: usize = 26;

const CAPABILITIES: &str = "capabilities";
const SAVING: &str = "save";

struct Disk {
    name: String,
    devid: u32,
    fd: Fd,
}

pub struct Monitor {
    /// Gone when QEMU has closed it, or said what no monitor says.
    socket: Option<Fd>,
    lines: Lines,
    answered: bool,
    ready: bool,
    asked: bool,
    disks: VecDeque<Disk>,
    /// The disk that QEMU has been given and not answered for.
    given: Option<(String, u32)>,
}

impl Monitor {
    pub fn new(socket: Fd) -> Monitor {
        let lines = Lines::new(LINE);
        Monitor {
            socket: Some(socket),
            lines,
            answered: false,
            ready: false,
            asked: false,
            disks: VecDeque::new(),
            given: None,
        }
    }

    pub fn fd(&self) -> Option<&Fd> {
        self.socket.as_ref()
    }

    /// Whether QEMU has answered a command: its machine is made then. It greets before, from a thread of its own.
    pub fn answered(&self) -> bool {
        self.answered
    }

    /// A disk that has come.
    pub fn disk(&mut self, name: &str, devid: u32, fd: Fd, console: &Console) {
        if self.disks.len() == DISKS || self.socket.is_none() {
            console.note(&Note::DiskFailed(name.to_string(), Errno::PIPE));
            return;
        }
        self.disks.push_back(Disk { name: name.to_string(), devid, fd });
        self.next(console);
    }

    /// Reads what QEMU says.
    pub fn work(&mut self, save: &Save, console: &Console) {
        let mut bytes = [0; 4096];
        for _ in 0..16 {
            let Some(socket) = &self.socket else { return };
            let lines = match socket.read(&mut bytes) {
                Ok(0) => return self.lose("QEMU closed it", console),
                Ok(length) => self.lines.feed(&bytes[..length]),
                Err(Errno::AGAIN) => return,
                Err(errno) => return self.lose(&errno.to_string(), console),
            };
            match lines {
                Ok(lines) => lines.iter().for_each(|line| self.hear(line, save, console)),
                Err(what) => return self.lose(what, console),
            }
        }
    }

    fn hear(&mut self, line: &[u8], save: &Save, console: &Console) {
        let answer = match qmp::answer(line) {
            Ok(answer) => answer,
            Err(what) => return self.lose(what, console),
        };
        match answer {
            Answer::Greeting => self.send(&qmp::command("qmp_capabilities", CAPABILITIES, &[]), None, console),
            Answer::Event(_) => (),
            Answer::Done(Some(id)) if id == CAPABILITIES => {
                self.answered = true;
                let set = ("fdset-id", SAVE_FDSET.to_string());
                self.send(&qmp::command("add-fd", SAVING, &[set]), Some(save.into()), console);
            }
            Answer::Done(Some(id)) if id == SAVING => {
                console.note(&Note::Monitor);
                self.ready = true;
                self.next(console);
            }
            Answer::Done(_) => {
                if let Some((name, devid)) = self.given.take() {
                    console.note(&Note::Disk(name, devid));
                }
                self.asked = false;
                self.next(console);
            }
            Answer::Failed(id, what) => {
                let id = id.unwrap_or_default();
                console.note(&Note::MonitorRefused(id.clone(), what));
                // Disks may still be given when the saving was refused.
                self.ready |= id == SAVING;
                self.asked = false;
                self.given = None;
                self.next(console);
            }
        }
    }

    /// Gives QEMU the next disk, when it has answered for the last.
    fn next(&mut self, console: &Console) {
        if !self.ready || self.asked {
            return;
        }
        let Some(disk) = self.disks.pop_front() else { return };
        let opaque = ("opaque", quote(&format!("stub-devid:{}", disk.devid)));
        self.asked = true;
        self.send(&qmp::command("add-fd", &disk.name, &[opaque]), Some(&disk.fd), console);
        self.given = Some((disk.name, disk.devid));
    }

    fn send(&mut self, line: &[u8], with: Option<&Fd>, console: &Console) {
        let Some(socket) = &self.socket else { return };
        match socket::send(socket, line, with) {
            Ok(length) if length == line.len() => (),
            Ok(_) => self.lose("QEMU does not read it", console),
            Err(errno) => self.lose(&errno.to_string(), console),
        }
    }

    fn lose(&mut self, what: &str, console: &Console) {
        console.note(&Note::MonitorLost(what.to_string()));
        self.socket = None;
        self.disks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::file::{self, RDWR};
    use crate::sys::socket::tests::receive;
    use alloc::vec::Vec;

    struct World {
        monitor: Monitor,
        qemu: Fd,
        save: Save,
        console: Console,
        log: Fd,
        path: std::path::PathBuf,
    }

    impl Drop for World {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    fn world(name: &str) -> World {
        let path = std::env::temp_dir().join(format!("init-monitor-{}-{name}", std::process::id()));
        let save = Save::new(path.to_str().unwrap(), file::open("/dev/null", RDWR).unwrap()).unwrap().without_ring();
        let (ours, qemu) = socket::pair().unwrap();
        let (log, write) = file::pipe().unwrap();
        World { monitor: Monitor::new(ours), qemu, save, console: Console::new(write), log, path }
    }

    impl World {
        fn say(&mut self, line: &str) {
            self.qemu.write(line.as_bytes()).unwrap();
            self.monitor.work(&self.save, &self.console);
        }

        fn hear(&self) -> (String, Option<Fd>) {
            let mut bytes = [0; 4096];
            let (length, fd) = receive(&self.qemu, &mut bytes).unwrap();
            (String::from_utf8_lossy(&bytes[..length]).into_owned(), fd)
        }

        fn log(&self) -> String {
            let (mut text, mut piece) = (Vec::new(), [0; 4096]);
            while let Ok(length @ 1..) = self.log.read(&mut piece) {
                text.extend(&piece[..length]);
            }
            String::from_utf8(text).unwrap()
        }
    }

    #[test]
    fn qemu_gets_the_file_to_save_into_and_disks_one_by_one() {
        let mut world = world("disks");
        let null = || file::open("/dev/null", RDWR).unwrap();
        world.monitor.disk("xvdc", 5632, null(), &world.console);
        world.monitor.disk("xvdd", 5696, null(), &world.console);
        world.say("{\"QMP\": {}}\r\n");
        assert!(world.hear().0.contains("qmp_capabilities"));
        world.say("{\"event\": \"RESUME\"}\r\n{\"return\": {}, \"id\": \"capabilities\"}\r\n");
        let (line, fd) = world.hear();
        assert!(line.contains("\"add-fd\"") && line.contains("\"fdset-id\":1"), "{line}");
        fd.unwrap().write(b"state").unwrap();
        assert_eq!(std::fs::read(&world.path).unwrap(), b"state");
        world.say("{\"return\": {\"fdset-id\": 1, \"fd\": 9}, \"id\": \"save\"}\r\n");
        let (line, fd) = world.hear();
        assert!(line.contains("\"opaque\":\"stub-devid:5632\"") && fd.is_some(), "{line}");
        assert_eq!(world.qemu.read(&mut [0; 9]), Err(Errno::AGAIN));
        world.say("{\"return\": {\"fdset-id\": 2, \"fd\": 10}, \"id\": \"xvdc\"}\r\n");
        assert!(world.hear().0.contains("stub-devid:5696"));
        world.say("{\"error\": {\"desc\": \"full\"}, \"id\": \"xvdd\"}\r\n");
        let log = world.log();
        assert!(log.contains("disk xvdc has come, QEMU has it as stub-devid:5632"), "{log}");
        assert!(log.contains("QEMU's monitor refused xvdd: full"), "{log}");
    }

    #[test]
    fn a_monitor_that_ends_or_talks_rubbish_is_given_up() {
        for (rubbish, expected) in
            [("rubbish\r\n", "no object where one belongs"), ("{\"a\": 1}\r\n", "neither greeting")]
        {
            let mut world = world("rubbish");
            world.say(rubbish);
            assert!(world.log().contains(expected) && world.monitor.fd().is_none());
            world.monitor.disk("xvdc", 5632, file::open("/dev/null", RDWR).unwrap(), &world.console);
            assert!(world.log().contains("disk xvdc has come, but QEMU cannot have it"));
        }
        let mut world = world("endless");
        for _ in 0..20 {
            let _ = world.qemu.write(&[b'x'; 4096]);
            world.monitor.work(&world.save, &world.console);
        }
        assert!(world.log().contains("QEMU's monitor: a line without an end"));
    }
}
