//! The disks of a guest that is Debian's kernel with busybox: one that it starts from, and one that holds a pattern from its first byte to
//! its last.
//!
//! The kernel lies on the disk as it runs, with our own loader before it (see `loader.s`); a BIOS that read it and a kernel that
//! unpacked itself would take most of the guest's time.

use super::{SECTOR_BYTES, SECTORS, assemble, disk};
use crate::boot::{cpio, kernel};
use crate::context::Context;
use crate::digest::hex;
use crate::store::Stored;
use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use goblin::elf::{Elf, program_header::PT_LOAD};
use md5::{Digest as _, Md5};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const LOADER: &str = include_str!("loader.s");
const INIT: &str = include_str!("init");

/// The disk controller, disks, and the network cards that QEMU has: an Intel 82540EM and a Realtek 8139.
const MODULES: [&str; 4] = ["ata_piix", "sd_mod", "e1000", "8139cp"];

/// What the system calls; all are busybox.
const PROGRAMS: [&str; 16] = [
    "blockdev", "cat", "cut", "dd", "insmod", "ip", "md5sum", "mount", "ping", "poweroff", "readlink", "sh", "sleep",
    "test", "tr", "[",
];

/// The emulated devices are what is tested: a Linux that knew of Xen would have them taken away and use Xen's own. The serial port is slow
/// to talk to, and of what Linux says nothing else is wanted there. Nor does it test its own cryptography and page tables, as in dom0.
const COMMAND_LINE: &str = "console=ttyS0 quiet xen_nopv cryptomgr.notests rodata=off";

/// Of the disk with the pattern. Reading and writing 16 MiB took the emulator 15 s more.
const DATA_BYTES: usize = 4 << 20;

/// The md5 of its pattern, and of the same in capitals: as md5sum says it in the guest.
const READ: &str = "06c70148532e22a39274e728fff05c48";
const WRITTEN: &str = "2b5224d61af8bfae9c5b949141afc9fc";

/// The loader's table and where things begin on the disk; see `loader.s`.
const TABLE: usize = 1;
const TABLE_EXTENTS: usize = 12;
const TABLE_COMMAND_LINE: usize = 256;
const CONTENT: usize = 64;

/// What the loader reads goes to multiples of this, which a piece of DMA does not cross (SFF-8038i).
const BLOCK: usize = 64 << 10;

/// Pieces of the kernel of this size are not on the disk if they are zeros.
const GAP: usize = 1 << 20;

pub fn sources() -> Vec<&'static str> {
    let mut all = vec![SECTORS, super::BIOS, LOADER, INIT, COMMAND_LINE, READ, WRITTEN];
    all.extend(MODULES.iter().chain(&PROGRAMS));
    all
}

/// The checksums of the second disk, before and after.
pub fn facts() -> BTreeMap<&'static str, String> {
    [("read-md5", READ.to_owned()), ("written-md5", WRITTEN.to_owned())].into()
}

/// Every sector says which it is, again and again, in small letters.
fn pattern(bytes: usize) -> Vec<u8> {
    let mut all = String::with_capacity(bytes + SECTOR_BYTES);
    for sector in 0..bytes / SECTOR_BYTES {
        while all.len() < (sector + 1) * SECTOR_BYTES {
            let _ = writeln!(all, "sector {sector} of the second disk");
        }
        all.truncate((sector + 1) * SECTOR_BYTES);
    }
    all.into_bytes()
}

/// Makes both disks.
pub fn fill(ctx: &Context, toolchain: &Stored, into: &Path) -> Result<()> {
    let kernel = kernel::obtain(ctx, toolchain)?;
    let vmlinux = fs::read(kernel.vmlinux())?;
    let image = Image::of(&vmlinux).with_context(|| format!("reading the kernel {}", kernel.release))?;
    let initramfs = initramfs(&toolchain.path, &kernel.release)?;
    let loader = assemble(ctx, toolchain, SECTORS, LOADER)?;
    fs::write(into.join("img"), start_disk(&loader, &image, &initramfs)?)?;
    let pattern = pattern(DATA_BYTES);
    for (md5, bytes) in [(READ, &pattern), (WRITTEN, &pattern.to_ascii_uppercase())] {
        let found = hex(&Md5::digest(bytes));
        ensure!(found == md5, "the pattern of the second disk was said to have the md5 {md5}, and has {found}");
    }
    Ok(fs::write(into.join("data.img"), pattern)?)
}

/// A kernel as it lies in memory.
struct Image {
    entry: usize,
    /// Address of the first byte.
    address: usize,
    bytes: Vec<u8>,
    /// Address after all that the kernel takes at its start.
    end: usize,
}

impl Image {
    fn of(vmlinux: &[u8]) -> Result<Image> {
        let elf = Elf::parse(vmlinux)?;
        let segments: Vec<_> = elf.program_headers.iter().filter(|header| header.p_type == PT_LOAD).collect();
        let address = segments.iter().map(|header| header.p_paddr).min().context("it has nothing to load")? as usize;
        let end = segments.iter().map(|header| header.p_paddr + header.p_memsz).max().unwrap_or_default() as usize;
        // The loader's page tables end at 1 GiB.
        ensure!(address.is_multiple_of(BLOCK) && end <= 1 << 30, "it wants to lie from {address:#x} to {end:#x}");
        let mut bytes = vec![0; end - address];
        for header in segments {
            let content = vmlinux.get(header.file_range()).context("a segment lies outside of it")?;
            let at = header.p_paddr as usize - address;
            bytes
                .get_mut(at..at + content.len())
                .context("a segment is longer in the file than in memory")?
                .copy_from_slice(content);
        }
        Ok(Image { entry: elf.entry as usize, address, bytes, end })
    }
}

