//! The emulator's command line, from a plain value that says what machine it is to be. Pure: starts nothing and looks for nothing,
//! which is `machine`'s work.
//!
//! What stands here without an option was found out with QEMU 7.2 and Xen 4.17 and 4.20; each word has its reason beside it.

use super::event;
use std::fmt;

/// Where the boot toolchain has the emulator.
pub const PROGRAM: &str = "/usr/bin/qemu-system-x86_64";

/// Where the emulator finds what it starts: the hypervisor (an ELF file), dom0's kernel (the same) and the archive of its files.
pub const XEN: &str = "/in/xen";
pub const LINUX: &str = "/in/linux";
pub const IMAGE: &str = "/in/image";

/// Where it puts what the machine says.
pub const SERIAL: &str = "/out/serial";
pub const EVENTS: &str = "/out/events";

/// The socket for a debugger.
pub const GDB: &str = "/out/gdb";

/// The name of the virtio port that a guest's debugger speaks through.
pub const GDB_PORT: &str = "xenwright.gdb";

/// Xen on the first serial port with the time of every line and all that it says about guests. Xen 4.20 says when dom0 begins only if
/// it is asked for more than warnings. It does not restart after a panic: that takes five seconds of counting instructions, minutes of
/// the host's, and comes to the same end.
const XEN_ARGUMENTS: &str =
    "com1=115200,8n1 console=com1 console_timestamps=boot loglvl=info guest_loglvl=all bootscrub=0 noreboot";

/// Dom0's kernel on Xen's console, with nothing but errors: each letter takes the emulated port 87 µs. It does not test its own
/// cryptography (1.5 s of 4.7 until its first program starts) nor its own page tables (0.4 s): it is not what is to be proved.
/// Its image may take more than the half of its memory that a tmpfs would stop at: the disks of guests are in it.
const LINUX_ARGUMENTS: &str = "console=hvc0 loglevel=4 cryptomgr.notests rodata=off rootfstype=ramfs";

/// What runs the machine's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The emulator itself. Time is counted in instructions: the same machine goes the same way however loaded the host is.
    Tcg,
    /// The host's processor, with the host's time. Wants virtualisation that can be nested.
    Kvm,
}

/// Whom a debugger looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gdb {
    /// The machine as Xen sees it, stopped before its first instruction.
    Xen,
    /// A domain by its name, through `gdbsx` in dom0.
    Guest(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emulator {
    pub accelerator: Accelerator,
    pub processors: u16,
    /// MiB of the whole machine.
    pub memory: u32,
    /// MiB of it that dom0 has.
    pub dom0_memory: u32,
    /// Added to the processor's model: `-svm`. Empty as a rule, as the next two are.
    pub cpu: String,
    /// Added to Xen's command line.
    pub xen: String,
    /// Added to the command line of dom0's kernel.
    pub linux: String,
    pub gdb: Option<Gdb>,
    /// The serial port is on the terminal, and dom0 does not switch off.
    pub keep: bool,
}

impl Default for Emulator {
    fn default() -> Emulator {
        Emulator {
            accelerator: Accelerator::Tcg,
            processors: 1,
            memory: 2048,
            dom0_memory: 768,
            cpu: String::new(),
            xen: String::new(),
            linux: String::new(),
            gdb: None,
            keep: false,
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Accelerator::Tcg => "tcg",
            Accelerator::Kvm => "kvm",
        })
    }
}

impl Emulator {
    /// Someone sits before the machine: it waits when they do, and nothing ends it but they.
    pub fn is_attended(&self) -> bool {
        self.keep || self.gdb.is_some()
    }

