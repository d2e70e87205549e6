//! The kernel that tries whether a machine can have machines of its own, in the real emulator: KVM is not everywhere, but TCG has SVM
//! to give and to take away.

use super::{asked, machine};
use crate::support::root;
use xtask::boot::accelerator::{choose, nests};
use xtask::boot::emulator::Accelerator;
use xtask::rootfs;
use xtask::toolchain::Toolchain;

#[test]
fn nested_virtualisation_is_tried_and_not_believed() {
    if !asked() {
        return;
    }
    let ctx = machine::context();
    let boot = rootfs::obtain(&ctx, &Toolchain::load(&root(), "boot").unwrap()).unwrap();
    let tried = |cpu: &str| nests(&ctx, &boot.path, Accelerator::Tcg, cpu).unwrap();
    assert_eq!(tried("max"), Ok(()));
    let without = tried("max,-svm").unwrap_err();
    assert!(without.contains("neither SVM nor VMX"), "{without}");
    let unknown = tried("pentium-of-no-make").unwrap_err();
    assert!(unknown.contains("pentium-of-no-make"), "{unknown}");
    // Whatever this machine has, there is an answer; who wants KVM where it cannot do it is told so.
    match choose(&ctx, &boot.path, None).unwrap() {
        Accelerator::Kvm => assert_eq!(choose(&ctx, &boot.path, Some(Accelerator::Kvm)).unwrap(), Accelerator::Kvm),
        Accelerator::Tcg => {
            let error = choose(&ctx, &boot.path, Some(Accelerator::Kvm)).unwrap_err();
            let text = xtask::fault::render(&error);
            assert!(text.contains("cannot run Xen with guests") && text.contains("--emulator tcg"), "{text}");
        }
    }
}
