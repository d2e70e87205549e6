//! Processes that are started for real: the shell, and this test program itself behind the filter.

extern crate std;

use super::*;
use alloc::string::{String, ToString as _};
use std::{env, println, thread};

fn run(program: &str, arguments: &[&str], environment: &[&str], user: Option<u32>, keep: u64) -> (Ended, String) {
    let (output, end) = file::pipe().unwrap();
    let null = file::open("/dev/null", file::RDWR).unwrap();
    let arguments: Vec<Vec<u8>> = arguments.iter().map(|text| text.as_bytes().to_vec()).collect();
    let child = spawn(&Spawn {
        program,
        arguments: &arguments,
        environment,
        inherit: &[&null, &end, &end],
        user,
        keep,
        address_space: u64::MAX,
    })
    .unwrap();
    drop(end);
    let (mut text, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let _ = poll(&mut [Poll::new(&output, IN)], -1);
        match output.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => text.extend(&piece[..length]),
            Err(_) => (),
        }
    }
    let _ = poll(&mut [Poll::new(&child.ended, IN)], -1);
    let (_, ended) = wait(Some(child.pid)).unwrap();
    (ended, String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_program_gets_what_it_is_given_and_no_more() {
    let _noise = file::open("/dev/null", file::RDWR).unwrap();
    let script = "echo \"$0 $1 $X\"; ls -1 /proc/self/fd | wc -l; exit 7";
    // A shell that may not fork can still use what is built into it, so `ls` is left out.
    let script = script.replace(
        "ls -1 /proc/self/fd | wc -l;",
        "for fd in 3 4 5 6 7 8 9; do eval \"true <&$fd\" 2>&- && echo $fd; done;",
    );
    let (ended, text) = run("/bin/sh", &["-c", &script, "a  b", "\"c"], &["X=y"], None, 0);
    assert_eq!((ended, text.as_str()), (Ended::Exit(7), "a  b \"c y\n"));
}

#[test]
fn what_cannot_start_says_at_which_step() {
    let null = file::open("/dev/null", file::RDWR).unwrap();
    let spawn = |program| {
        spawn(&Spawn {
            program,
            arguments: &[],
            environment: &[],
            inherit: &[&null],
            user: None,
            keep: 0,
            address_space: u64::MAX,
        })
        .err()
        .unwrap()
    };
    assert_eq!(spawn("/no/such/program"), (Step::Execute, Errno::NOENT));
    assert_eq!(spawn("/etc/passwd"), (Step::Execute, Errno(13)));
    assert_eq!(spawn("a\0b"), (Step::Fork, Errno(22)));
}

#[test]
fn a_signal_is_told_from_an_exit() {
    assert_eq!(run("/bin/sh", &["-c", "kill -9 $$"], &[], None, 0).0, Ended::Signal(9));
    assert_eq!(Ended::Signal(9).to_string(), "signal 9");
}

/// Runs in a process of its own, behind the filter; as an ordinary test it does nothing.
#[test]
fn behind_the_filter() {
    if env::var_os("BEHIND_THE_FILTER").is_none() {
        return;
    }
    let name = path("behind").unwrap();
    let forbidden = FORBIDDEN.iter().filter(|number| {
        // SAFETY: each is refused before it looks at its arguments; if one is not, the test has failed in a process of its own.
        unsafe { call(**number as i64, [0; 6]) != Err(Errno(1)) }
    });
    println!("passed: {:?}", forbidden.collect::<Vec<_>>());
    // SAFETY: clone(2) as fork(2) would call it, and clone3(2) without anything: both are refused.
    println!("clone: {:?} {:?}", unsafe { call(56, [17, 0, 0, 0, 0, 0]) }, unsafe { call(435, [0; 6]) });
    println!("thread: {}", thread::spawn(|| 42).join().unwrap());
    // SAFETY: memfd_create(2) reads a name.
    println!("memory: {}", unsafe { call(319, [name.as_ptr() as usize, 0, 0, 0, 0, 0]) }.is_ok());
    for line in std::fs::read_to_string("/proc/self/status").unwrap().lines() {
        if line.starts_with("NoNewPrivs")
            || line.starts_with("Cap")
            || line.starts_with("Uid")
            || line.starts_with("Groups")
        {
            println!("{}", line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
}

fn locked_in(user: Option<u32>, keep: u64) -> String {
    // Another user may not reach the folder that this program lies in.
    let exe = env::temp_dir().join(alloc::format!(
        "init-behind-the-filter-{}-{}",
        std::process::id(),
        user.map_or(0, |_| keep + 1)
    ));
    std::fs::copy(env::current_exe().unwrap(), &exe).unwrap();
    let name = concat!(module_path!(), "::behind_the_filter").trim_start_matches("init::");
    let arguments = ["--exact", "--nocapture", "--test-threads=1", name];
    let (ended, text) = run(exe.to_str().unwrap(), &arguments, &["BEHIND_THE_FILTER=1"], user, keep);
    std::fs::remove_file(&exe).unwrap();
    assert_eq!(ended, Ended::Exit(0), "{text}");
    text
}

#[test]
fn processes_and_mounts_are_refused_and_threads_are_not() {
    let text = locked_in(None, 0);
    for expected in [
        "passed: []",
        "clone: Err(not permitted (errno 1)) Err(this kernel does not know that (errno 38))",
        "thread: 42",
        "memory: true",
        "NoNewPrivs: 1",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn privileges_are_gone() {
    // SAFETY: geteuid(2) takes nothing.
    if unsafe { call(107, [0; 6]) } != Ok(0) {
        println!("skipped: only root has privileges to drop");
        return;
    }
    let text = locked_in(Some(100), 0);
    for expected in
        ["Uid: 100 100 100 100", "CapPrm: 0000000000000000", "CapEff: 0000000000000000", "CapBnd: 0000000000000000"]
    {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(text.lines().any(|line| line.trim() == "Groups:"), "{text}");
    let text = locked_in(Some(100), PASSTHROUGH);
    for expected in ["Uid: 100 100 100 100", "CapEff: 0000000000220002", "CapBnd: 0000000000220002", "NoNewPrivs: 1"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}
