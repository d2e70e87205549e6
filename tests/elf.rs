//! What is read from ELF files: flags of the compiler and linker come back as facts, and hostile bytes come back as errors.

use crate::support::compile::{Shape, compile};
use crate::support::scratch;
use proptest::prelude::*;
use std::path::Path;
use std::sync::OnceLock;
use xtask::elf::{Class, Elf, Type, parse};

const PROGRAM: &str = "#include <stdio.h>\n#include <string.h>\nint main(int n, char **v) { char b[64]; strcpy(b, v[n - 1]); return puts(b); }\n";
const LIBRARY: &str = "int answer(void) { return 42; }\n";

fn bytes(shape: Shape, source: &str, flags: &[&str], libraries: &[&Path]) -> Vec<u8> {
    let folder = scratch();
    let to = folder.path().join("file");
    let flags: Vec<String> = flags.iter().map(|flag| flag.to_string()).collect();
    compile(shape, source, &flags, libraries, &to);
    fs_err::read(to).unwrap()
}

fn facts(shape: Shape, source: &str, flags: &[&str]) -> Elf {
    parse(&bytes(shape, source, flags, &[])).unwrap().expect("the compiler makes ELF files")
}

#[test]
fn a_hardened_program_is_seen_as_one() {
    let elf = facts(Shape::Program, PROGRAM, &["-Wl,-rpath,/usr/lib/xen-4.17/lib:/a/b"]);
    assert_eq!((elf.class, elf.kind, elf.dynamic), (Class::Elf64, Type::Shared, true));
    assert!(elf.interpreter.as_deref().is_some_and(|loader| loader.starts_with("/lib")));
    assert_eq!(elf.needed, ["libc.so.6"]);
    assert_eq!((elf.runpath, elf.rpath), (vec!["/usr/lib/xen-4.17/lib".to_owned(), "/a/b".to_owned()], Vec::new()));
    let hardening = elf.hardening;
    assert!(hardening.pie && hardening.relro && hardening.bind_now && hardening.stack_nx && hardening.stack_protector);
    assert!(!hardening.text_relocations);
    assert!(elf.version_needs["libc.so.6"].iter().all(|version| version.starts_with("GLIBC_2.")));
    assert_eq!(elf.build_id.map(|id| id.len()), Some(40));
    assert!(elf.imports.contains("__stack_chk_fail") && elf.imports.contains("puts"));
}

#[test]
fn each_flag_has_its_fact() {
    type Fact = fn(&Elf) -> bool;
    let program: &[(&[&str], Fact)] = &[
        (&["-no-pie", "-fno-pie"], |elf| elf.kind == Type::Executable && !elf.hardening.pie),
        (&["-Wl,-z,lazy"], |elf| !elf.hardening.bind_now && elf.hardening.relro),
        (&["-Wl,-z,norelro"], |elf| !elf.hardening.relro),
        (&["-Wl,-z,execstack"], |elf| !elf.hardening.stack_nx),
        (&["-fno-stack-protector"], |elf| !elf.hardening.stack_protector),
        (&["-D_FORTIFY_SOURCE=2"], |elf| elf.hardening.fortified),
        (&["-U_FORTIFY_SOURCE"], |elf| !elf.hardening.fortified),
        (&["-Wl,--disable-new-dtags,-rpath,/x"], |elf| elf.rpath == ["/x"] && elf.runpath.is_empty()),
        (&["-Wl,-dynamic-linker,/lib/other.so"], |elf| elf.interpreter.as_deref() == Some("/lib/other.so")),
        (&["-Wl,--build-id=none"], |elf| elf.build_id.is_none()),
    ];
    for (flags, holds) in program {
        let elf = facts(Shape::Program, PROGRAM, flags);
        assert!(holds(&elf), "{flags:?}: {elf:?}");
    }
    let library: &[(&[&str], Fact)] = &[
        (&["-Wl,-soname,libanswer.so.1"], |elf| elf.soname.as_deref() == Some("libanswer.so.1") && !elf.hardening.pie),
        (&[], |elf| elf.soname.is_none() && elf.interpreter.is_none()),
    ];
    for (flags, holds) in library {
        let elf = facts(Shape::Library, LIBRARY, flags);
        assert!(holds(&elf), "{flags:?}: {elf:?}");
    }
    let code_with_an_address = "__asm__(\".text\\n.globl here\\nhere: .quad here\\n\");\n";
    assert!(facts(Shape::Library, code_with_an_address, &["-Wl,-z,notext"]).hardening.text_relocations);
    assert_eq!(facts(Shape::Object, LIBRARY, &[]).kind, Type::Relocatable);
}

