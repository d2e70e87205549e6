//! The laws about what the compiler and the linker do against exploits. They hold for userland; a hypervisor and firmware
//! have other means.

use super::{Finding, Findings, Nature};
use crate::audit::facts::Facts;
use crate::elf::{Elf, Type};
use crate::recipe::Recipe;
use crate::relocate::below_root;

/// Functions of libc that write into a buffer that their caller brings. Code that calls one of them most often has that buffer
/// on its stack, and code that calls none has little that the protector could guard; checked variants count alike.
const FILL: &[&str] = &[
    "fgets",
    "fread",
    "fscanf",
    "getcwd",
    "gethostname",
    "pread",
    "pread64",
    "read",
    "readlink",
    "recv",
    "recvfrom",
    "snprintf",
    "sprintf",
    "sscanf",
    "stpcpy",
    "strcat",
    "strcpy",
    "strncat",
    "strncpy",
    "vsnprintf",
    "vsprintf",
];

pub fn check(recipe: &Recipe, facts: &Facts, findings: &mut Findings) {
    let private = below_root(&recipe.relocate.private);
    for (path, elf) in facts.elves() {
        if Nature::of(path, elf, private) == Nature::Userland {
            check_one(path, elf, findings);
        }
    }
}

fn check_one(path: &str, elf: &Elf, findings: &mut Findings) {
    let mut broken = |rule, message: &str| findings.push(Finding::new(rule, path, message.to_owned()));
    let hardening = &elf.hardening;
    if elf.kind == Type::Executable {
        broken("not-pie", "is linked to a fixed address");
    }
    match (hardening.relro, hardening.bind_now) {
        (true, true) => {}
        (true, false) => broken("no-relro", "has RELRO but binds lazily, the PLT's part of the GOT stays writable"),
        (false, _) => broken("no-relro", "has no RELRO"),
    }
    if !hardening.stack_nx {
        broken("executable-stack", "has an executable stack");
    }
    if hardening.text_relocations {
        broken("text-relocations", "has text relocations");
    }
    if let Some(filler) = fills_a_buffer(elf)
        && !hardening.stack_protector
    {
        broken("no-stack-protector", &format!("calls {filler}, but never __stack_chk_fail"));
    }
}

/// The first function that fills a caller's buffer.
fn fills_a_buffer(elf: &Elf) -> Option<&str> {
    let plain = |name: &str| name.strip_prefix("__").and_then(|n| n.strip_suffix("_chk")).unwrap_or(name).to_owned();
    elf.imports.iter().find(|name| FILL.contains(&plain(name).as_str())).map(String::as_str)
}
