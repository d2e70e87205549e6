//! Makes what guests boot: a kernel, programs for a BIOS, and the disk of a Debian system. All are ours but for Debian's kernel and
//! busybox, and are made from the locked toolchain: the same bytes wherever and whenever.
//!
//! What they do, and the lines that they say, stands at the head of their sources in `guest/`. Every line begins with `XENWRIGHT` and the
//! guest's word; one that begins so and goes on with `FAILED` says what went wrong. This module starts no guest and judges none.

mod linux;

use super::case::Boots;
use crate::context::Context;
use crate::digest::KeyBuilder;
use crate::fault::Fault;
use crate::sandbox::{self, Sandbox};
use crate::store::Stored;
use crate::tree;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Raised whenever the same sources and toolchain would give other files.
const VERSION: &str = "boot-guest/1";

/// What dom0 gets for one guest.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Files in the store by their names in `/case`. Disks are written to: dom0 needs copies.
    pub files: BTreeMap<String, PathBuf>,
    /// What the guest says or leaves behind, by name: texts and checksums that a case expects.
    pub facts: BTreeMap<String, String>,
}

/// A text that lies in sector 1 of the disk of [`Boots::DiskSector`], and what the guest makes of it in sector 2.
const SECTOR: &str = "sector one of the disk, as it was made";

/// Of the disks that hold nothing but a program, and of all sectors here.
const DISK_BYTES: usize = 1 << 20;
const SECTOR_BYTES: usize = 512;

/// Linked like any program, for a guest that is loaded at 1 MiB.
const KERNEL: &str = "
as --64 -o program.o program.s
ld -static -z noseparate-code -z max-page-size=4096 -Ttext-segment=0x100000 -e pv --build-id=none -o /out/program program.o";

/// Bare bytes, for the address that a BIOS loads a boot sector at.
const SECTORS: &str = "
as --32 -o program.o program.s
ld -m elf_i386 -N -Ttext=0x7c00 -e start --oformat binary -o /out/program program.o";

/// What programs for a BIOS have in common.
const BIOS: &str = include_str!("guest/bios.s");

/// The files and facts of what a guest called `name` boots; they are made when the store lacks them. `toolchain` is the root of `boot`.
pub fn make(ctx: &Context, toolchain: &Stored, boots: Boots, name: &str) -> Result<Guest> {
    let what = format!("guest {}", boots.name());
    let mut key = KeyBuilder::new(VERSION).field("toolchain", toolchain.key.as_str()).field("guest", boots.name());
    for source in sources(boots) {
        key = key.field("source", source);
    }
    let stored = ctx.store.tree_or_make(&key.finish(), &what, |into| {
        let task = ctx.report.begin("make", &what, None);
        fill(ctx, toolchain, boots, into).with_context(|| format!("making {what}"))?;
        task.done("files for dom0");
        Ok(())
    })?;
    let files = suffixes(boots).iter().map(|suffix| (format!("{name}{suffix}"), stored.path.join(&suffix[1..])));
    let facts = facts(boots).into_iter().map(|(name, value)| (name.to_owned(), value));
    Ok(Guest { files: files.collect(), facts: facts.collect() })
}

/// What follows a guest's name in the names of its files; without its first character, the file's name in the store.
fn suffixes(boots: Boots) -> &'static [&'static str] {
    match boots {
        Boots::Hello => &[".kernel"],
        Boots::DiskSector | Boots::DeviceSector => &[".img"],
        Boots::Linux => &[".img", "-data.img"],
    }
}

/// All of ours that its files are made from.
fn sources(boots: Boots) -> Vec<&'static str> {
    match boots {
        Boots::Hello => vec![KERNEL, include_str!("guest/hello.s")],
        Boots::DiskSector => vec![SECTORS, BIOS, include_str!("guest/disk.s"), SECTOR],
        Boots::DeviceSector => vec![SECTORS, BIOS, include_str!("guest/device.s")],
        Boots::Linux => linux::sources(),
    }
}

fn facts(boots: Boots) -> BTreeMap<&'static str, String> {
    match boots {
        Boots::Hello | Boots::DeviceSector => BTreeMap::new(),
        Boots::DiskSector => [("read", SECTOR.to_owned()), ("written", SECTOR.to_ascii_uppercase())].into(),
        Boots::Linux => linux::facts(),
    }
}

/// Makes a guest's files in the empty folder `into`, whatever the store has.
pub fn fill(ctx: &Context, toolchain: &Stored, boots: Boots, into: &Path) -> Result<()> {
    match boots {
        Boots::Hello => {
            fs::write(into.join("kernel"), assemble(ctx, toolchain, KERNEL, include_str!("guest/hello.s"))?)?;
        }
        Boots::DiskSector => {
            let program = assemble(ctx, toolchain, SECTORS, include_str!("guest/disk.s"))?;
            fs::write(into.join("img"), disk(&[(0, &program), (1, SECTOR.as_bytes())], DISK_BYTES)?)?;
        }
        Boots::DeviceSector => {
            let program = assemble(ctx, toolchain, SECTORS, include_str!("guest/device.s"))?;
            fs::write(into.join("img"), disk(&[(0, &program)], DISK_BYTES)?)?;
        }
        Boots::Linux => linux::fill(ctx, toolchain, into)?,
    }
    tree::stamp(into, 1)
}

/// A disk of `bytes` with these contents from these sectors on.
fn disk(contents: &[(usize, &[u8])], bytes: usize) -> Result<Vec<u8>> {
    let mut disk = vec![0; bytes];
    for (sector, content) in contents {
        let at = sector * SECTOR_BYTES;
        let place = disk.get_mut(at..at + content.len());
        place
            .with_context(|| format!("a disk of {bytes} bytes has no room at sector {sector}"))?
            .copy_from_slice(content);
    }
    Ok(disk)
}

/// The program that the toolchain's assembler and linker make of `source` by `script`.
fn assemble(ctx: &Context, toolchain: &Stored, script: &str, source: &str) -> Result<Vec<u8>> {
    let work = ctx.store.work("guest")?;
    let (build, out) = (work.path().join("build"), work.path().join("out"));
    for folder in [&build, &out] {
        fs::create_dir(folder)?;
    }
    fs::write(build.join("program.s"), source)?;
    fs::write(build.join("bios.s"), BIOS)?;
    let sandbox = Sandbox {
        writable: vec![(build, sandbox::BUILD.to_owned()), (out.clone(), sandbox::OUT.to_owned())],
        ..Sandbox::new(&toolchain.path, sandbox::BUILD)
    };
    let output = sandbox.command(ctx, &["/bin/sh", "-euc", script])?.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Fault::failed(format!("its program cannot be assembled:\n{}", said.trim_end())).into());
    }
    Ok(fs::read(out.join("program"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_holds_what_fits() {
        let disk = |at| disk(&[(at, b"text")], 1024);
        let made = disk(1).unwrap();
        assert_eq!((made.len(), &made[512..516], made[511], made[516]), (1024, &b"text"[..], 0, 0));
        assert!(disk(2).unwrap_err().to_string().contains("no room at sector 2"));
    }
}