    /// The emulator's words, its own name first.
    pub fn arguments(&self) -> Vec<String> {
        let mut words: Vec<String> = vec![PROGRAM.to_owned()];
        let mut add = |option: &str, value: &str| words.extend([option.to_owned(), value.to_owned()]);
        for option in ["-no-user-config", "-nodefaults", "-no-reboot"] {
            add(option, "");
        }
        add("-display", "none");
        add("-machine", &format!("q35,accel={}", self.accelerator));
        add("-cpu", &listed(&[self.model(), &self.cpu], ","));
        if self.accelerator == Accelerator::Tcg {
            // An idle machine's clock jumps to the next moment at which something happens, unless someone is there to see it.
            add("-icount", if self.is_attended() { "shift=0,sleep=on" } else { "shift=0,sleep=off" });
            // What RDRAND gives.
            add("-seed", "1");
        }
        // The date inside is the same whenever the machine is started.
        add("-rtc", "base=2026-01-01T00:00:00,clock=vm");
        add("-smp", &self.processors.to_string());
        add("-m", &self.memory.to_string());
        add("-chardev", &self.serial());
        add("-serial", "chardev:serial");
        if self.keep {
            // Ctrl-A X ends the emulator, Ctrl-A C leads to its monitor.
            add("-mon", "chardev=serial");
        }
        add("-device", "virtio-serial-pci");
        add("-chardev", &format!("file,id=events,path={EVENTS}"));
        add("-device", &format!("virtserialport,chardev=events,name={}", event::PORT));
        if let Some(gdb) = &self.gdb {
            add("-chardev", &format!("socket,id=gdb,path={GDB},server=on,wait=off"));
            match gdb {
                Gdb::Xen => {
                    add("-gdb", "chardev:gdb");
                    add("-S", "");
                }
                Gdb::Guest(_) => add("-device", &format!("virtserialport,chardev=gdb,name={GDB_PORT}")),
            }
        }
        add("-kernel", XEN);
        add("-append", &self.xen_arguments());
        // Multiboot modules: a comma ends one.
        add("-initrd", &format!("{LINUX} {},{IMAGE}", self.linux_arguments().replace(',', ",,")));
        words.retain(|word| !word.is_empty());
        words
    }

    /// The model of the processor under TCG: all that it can emulate, without two things that go wrong in 7.2. With SMAP a
    /// paravirtual dom0 dies of its first IRET: the frame is read with the rights of ring 0, where Xen has put a kernel into ring 3.
    /// RDTSCP leaves SVM guests as RDTSC does, and Xen does not find the instruction that it is to step over.
    fn model(&self) -> &'static str {
        match self.accelerator {
            Accelerator::Tcg => "max,-smap,-rdtscp",
            Accelerator::Kvm => "host",
        }
    }

    fn serial(&self) -> String {
        if self.keep {
            format!("stdio,id=serial,mux=on,signal=off,logfile={SERIAL}")
        } else {
            format!("file,id=serial,path={SERIAL}")
        }
    }

    fn xen_arguments(&self) -> String {
        let Emulator { processors, dom0_memory, xen, .. } = self;
        let dom0 = format!("dom0_mem={dom0_memory}M,max:{dom0_memory}M dom0_max_vcpus={processors}");
        listed(&[XEN_ARGUMENTS, &dom0, xen], " ")
    }

    fn linux_arguments(&self) -> String {
        let keep = if self.keep { "xenwright.keep" } else { "" };
        let gdb = match &self.gdb {
            Some(Gdb::Guest(guest)) => format!("xenwright.gdb={guest}"),
            _ => String::new(),
        };
        listed(&[LINUX_ARGUMENTS, keep, &gdb, &self.linux], " ")
    }
}

/// What an emulator complained of last. That TCG lacks some feature of the processor's model is no complaint.
pub fn last_words(said: &str) -> String {
    let mut lines =
        said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains("TCG doesn't support"));
    lines.next_back().unwrap_or_default().trim_start_matches("qemu-system-x86_64: ").to_owned()
}

