//! One machine from power-on to its end: started in the sandbox with the boot toolchain as its root, listened to, and ended when it
//! does not end by itself. Gives a [`Record`]; whether what it holds is right is not asked here.

use super::emulator::{self, Accelerator, Emulator, Gdb};
use super::event::{Ended, Record};
use super::watch::Watch;
use crate::context::Context;
use crate::fault::Fault;
use crate::interrupt;
use crate::sandbox::Sandbox;
use crate::usage;
use anyhow::{Context as _, Result};
use fs_err as fs;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// How often is looked for something new.
const TURN: Duration = Duration::from_millis(50);

/// What is started.
pub struct Machine {
    pub emulator: Emulator,
    /// The hypervisor and dom0's kernel as ELF files, and the archive of dom0's files.
    pub xen: PathBuf,
    pub linux: PathBuf,
    pub image: PathBuf,
    /// Guest seconds from power-on at which it is ended.
    pub limit: f64,
    pub patience: Patience,
}

/// The host's time that a machine has at most: a last resort, since the machine has a clock of its own.
#[derive(Clone, Copy)]
pub struct Patience {
    /// Without a word.
    pub silent: Duration,
    pub whole: Duration,
    /// Between being told to end and being killed.
    pub grace: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        let [silent, whole, grace] = [180, 20 * 60, 5].map(Duration::from_secs);
        Patience { silent, whole, grace }
    }
}

impl Machine {
    /// Runs it to its end. `root` is the unpacked boot toolchain; `tell` gets the last thing that the machine said.
    ///
    /// # Errors
    ///
    /// When it cannot be started or listened to, and when the user interrupts; not when it ends badly.
    pub fn run(&self, ctx: &Context, root: &Path, tell: &dyn Fn(&str)) -> Result<Record> {
        let work = ctx.store.work("boot")?;
        let started = Instant::now();
        let said = work.path().join("said");
        let mut running = self.start(ctx, root, work.path(), &said)?;
        let mut watch = Watch::default();
        let (mut serial, mut events) =
            (Tail::new(emulator::SERIAL, work.path()), Tail::new(emulator::EVENTS, work.path()));
        let mut heard = Instant::now();
        let ended = loop {
            // Asked before it is listened to: what was said before the end is heard.
            let status = running.ended()?;
            let (from_serial, from_events) = (serial.more()?, events.more()?);
            if !from_serial.is_empty() || !from_events.is_empty() {
                heard = Instant::now();
                watch.hear_serial(&from_serial);
                watch.hear_events(&from_events).context("listening to dom0")?;
                // What is on the terminal already is not told again.
                if !self.emulator.keep {
                    tell(watch.latest());
                }
            }
            if let Some(why) = watch.crashed() {
                break Ended::Crashed { said: why.to_owned() };
            }
            if let Some(status) = status {
                break match status.code() {
                    Some(0) => Ended::Off,
                    code => Ended::Emulator { status: code, said: emulator::last_words(&fs::read_to_string(&said)?) },
                };
            }
            if let Some(over) = self.over(&watch, heard.elapsed(), started.elapsed()) {
                break over;
            }
            interrupt::check()?;
            std::thread::sleep(TURN);
        };
        let cpu = running.end()?;
        watch.hear_serial(&serial.more()?);
        watch.hear_events(&events.more()?).context("listening to dom0")?;
        let (serial, events) = watch.into_said();
        Ok(Record { serial, events, ended, wall: started.elapsed().as_secs_f64(), cpu })
    }

    /// Why the machine must not go on, if it must not. Someone who sits before it decides that.
    fn over(&self, watch: &Watch, silent: Duration, whole: Duration) -> Option<Ended> {
        if self.emulator.is_attended() {
            return None;
        }
        if watch.guest_seconds() > self.limit {
            return Some(Ended::Limit);
        }
        let over = (silent > self.patience.silent).then_some(silent);
        over.or((whole > self.patience.whole).then_some(whole)).map(|time| Ended::Silent { seconds: time.as_secs() })
    }

    fn start(&self, ctx: &Context, root: &Path, work: &Path, said: &Path) -> Result<Running> {
        let words = self.emulator.arguments();
        let sandbox = self.sandbox(root, work)?;
        let mut command = sandbox.command(ctx, &words.iter().map(String::as_str).collect::<Vec<_>>())?;
        command.stderr(fs::File::create(said)?.into_parts().0);
        if !self.emulator.keep {
            command.stdout(std::process::Stdio::null());
            // In a group of its own, so that Ctrl-C on the terminal reaches this program alone, which then ends the machine.
            command.process_group(0);
        }
        if let Some(gdb) = &self.emulator.gdb {
            ctx.report.note(&debugger(gdb, &work.join("gdb")));
        }
        let child = command.spawn().context("starting the emulator")?;
        Ok(Running { child, grace: self.patience.grace, gone: None })
    }

