//! What guests boot, made twice: the same bytes, whatever the store has and wherever it is made.

use super::asked;
use super::machine::context;
use crate::support::root;
use xtask::boot::case::Boots;
use xtask::boot::guest;
use xtask::rootfs;
use xtask::toolchain::Toolchain;
use xtask::tree::Manifest;

#[test]
fn guests_are_made_twice_alike() {
    if !asked() {
        return;
    }
    let ctx = context();
    let toolchain = rootfs::obtain(&ctx, &Toolchain::load(&root(), "boot").unwrap()).unwrap();
    for boots in Boots::ALL {
        let made = guest::make(&ctx, &toolchain, boots, "g").unwrap();
        let stored = made.files.values().next().unwrap().parent().unwrap();
        let again = tempfile::tempdir().unwrap();
        guest::fill(&ctx, &toolchain, boots, again.path()).unwrap();
        let (first, second) = (Manifest::of(stored).unwrap(), Manifest::of(again.path()).unwrap());
        assert_eq!(first.differences(&second), Vec::<String>::new(), "{}", boots.name());
        assert_eq!(first.digest(), second.digest(), "{}", boots.name());
    }
}
