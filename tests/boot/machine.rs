//! How a machine is listened to and ended, with a script in the emulator's place: what it says is what an emulator would make of a
//! machine, so that each way to an end is had without one.

use crate::support::{context, sandbox_root, scratch};
use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant};
use xtask::boot::emulator::{Emulator, Gdb};
use xtask::boot::event::{Ended, Record, What};
use xtask::boot::machine::{Machine, Patience};
use xtask::fault;

/// What Xen says before dom0 begins.
const BEGINNING: &str = "echo '(XEN) [    0.500000] Freed 656kB init memory' >> serial";

/// The script ends when it is asked to, as an emulator does.
const WAITS: &str = "trap 'exit 0' TERM; sleep 60 & wait";

/// A machine whose emulator is this script, to its end; `change` may make it another machine.
fn run(script: &str, change: impl FnOnce(&mut Machine)) -> anyhow::Result<(Record, Vec<String>)> {
    let dir = scratch();
    let at = |name: &str| dir.path().join(name);
    sandbox_root::make(&at("root"));
    let program = at("root/usr/bin/qemu-system-x86_64");
    fs_err::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs_err::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for name in ["xen", "linux", "image"] {
        fs_err::write(at(name), format!("this is {name}\n")).unwrap();
    }
    let mut machine = Machine {
        emulator: Emulator::default(),
        xen: at("xen"),
        linux: at("linux"),
        image: at("image"),
        limit: 60.0,
        patience: Patience {
            silent: Duration::from_millis(1500),
            whole: Duration::from_secs(20),
            grace: Duration::from_millis(300),
        },
    };
    change(&mut machine);
    let ctx = context(&at("store"));
    let told = RefCell::new(Vec::new());
    let record = machine.run(&ctx, &at("root"), &|line| told.borrow_mut().push(line.to_owned()));
    assert_eq!(fs_err::read_dir(at("store/work")).unwrap().count(), 0, "something is left of the machine");
    Ok((record?, told.into_inner()))
}

fn ended(script: &str) -> Record {
    run(script, |_| ()).unwrap_or_else(|error| panic!("{}", fault::render(&error))).0
}

#[test]
fn what_a_machine_says_is_kept_and_told() {
    let script = "cat /in/xen /in/linux /in/image > serial; echo \"$@\" >> serial; sleep 0.3; echo 'mark 3.9 init' > events\n\
                  sleep 0.3; echo 'line 4.5 hvm two  words' >> events; echo 'end 5 ok' >> events";
    let (record, told) = run(&format!("{BEGINNING}\n{script}"), |_| ()).unwrap();
    assert_eq!(record.ended, Ended::Off);
    assert!(record.serial.starts_with("this is xen\nthis is linux\nthis is image\n"), "{}", record.serial);
    assert!(record.serial.contains("-icount shift=0,sleep=off"), "{}", record.serial);
    let last = What::Line { console: "hvm".to_owned(), text: "two  words".to_owned() };
    assert_eq!((record.events.len(), &record.events[1].what), (3, &last));
    assert!(told.contains(&"init".to_owned()) && told.last().unwrap() == "hvm: two  words", "{told:?}");
    assert!(record.wall >= 0.6 && record.cpu < record.wall, "{record:?}");
}

#[test]
fn an_emulator_that_dies_has_the_last_word() {
    let record = ended("echo 'qemu-system-x86_64: cannot set up guest memory: Cannot allocate memory' >&2; exit 1");
    let said = "cannot set up guest memory: Cannot allocate memory".to_owned();
    assert_eq!(record.ended, Ended::Emulator { status: Some(1), said });
}

#[test]
fn a_machine_that_is_over_is_ended() {
    let started = Instant::now();
    let limit =
        ended(&format!("{BEGINNING}; echo 'tick 59.4' > events; sleep 0.2; echo 'tick 59.6' >> events; {WAITS}"));
    assert_eq!((&limit.ended, limit.events.len()), (&Ended::Limit, 2));
    let crashed = ended(&format!(
        "echo 'Kernel panic - not syncing: no init' > serial\n\
         echo \"(XEN) [    4.4] Hardware Dom0 crashed: 'noreboot' set - not rebooting.\" >> serial; {WAITS}"
    ));
    assert_eq!(crashed.ended, Ended::Crashed { said: "dom0's kernel panics: no init".to_owned() });
    // Nobody has waited for the scripts' 60 seconds.
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[test]
fn a_machine_that_says_nothing_is_ended_even_if_it_does_not_listen() {
    let record = ended("trap '' TERM; sleep 60");
    assert_eq!(record.ended, Ended::Silent { seconds: 1 });
    let impatient = |machine: &mut Machine| machine.patience.whole = Duration::from_secs(2);
    let (record, _) = run("while :; do echo word >> serial; sleep 0.1; done", impatient).unwrap();
    assert_eq!(record.ended, Ended::Silent { seconds: 2 });
}

#[test]
fn someone_before_the_machine_decides_when_it_ends() {
    let attended = |machine: &mut Machine| {
        machine.emulator.gdb = Some(Gdb::Guest("hvm".to_owned()));
        (machine.limit, machine.patience.silent) = (1.0, Duration::ZERO);
    };
    let (record, _) = run(&format!("{BEGINNING}; echo 'tick 9' > events; sleep 0.5"), attended).unwrap();
    assert_eq!(record.ended, Ended::Off);
}

#[test]
fn what_keeps_a_machine_from_starting_is_said() {
    let fails = |script: &str, change: &dyn Fn(&mut Machine)| {
        let error = run(script, |machine| change(machine)).map(|_| panic!("it runs")).unwrap_err();
        fault::render(&error)
    };
    let text = fails("exit 0", &|machine| {
        let root = machine.xen.parent().unwrap().join("root");
        fs_err::remove_file(root.join("usr/bin/qemu-system-x86_64")).unwrap();
    });
    assert!(text.contains("toolchain boot has no emulator") && text.contains("toolchain lock boot"), "{text}");
    let text = fails("exit 0", &|machine| machine.image = Path::new("/nonexistent").to_owned());
    assert!(text.contains("/nonexistent"), "{text}");
    let text = fails("echo 'what is this' > events", &|_| ());
    assert!(text.contains("listening to dom0") && text.contains("`what is this`"), "{text}");
}
