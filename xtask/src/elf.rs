//! The facts about an ELF file that relocation and audit rest on. Bytes in, plain value out.
//!
//! The bytes may be hostile: a malformed file is an error, never a panic. This module opens no file, resolves no library and
//! judges nothing; it does not edit either, SONAME and RUNPATH are set when a library is linked.

use goblin::elf::dynamic::{DF_1_NOW, DF_1_PIE, DF_BIND_NOW, DF_TEXTREL, DT_BIND_NOW};
use goblin::elf::header::{EI_CLASS, ELFCLASS32, ELFMAG, ET_DYN, ET_EXEC, ET_REL};
use goblin::elf::note::NT_GNU_BUILD_ID;
use goblin::elf::program_header::{PF_X, PT_GNU_RELRO, PT_GNU_STACK, PT_NOTE};
use goblin::elf::sym::{STB_GLOBAL, STB_GNU_UNIQUE, STB_WEAK, STV_DEFAULT, STV_PROTECTED};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What one ELF file says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Elf {
    pub class: Class,
    /// `e_machine`, as in the ELF specification: 62 is x86-64, 183 is AArch64.
    pub machine: u16,
    #[serde(rename = "type")]
    pub kind: Type,
    /// `PT_INTERP`: the loader that the kernel starts.
    pub interpreter: Option<String>,
    pub soname: Option<String>,
    /// `DT_NEEDED`, in link order.
    pub needed: Vec<String>,
    /// `DT_RPATH`, split at its colons.
    pub rpath: Vec<String>,
    /// `DT_RUNPATH`, split at its colons.
    pub runpath: Vec<String>,
    /// Library to the versions of its symbols that must be there; weak ones are left out, the loader goes on without them.
    pub version_needs: BTreeMap<String, BTreeSet<String>>,
    /// Symbol versions that this library offers, without the base version that repeats its name.
    pub version_definitions: BTreeSet<String>,
    pub hardening: Hardening,
    /// Lower-case hexadecimal.
    pub build_id: Option<String>,
    /// Owners of the notes: `GNU`, `Xen` (a kernel or guest that Xen's loader understands).
    #[serde(skip)]
    pub notes: BTreeSet<String>,
    /// True when the file has a dynamic section; false for a static program, a kernel, an object file.
    #[serde(skip)]
    pub dynamic: bool,
    /// True when only GNU's hash table of symbols is there, which older loaders do not read.
    #[serde(skip)]
    pub gnu_hash_only: bool,
    /// Names of the symbols that other files must supply.
    #[serde(skip)]
    pub imports: BTreeSet<String>,
    /// The same with the version of each, `puts@GLIBC_2.2.5`, or `@Base` where it has none, as deb-symbols(5) writes them.
    #[serde(skip)]
    pub versioned_imports: BTreeSet<String>,
    /// What a library offers, in the same form; the linker's own marks are left out.
    #[serde(skip)]
    pub versioned_exports: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    Elf32,
    Elf64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    /// `ET_EXEC`: loaded at the address it was linked for.
    Executable,
    /// `ET_DYN`: a library or a position-independent program.
    Shared,
    /// `ET_REL`: an object file.
    Relocatable,
    /// A core dump or something that no specification names.
    Other,
}

/// What the compiler and the linker were asked to do against exploits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hardening {
    /// `DF_1_PIE`: a program, not a library, that can be loaded anywhere.
    pub pie: bool,
    /// `PT_GNU_RELRO` is there: tables are read-only once relocated.
    pub relro: bool,
    /// All symbols are bound at start, which is what makes RELRO cover the whole of the GOT.
    pub bind_now: bool,
    /// `PT_GNU_STACK` is there and not executable. Without the header, the kernel makes the stack executable.
    pub stack_nx: bool,
    /// The file calls `__stack_chk_fail`.
    pub stack_protector: bool,
    /// The file calls checked variants of libc's functions (`__memcpy_chk`).
    pub fortified: bool,
    /// Code has to be rewritten when it is loaded.
    pub text_relocations: bool,
}