/// The system that the kernel unpacks: busybox under the names of its programs, modules in the order in which they are loaded, our init.
fn initramfs(root: &Path, release: &str) -> Result<Vec<u8>> {
    let mut archive = cpio::Archive::new(Vec::new());
    let mut file = |path: &str, bytes: &[u8]| archive.file(path, 0o755, bytes.len() as u64, bytes);
    file("init", INIT.as_bytes())?;
    file("bin/busybox", &fs::read(root.join("usr/bin/busybox"))?)?;
    let modules = kernel::closure(&root.join("usr/lib/modules").join(release), &MODULES)?;
    for (turn, module) in modules.iter().enumerate() {
        let name = module.path.rsplit('/').next().unwrap_or(&module.path);
        file(&format!("modules/{turn:02}-{name}"), &module.bytes)?;
    }
    for program in PROGRAMS {
        archive.link(&format!("bin/{program}"), "busybox")?;
    }
    for folder in ["dev", "proc", "sys"] {
        archive.folder(folder, 0o755)?;
    }
    archive.finish()
}

/// What belongs at an address: sectors of the disk, or zeros.
struct Extent<'a> {
    address: usize,
    bytes: usize,
    content: Option<&'a [u8]>,
}

/// The kernel in pieces: zeros, and all else.
fn extents(image: &Image) -> Vec<Extent<'_>> {
    let mut pieces: Vec<(usize, usize, bool)> = Vec::new();
    for (turn, chunk) in image.bytes.chunks(GAP).enumerate() {
        let (start, zeros) = (turn * GAP, chunk.iter().all(|byte| *byte == 0));
        match pieces.last_mut() {
            Some((_, end, same)) if *same == zeros => *end = start + chunk.len(),
            _ => pieces.push((start, start + chunk.len(), zeros)),
        }
    }
    let extent = |(start, end, zeros): (usize, usize, bool)| Extent {
        address: image.address + start,
        bytes: end - start,
        content: (!zeros).then(|| &image.bytes[start..end]),
    };
    pieces.into_iter().map(extent).collect()
}

/// The disk that a BIOS starts: the loader with its table, kernel and initramfs.
fn start_disk(loader: &[u8], image: &Image, initramfs: &[u8]) -> Result<Vec<u8>> {
    ensure!(loader.len() <= CONTENT * SECTOR_BYTES, "the loader takes {} bytes", loader.len());
    let initrd = image.end.next_multiple_of(BLOCK);
    let mut extents = extents(image);
    extents.push(Extent { address: initrd, bytes: initramfs.len(), content: Some(initramfs) });
    let mut table = vec![0; SECTOR_BYTES];
    let mut put = |at: usize, number: usize| -> Result<()> {
        ensure!(at + 4 <= TABLE_COMMAND_LINE, "the loader's table ends before byte {at}");
        table[at..at + 4].copy_from_slice(&u32::try_from(number)?.to_le_bytes());
        Ok(())
    };
    put(0, image.entry)?;
    put(4, initrd)?;
    put(8, initramfs.len())?;
    put(TABLE_EXTENTS, extents.len())?;
    let (mut sector, mut contents) = (CONTENT, vec![(0, loader)]);
    for (turn, extent) in extents.iter().enumerate() {
        let sectors = extent.bytes.div_ceil(SECTOR_BYTES);
        let at = TABLE_EXTENTS + 4 + turn * 12;
        put(at, if extent.content.is_some() { sector } else { 0 })?;
        put(at + 4, sectors)?;
        put(at + 8, extent.address)?;
        if let Some(content) = extent.content {
            contents.push((sector, content));
            sector += sectors;
        }
    }
    table[TABLE_COMMAND_LINE..][..COMMAND_LINE.len()].copy_from_slice(COMMAND_LINE.as_bytes());
    contents.push((TABLE, &table));
    disk(&contents, (sector * SECTOR_BYTES).next_multiple_of(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sector_is_another() {
        let pattern = pattern(3 * SECTOR_BYTES);
        assert_eq!(pattern.len(), 3 * SECTOR_BYTES);
        for (turn, sector) in pattern.chunks(SECTOR_BYTES).enumerate() {
            assert!(sector.starts_with(format!("sector {turn} of the second disk\nsector {turn} ").as_bytes()));
        }
    }

    #[test]
    fn zeros_of_a_kernel_are_left_out() {
        let mut bytes = vec![0; 4 * GAP];
        (bytes[5], bytes[3 * GAP]) = (1, 2);
        let image = Image { entry: 0, address: 16 << 20, end: (16 << 20) + bytes.len(), bytes };
        let found: Vec<_> = extents(&image)
            .iter()
            .map(|extent| (extent.address >> 20, extent.bytes >> 20, extent.content.is_some()))
            .collect();
        assert_eq!(found, [(16, 1, true), (17, 2, false), (19, 1, true)]);
        let made = start_disk(b"loader", &image, b"initramfs").unwrap();
        let number = |at: usize| u32::from_le_bytes(made[512 + at..][..4].try_into().unwrap()) as usize;
        // Two pieces and the initramfs are on the disk, one after the other; the zeros are not.
        assert_eq!([number(4), number(8), number(12)], [20 << 20, 9, 4]);
        assert_eq!([number(16), number(28), number(40), number(52)], [64, 0, 64 + 2048, 64 + 2 * 2048]);
        assert_eq!((made[64 * 512 + 5], made[(64 + 2048) * 512]), (1, 2));
        assert!(made[(64 + 4096) * 512..].starts_with(b"initramfs"));
        assert!(made[512 + TABLE_COMMAND_LINE..].starts_with(b"console=ttyS0"));
    }
}
