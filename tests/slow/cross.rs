//! The cross toolchain as its users have it: three programs of other people, unmodified, are built with what `toolchain env` prints,
//! by three build systems, and run; what the toolchain is not for is refused with a reason.

use super::{HOME, asked};
use crate::support::{expect, root};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use xshell::Shell;
use xtask::cli;
use xtask::context::Context;
use xtask::elf::{self, Type};
use xtask::recipe;
use xtask::report::{Report, Style};
use xtask::{sources, tree};

const PROGRAMS: &str = include_str!("cross/programs.toml");

/// The program that each build makes, what it is run with, and what it says.
const SAID: [(&str, &str, &[&str], &str); 3] = [
    ("hello", "hello", &[], "Hello, world!\n"),
    ("md4c", "made/md2html/md2html", &["text.md"], "<p>a <em>word</em></p>\n"),
    ("pkgconf", "made/pkgconf", &["--modversion", "./own.pc"], "3.1\n"),
];

fn command(program: impl AsRef<Path>) -> Command {
    Shell::new().unwrap().cmd(program).into()
}

fn xtask(words: &[&str]) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_xtask"));
    command.args(words).arg("--store").arg(HOME.join("store")).current_dir(root());
    command
}

/// What a user evaluates.
fn environment() -> String {
    let output = xtask(&["toolchain", "env", "stubdom"]).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// A user's shell in a folder, after what `toolchain env` printed.
fn shell(environment: &str, folder: &Path, script: &str) -> Output {
    let mut command = command("/bin/sh");
    command.args(["-euc", &format!("{environment}\n{script}")]).current_dir(folder);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A program runs on this machine's kernel and asks for nothing else.
fn is_static(program: &Path) {
    let elf = elf::parse(&fs::read(program).unwrap()).unwrap().expect("an ELF file");
    assert_eq!((elf.machine, elf.kind), (62, Type::Executable), "{}", program.display());
    assert!(elf.interpreter.is_none() && elf.needed.is_empty() && !elf.dynamic, "{}: {elf:?}", program.display());
}

/// An empty folder for this test.
fn folder(name: &str) -> PathBuf {
    let folder = HOME.join("cross").join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn three_unmodified_programs_are_built_by_three_build_systems() {
    if !asked() {
        return;
    }
    let environment = environment();
    let report = Report::new(Style::Plain);
    let place = cli::Place { store: Some(HOME.join("store")) };
    let ctx = Context::open(&report, &place, &cli::Net::default(), &cli::Work::default()).unwrap();
    let programs = recipe::parse("programs.toml", PROGRAMS).unwrap();
    let sources = sources::obtain(&ctx, &programs).unwrap();
    for (name, program, words, wanted) in SAID {
        let folder = folder(name);
        tree::copy(sources[name].path(), &folder).unwrap();
        let output = shell(&environment, &folder, &programs.step[name].run);
        assert!(output.status.success(), "{name}: {}", said(&output));
        fs::write(folder.join("text.md"), "a *word*\n").unwrap();
        fs::write(folder.join("own.pc"), "Name: own\nDescription: own\nVersion: 3.1\n").unwrap();
        is_static(&folder.join(program));
        let output = command(folder.join(program)).args(words).current_dir(&folder).output().unwrap();
        assert_eq!(said(&output), wanted, "{name}");
    }

    // The same compiler in a sandbox, with nothing of the machine.
    let folder = folder("inside");
    fs::write(folder.join("a.c"), "#include <stdio.h>\nint main(void) { return puts(\"inside\") < 0; }\n").unwrap();
    let folder_word = folder.display().to_string();
    let stem = environment.split_once(" of ").and_then(|(_, rest)| rest.split(',').next()).unwrap().to_owned();
    let inside = |script: &str| {
        let words = ["shell", &stem, "--toolchain", "stubdom", "--dir", &folder_word];
        xtask(&words).args(["--", "sh", "-euc", script]).stdin(Stdio::null()).output().unwrap()
    };
    // The store comes before the words that are run inside.
    let output = inside("test \"$PWD\" = /build; $CC -O2 a.c -o a; ./a >said");
    assert!(output.status.success(), "{}", said(&output));
    is_static(&folder.join("a"));
    assert_eq!(fs::read_to_string(folder.join("said")).unwrap(), "inside\n");
    let output = inside("exit 9");
    assert!(output.status.code() == Some(1) && said(&output).contains("exit status: 9"), "{}", said(&output));
}

#[test]
fn what_a_stubdomain_has_no_use_for_is_refused_with_a_reason() {
    if !asked() {
        return;
    }
    let environment = environment();
    let folder = folder("refused");
    for name in ["a.c", "a.cc"] {
        fs::write(folder.join(name), "int main(void) { return 0; }\n").unwrap();
    }
    let cmake = "cmake_minimum_required(VERSION 3.20)\nproject(a C CXX)\nadd_executable(a a.cc)\n";
    fs::write(folder.join("CMakeLists.txt"), cmake).unwrap();
    let mut text = String::new();
    for line in [
        "$CC -shared -fPIC a.c -o a.so",
        "$CC -pie a.c -o a",
        "$CXX a.cc -o a",
        "$CC -c a.cc",
        "$CC -c a.c && $LD -shared a.o -o a.so",
        "$CHOST-run cmake -B made 2>&1 | grep -o 'this toolchain compiles C only'",
    ] {
        let output = shell(&environment, &folder, line);
        text += &format!("$ {line}\n[{}]\n{}", output.status, said(&output));
    }
    expect::golden(&root().join("tests/slow/cross/refused.txt"), &text);
}