    fn sandbox(&self, root: &Path, work: &Path) -> Result<Sandbox> {
        if !root.join(emulator::PROGRAM.trim_start_matches('/')).is_file() {
            return Err(Fault::failed(format!("toolchain boot has no emulator: {} is missing", emulator::PROGRAM))
                .cure("put `qemu-system-x86` into toolchains/boot.toml and run `cargo xtask toolchain lock boot`")
                .into());
        }
        let files = [(&self.xen, emulator::XEN), (&self.linux, emulator::LINUX), (&self.image, emulator::IMAGE)];
        for (file, _) in files {
            fs::metadata(file)?;
        }
        let mut writable = vec![(work.to_owned(), "/out".to_owned())];
        if self.emulator.accelerator == Accelerator::Kvm {
            writable.push((PathBuf::from("/dev/kvm"), "/dev/kvm".to_owned()));
        }
        Ok(Sandbox {
            writable,
            readonly: files.map(|(file, place)| (file.clone(), place.to_owned())).to_vec(),
            interactive: self.emulator.keep,
            ..Sandbox::new(root, "/out")
        })
    }
}

/// What to type for a debugger.
fn debugger(gdb: &Gdb, socket: &Path) -> String {
    let socket = socket.display();
    match gdb {
        Gdb::Xen => format!("Xen waits for `gdb xen-syms -ex 'target remote {socket}'`, then `continue`"),
        Gdb::Guest(guest) => format!("once {guest} runs: `gdb KERNEL -ex 'target remote {socket}'`"),
    }
}

/// An emulator under way; none is left when it is dropped.
struct Running {
    child: Child,
    grace: Duration,
    /// Its status, and the seconds of processor time that it took.
    gone: Option<(ExitStatus, f64)>,
}

impl Running {
    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.gone.is_none() {
            let pid = Pid::from_child(&self.child);
            let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
            if rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), look))?.is_some() {
                // Before it is reaped there is something to read.
                let cpu = usage::of_ended(pid).unwrap_or(0) as f64 / 1000.0;
                self.gone = Some((self.child.wait()?, cpu));
            }
        }
        Ok(self.gone.map(|(status, _)| status))
    }

    /// Ends it when it has not ended, and gives its processor time. The emulator is asked first, so that bubblewrap, its parent, lives to
    /// count that time; bubblewrap takes with it what does not listen.
    fn end(&mut self) -> Result<f64> {
        if self.ended()?.is_none() {
            let inside = children(&self.child);
            for pid in &inside {
                // It may have ended by itself a moment ago; its parent is there to reap it.
                let _ = kill_process(*pid, Signal::TERM);
            }
            let asked = Instant::now();
            while self.ended()?.is_none() && !inside.is_empty() && asked.elapsed() < self.grace {
                std::thread::sleep(TURN);
            }
            if self.ended()?.is_none() {
                self.child.kill()?;
                self.child.wait()?;
            }
        }
        Ok(self.gone.map_or(0.0, |(_, cpu)| cpu))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// The children of a child (proc(5)); none on a kernel that does not tell.
fn children(child: &Child) -> Vec<Pid> {
    let listed = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// A file that grows.
struct Tail {
    path: PathBuf,
    at: u64,
}

impl Tail {
    /// Of the file that has this place in the sandbox.
    fn new(inside: &str, work: &Path) -> Tail {
        Tail { path: work.join(inside.trim_start_matches("/out/")), at: 0 }
    }

    /// What has come since the last time; nothing before the file is there.
    fn more(&mut self) -> Result<Vec<u8>> {
        let mut file = match fs::File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        file.seek(SeekFrom::Start(self.at))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        self.at += bytes.len() as u64;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debugger_is_told_where_to_go() {
        let xen = debugger(&Gdb::Xen, Path::new("/work/gdb"));
        assert!(xen.contains("gdb xen-syms -ex 'target remote /work/gdb'"), "{xen}");
        assert!(debugger(&Gdb::Guest("hvm".to_owned()), Path::new("/g")).starts_with("once hvm runs"));
    }
}