/// Reads an ELF file; `None` when the bytes do not begin as one.
pub fn parse(bytes: &[u8]) -> Result<Option<Elf>, String> {
    if !bytes.starts_with(ELFMAG) {
        return Ok(None);
    }
    let file = goblin::elf::Elf::parse(bytes).map_err(|cause| format!("malformed ELF file: {cause}"))?;
    let notes = notes(&file, bytes);
    let imports = imports(&file);
    let (versioned_imports, versioned_exports) = versioned(&file);
    Ok(Some(Elf {
        class: if bytes.get(EI_CLASS) == Some(&ELFCLASS32) { Class::Elf32 } else { Class::Elf64 },
        machine: file.header.e_machine,
        kind: match file.header.e_type {
            ET_EXEC => Type::Executable,
            ET_DYN => Type::Shared,
            ET_REL => Type::Relocatable,
            _ => Type::Other,
        },
        interpreter: file.interpreter.map(str::to_owned),
        soname: file.soname.map(str::to_owned),
        needed: file.libraries.iter().map(|name| name.to_string()).collect(),
        rpath: paths(&file.rpaths),
        runpath: paths(&file.runpaths),
        version_needs: version_needs(&file),
        version_definitions: version_definitions(&file),
        hardening: hardening(&file, &imports),
        build_id: notes.iter().find(|note| note.owner == "GNU" && note.kind == NT_GNU_BUILD_ID).map(Note::hex),
        notes: notes.into_iter().map(|note| note.owner).collect(),
        dynamic: file.dynamic.is_some(),
        gnu_hash_only: file
            .dynamic
            .as_ref()
            .is_some_and(|dynamic| dynamic.info.gnu_hash.is_some() && dynamic.info.hash.is_none()),
        imports,
        versioned_imports,
        versioned_exports,
    }))
}

fn paths(entries: &[&str]) -> Vec<String> {
    entries.iter().flat_map(|entry| entry.split(':')).map(str::to_owned).collect()
}

fn imports(file: &goblin::elf::Elf) -> BTreeSet<String> {
    file.dynsyms
        .iter()
        .filter(|symbol| symbol.is_import())
        .filter_map(|symbol| file.dynstrtab.get_at(symbol.st_name))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn hardening(file: &goblin::elf::Elf, imports: &BTreeSet<String>) -> Hardening {
    let info = file.dynamic.as_ref().map(|dynamic| &dynamic.info);
    let flags = info.map_or(0, |info| info.flags);
    let flags_1 = info.map_or(0, |info| info.flags_1);
    let tagged = |tag| file.dynamic.iter().flat_map(|dynamic| &dynamic.dyns).any(|entry| entry.d_tag == tag);
    let segment = |kind| file.program_headers.iter().find(move |header| header.p_type == kind);
    // A static program has its own copy of the handler, which only the full symbol table names.
    let own = || file.syms.iter().filter_map(|symbol| file.strtab.get_at(symbol.st_name)).any(|name| name == GUARD);
    Hardening {
        pie: flags_1 & DF_1_PIE != 0,
        relro: segment(PT_GNU_RELRO).is_some(),
        bind_now: flags & DF_BIND_NOW != 0 || flags_1 & DF_1_NOW != 0 || tagged(DT_BIND_NOW),
        stack_nx: segment(PT_GNU_STACK).is_some_and(|header| header.p_flags & PF_X == 0),
        stack_protector: imports.contains(GUARD) || (file.dynamic.is_none() && own()),
        fortified: imports.iter().any(|name| name.starts_with("__") && name.ends_with("_chk")),
        text_relocations: flags & DF_TEXTREL != 0 || info.is_some_and(|info| info.textrel),
    }
}

const GUARD: &str = "__stack_chk_fail";

/// `VER_FLG_WEAK` of a needed version: nothing that is bound at start uses it.
const WEAK: u16 = 2;
/// `VER_FLG_BASE` of a version definition: the library itself.
const BASE: u16 = 1;

fn version_needs(file: &goblin::elf::Elf) -> BTreeMap<String, BTreeSet<String>> {
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for library in file.verneed.iter().flat_map(|section| section.iter()) {
        let Some(name) = file.dynstrtab.get_at(library.vn_file) else { continue };
        let versions = library
            .iter()
            .filter(|version| version.vna_flags & WEAK == 0)
            .filter_map(|version| file.dynstrtab.get_at(version.vna_name).map(str::to_owned));
        needs.entry(name.to_owned()).or_default().extend(versions);
    }
    needs
}

fn version_definitions(file: &goblin::elf::Elf) -> BTreeSet<String> {
    let mut definitions = BTreeSet::new();
    for definition in file.verdef.iter().flat_map(|section| section.iter()) {
        if definition.vd_flags & BASE != 0 {
            continue;
        }
        // The first name is the version's own, those that follow are its predecessors'.
        let name = definition.iter().next().and_then(|first| file.dynstrtab.get_at(first.vda_name));
        definitions.extend(name.map(str::to_owned));
    }
    definitions
}

/// Symbols that a linker gives to every library, as dpkg-gensymbols(1) leaves them out.
const MARKS: [&str; 7] = ["__bss_end__", "__bss_start", "_edata", "_end", "_etext", "_fini", "_init"];

/// All global dynamic symbols with their versions: those that are asked for, and those that are offered.
fn versioned(file: &goblin::elf::Elf) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut names: BTreeMap<u16, &str> = BTreeMap::new();
    for library in file.verneed.iter().flat_map(|section| section.iter()) {
        let needs = library.iter();
        names.extend(needs.filter_map(|need| Some((need.vna_other & VERSION, file.dynstrtab.get_at(need.vna_name)?))));
    }
    for definition in file.verdef.iter().flat_map(|section| section.iter()) {
        let name = definition.iter().next().and_then(|first| file.dynstrtab.get_at(first.vda_name));
        if definition.vd_flags & BASE == 0 {
            names.extend(name.map(|name| (definition.vd_ndx & VERSION, name)));
        }
    }
    let (mut asked, mut offered) = (BTreeSet::new(), BTreeSet::new());
    for (at, symbol) in file.dynsyms.iter().enumerate() {
        let global = matches!(symbol.st_bind(), STB_GLOBAL | STB_WEAK | STB_GNU_UNIQUE);
        let Some(name) = file.dynstrtab.get_at(symbol.st_name).filter(|name| global && !name.is_empty()) else {
            continue;
        };
        let version = file.versym.as_ref().and_then(|section| section.get_at(at)).map(|version| version.version());
        let version = version.and_then(|version| names.get(&version)).copied().unwrap_or("Base");
        if symbol.is_import() {
            asked.insert(format!("{name}@{version}"));
        } else if matches!(symbol.st_visibility(), STV_DEFAULT | STV_PROTECTED) && !MARKS.contains(&name) {
            offered.insert(format!("{name}@{version}"));
        }
    }
    (asked, offered)
}