/// All that is not empty.
fn listed(words: &[&str], between: &str) -> String {
    let words: Vec<&str> = words.iter().copied().filter(|word| !word.is_empty()).collect();
    words.join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The word after an option.
    fn after(emulator: &Emulator, option: &str) -> Vec<String> {
        let words = emulator.arguments();
        words.windows(2).filter(|pair| pair[0] == option).map(|pair| pair[1].clone()).collect()
    }

    #[test]
    fn the_usual_machine_counts_instructions_and_never_waits() {
        let usual = Emulator::default();
        assert_eq!(after(&usual, "-machine"), ["q35,accel=tcg"]);
        assert_eq!(after(&usual, "-cpu"), ["max,-smap,-rdtscp"]);
        assert_eq!(after(&usual, "-icount"), ["shift=0,sleep=off"]);
        assert_eq!((after(&usual, "-m"), after(&usual, "-smp")), (vec!["2048".to_owned()], vec!["1".to_owned()]));
        assert_eq!(
            after(&usual, "-initrd"),
            ["/in/linux console=hvc0 loglevel=4 cryptomgr.notests rodata=off rootfstype=ramfs,/in/image"]
        );
        assert!(after(&usual, "-append")[0].ends_with("noreboot dom0_mem=768M,max:768M dom0_max_vcpus=1"));
        assert!(usual.arguments().iter().all(|word| word != "-S" && word != "-gdb" && word != "-mon"));
    }

    #[test]
    fn what_a_case_breaks_is_added() {
        let broken = Emulator {
            cpu: "-svm".to_owned(),
            xen: "hvm_debug=0".to_owned(),
            linux: "a=1,2".to_owned(),
            processors: 2,
            memory: 4096,
            ..Emulator::default()
        };
        assert_eq!(after(&broken, "-cpu"), ["max,-smap,-rdtscp,-svm"]);
        assert!(after(&broken, "-append")[0].ends_with("dom0_max_vcpus=2 hvm_debug=0"));
        assert_eq!(
            after(&broken, "-initrd"),
            ["/in/linux console=hvc0 loglevel=4 cryptomgr.notests rodata=off rootfstype=ramfs a=1,,2,/in/image"]
        );
        assert_eq!((after(&broken, "-m"), after(&broken, "-smp")), (vec!["4096".to_owned()], vec!["2".to_owned()]));
    }

    #[test]
    fn the_hosts_processor_has_the_hosts_time() {
        let kvm = Emulator { accelerator: Accelerator::Kvm, cpu: "-vmx".to_owned(), ..Emulator::default() };
        assert_eq!(after(&kvm, "-machine"), ["q35,accel=kvm"]);
        assert_eq!(after(&kvm, "-cpu"), ["host,-vmx"]);
        assert!(after(&kvm, "-icount").is_empty());
    }

    #[test]
    fn a_machine_with_someone_before_it_waits() {
        let kept = Emulator { keep: true, ..Emulator::default() };
        assert_eq!(after(&kept, "-icount"), ["shift=0,sleep=on"]);
        assert_eq!(after(&kept, "-chardev")[0], "stdio,id=serial,mux=on,signal=off,logfile=/out/serial");
        assert_eq!(after(&kept, "-mon"), ["chardev=serial"]);
        assert_eq!(
            after(&kept, "-initrd"),
            [
                "/in/linux console=hvc0 loglevel=4 cryptomgr.notests rodata=off rootfstype=ramfs xenwright.keep,/in/image"
            ]
        );
        let xen = Emulator { gdb: Some(Gdb::Xen), ..Emulator::default() };
        assert_eq!(after(&xen, "-gdb"), ["chardev:gdb"]);
        assert!(xen.arguments().contains(&"-S".to_owned()) && xen.is_attended());
        let guest = Emulator { gdb: Some(Gdb::Guest("hvm-dm".to_owned())), ..Emulator::default() };
        assert_eq!(after(&guest, "-device")[2], "virtserialport,chardev=gdb,name=xenwright.gdb");
        assert_eq!(
            after(&guest, "-initrd"),
            [
                "/in/linux console=hvc0 loglevel=4 cryptomgr.notests rodata=off rootfstype=ramfs xenwright.gdb=hvm-dm,/in/image"
            ]
        );
        assert!(after(&guest, "-gdb").is_empty() && !guest.arguments().contains(&"-S".to_owned()));
    }

    #[test]
    fn the_last_words_are_those_that_matter() {
        let said = "qemu-system-x86_64: warning: TCG doesn't support requested feature: CPUID.01H:ECX.pcid [bit 17]\n\
                    qemu-system-x86_64: -kernel /in/xen: not an ELF file\n\n";
        assert_eq!(last_words(said), "-kernel /in/xen: not an ELF file");
        assert_eq!(last_words(""), "");
    }
}
