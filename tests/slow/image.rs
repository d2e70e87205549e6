//! The image of the Linux stubdomain as it was built: what is in it, whose, since when, and how large. It is read by the project's own
//! reader, not by the program that wrote it.

use super::{SERIES, asked, built, machine};
use crate::support::{expect, root};
use std::path::PathBuf;
use xtask::archive;
use xtask::job::Job;
use xtask::repro::cpio;

/// Bytes that QEMU may have, stripped.
const QEMU: u64 = 8_000_000;

/// The kernel or the first file system, as its step left it.
fn image(stem: &str, part: &str) -> PathBuf {
    let ctx = machine::context();
    let job = Job::new(&ctx, stem).unwrap();
    let step = job.plan.steps.iter().find(|planned| planned.name == "stubdom-linux").unwrap();
    let tree = ctx.store.tree(&step.key).unwrap().unwrap();
    tree.path.join(format!("usr/lib/xen-{}/boot/qemu-stubdom-linux-{part}", job.recipe.series))
}

#[test]
fn the_image_of_a_stubdomain_holds_these_files_and_no_others() {
    if !asked() {
        return;
    }
    for stem in SERIES {
        built(stem);
        let (mut text, mut qemu) = (String::new(), 0);
        cpio::each(archive::open(&image(stem, "rootfs")).unwrap(), |file, _| {
            text += &format!("{:06o} {}:{} {} {}\n", file.mode, file.uid, file.gid, file.mtime, file.path);
            if file.path == "usr/bin/qemu" {
                qemu = file.size;
            }
            Ok(())
        })
        .unwrap();
        expect::golden(&root().join("tests/golden").join(stem).join("rootfs.txt"), &text);
        assert!((1..=QEMU).contains(&qemu), "{stem}: QEMU has {qemu} bytes");
    }
}

#[test]
fn the_kernel_is_one_that_libxenguest_unpacks() {
    if !asked() {
        return;
    }
    for stem in SERIES {
        built(stem);
        let kernel = fs_err::read(image(stem, "kernel")).unwrap();
        // Documentation/arch/x86/boot.rst: the header's magic and version, where the compressed kernel begins, and what it is.
        let word = |at: usize| u32::from_le_bytes(kernel[at..at + 4].try_into().unwrap());
        assert_eq!(&kernel[0x202..0x206], b"HdrS", "{stem}");
        assert!(u16::from_le_bytes([kernel[0x206], kernel[0x207]]) >= 0x208, "{stem}: no payload before 2.08");
        let payload = (usize::from(kernel[0x1f1]) + 1) * 512 + word(0x248) as usize;
        // Gzip (RFC 1952): of xz it does not take Linux's dictionary.
        assert_eq!(&kernel[payload..payload + 3], b"\x1f\x8b\x08", "{stem}");
    }
}