/// Without the bit that says that a version is not the one to link against.
const VERSION: u16 = 0x7fff;

struct Note {
    owner: String,
    kind: u32,
    description: Vec<u8>,
}

impl Note {
    fn hex(&self) -> String {
        crate::digest::hex(&self.description)
    }
}

/// The notes of all `PT_NOTE` segments. Reading ends where a note does not fit its segment.
fn notes(file: &goblin::elf::Elf, bytes: &[u8]) -> Vec<Note> {
    let mut found = Vec::new();
    for segment in file.program_headers.iter().filter(|header| header.p_type == PT_NOTE) {
        let end = segment.p_offset.saturating_add(segment.p_filesz);
        let Some(mut rest) = usize::try_from(segment.p_offset)
            .ok()
            .zip(usize::try_from(end).ok())
            .and_then(|(from, to)| bytes.get(from..to))
        else {
            continue;
        };
        // gabi: notes are padded to four bytes; only properties, which this reader has no use for, are padded to eight.
        let align = if segment.p_align == 8 { 8 } else { 4 };
        while let Some((note, after)) = note(rest, align, file.little_endian) {
            found.push(note);
            rest = after;
        }
    }
    found
}

fn note(bytes: &[u8], align: usize, little_endian: bool) -> Option<(Note, &[u8])> {
    let word = |at: usize| {
        let raw: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if little_endian { u32::from_le_bytes(raw) } else { u32::from_be_bytes(raw) })
    };
    let (name_size, size, kind) = (word(0)? as usize, word(4)? as usize, word(8)?);
    let name = bytes.get(12..)?.get(..name_size)?;
    let start = (12 + name_size).checked_next_multiple_of(align)?;
    let description = bytes.get(start..)?.get(..size)?;
    let next = start.checked_add(size)?.checked_next_multiple_of(align)?;
    let owner = String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
    Some((Note { owner, kind, description: description.to_vec() }, bytes.get(next..).unwrap_or_default()))
}