#[test]
fn versions_are_read_on_both_sides() {
    let folder = scratch();
    let map = folder.path().join("map");
    fs_err::write(&map, "VERS_1.0 { global: answer; local: *; };\nVERS_1.1 { global: later; } VERS_1.0;\n").unwrap();
    let library = folder.path().join("libanswer.so.1");
    let flags = ["-Wl,-soname,libanswer.so.1".to_owned(), format!("-Wl,--version-script={}", map.display())];
    compile(Shape::Library, "int answer(void) { return 1; }\nint later(void) { return 2; }\n", &flags, &[], &library);
    let offered = parse(&fs_err::read(&library).unwrap()).unwrap().unwrap();
    assert_eq!(offered.version_definitions, ["VERS_1.0", "VERS_1.1"].map(str::to_owned).into());
    let user = bytes(Shape::Program, "int later(void);\nint main(void) { return later(); }\n", &[], &[&library]);
    let user = parse(&user).unwrap().unwrap();
    assert_eq!(user.version_needs["libanswer.so.1"], ["VERS_1.1".to_owned()].into());
    assert!(user.versioned_imports.contains("later@VERS_1.1"), "{:?}", user.versioned_imports);
    let exports = ["answer@VERS_1.0", "later@VERS_1.1"].map(str::to_owned);
    assert!(exports.iter().all(|name| offered.versioned_exports.contains(name)), "{:?}", offered.versioned_exports);
    let plain = facts(Shape::Library, "int ask(void);\nint answer(void) { return ask(); }\n", &[]);
    assert!(plain.versioned_imports.contains("ask@Base"), "{:?}", plain.versioned_imports);
    assert_eq!(plain.versioned_exports, ["answer@Base".to_owned()].into());
}

#[test]
fn a_note_of_xens_marks_a_guest_or_hypervisor() {
    let source = "__asm__(\".section .note.Xen,\\\"a\\\",%note\\n.long 4, 4, 18\\n.asciz \\\"Xen\\\"\\n.long 0\\n.text\\n\");\nvoid start(void) { for (;;); }\n";
    let elf = facts(Shape::Freestanding, source, &[]);
    assert!(elf.notes.contains("Xen") && !elf.dynamic && elf.interpreter.is_none(), "{elf:?}");
    assert_eq!(elf.kind, Type::Executable);
}

#[test]
fn what_is_not_elf_is_nothing_and_what_is_cut_is_an_error() {
    assert_eq!(parse(b"").unwrap(), None);
    assert_eq!(parse(b"#!/bin/sh\n").unwrap(), None);
    assert_eq!(parse(b"\x7fEL").unwrap(), None);
    let whole = sample();
    for length in [4, 16, 63, 100, whole.len() / 2] {
        assert!(parse(&whole[..length]).is_err(), "cut to {length} bytes");
    }
}

/// A program with everything that the reader looks at.
fn sample() -> &'static [u8] {
    static SAMPLE: OnceLock<Vec<u8>> = OnceLock::new();
    SAMPLE.get_or_init(|| bytes(Shape::Program, PROGRAM, &["-Wl,-rpath,/x", "-Wl,-soname,sample", "-Wl,-s"], &[]))
}

/// Headers, tables of headers and the dynamic section: where a changed byte leads the reader elsewhere.
fn places(bytes: &[u8]) -> Vec<usize> {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let count = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let (segments, sections) = (word(32), word(40));
    let mut places: Vec<usize> = (0..64).collect();
    places.extend(segments..segments + 56 * count(56));
    places.extend(sections..sections + 64 * count(60));
    for segment in (0..count(56)).map(|index| segments + 56 * index) {
        // PT_DYNAMIC, PT_INTERP and PT_NOTE.
        if matches!(bytes[segment], 2..=4) {
            let (offset, size) = (word(segment + 8), word(segment + 32));
            places.extend(offset..offset + size);
        }
    }
    places
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_never_make_it_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = sample().to_vec();
        let places = places(&bytes);
        for (place, value) in changes {
            bytes[places[place.index(places.len())]] = value;
        }
        let _ = parse(&bytes);
    }

    #[test]
    fn extreme_numbers_never_make_it_panic(
        places_and_numbers in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(EXTREMES)), 1..4)
    ) {
        let mut bytes = sample().to_vec();
        let places = places(&bytes);
        for (place, number) in places_and_numbers {
            let at = places[place.index(places.len())] / 8 * 8;
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        let _ = parse(&bytes);
    }

    #[test]
    fn noise_after_the_magic_never_makes_it_panic(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&[b"\x7fELF".as_slice(), &noise].concat());
    }
}

const EXTREMES: &[u64] = &[
    0,
    1,
    7,
    0x40,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX - 7,
    u64::MAX,
];
