//! Configure flags for the firmware and device models that a recipe takes from a step, from the distribution, or not at all.
//!
//! The flags are those of `tools/configure.ac` in Xen 4.17 and 4.20; each line was tried with both. Pure.

use crate::recipe::{Component, Provide};
use std::collections::BTreeMap;

/// A flag for each component that the recipe says something about, in the order of the components. `private` is the prefix of
/// the series.
pub fn flags(provide: &BTreeMap<Component, Provide>, private: &str) -> Vec<String> {
    provide.iter().map(|(component, provide)| flag(*component, provide, private)).collect()
}

/// A path alone says that nothing is built. `--enable-ipxe` beside it would ask for ROMBIOS and so for a 16-bit compiler.
fn flag(component: Component, provide: &Provide, private: &str) -> String {
    let path = match provide {
        Provide::Pinned { path, .. } | Provide::System { path } => path,
        Provide::Off => return off(component, private),
    };
    match component {
        Component::Seabios => format!("--with-system-seabios={path}"),
        Component::Ovmf => format!("--with-system-ovmf={path}"),
        Component::Ipxe => format!("--with-system-ipxe={path}"),
        Component::Qemu => format!("--with-system-qemu={path}"),
    }
}

/// There is no flag against QEMU, only one for a path that is not built; this one is where upstream's own would be.
fn off(component: Component, private: &str) -> String {
    match component {
        Component::Seabios => "--disable-seabios".to_owned(),
        Component::Ovmf => "--disable-ovmf".to_owned(),
        Component::Ipxe => "--disable-ipxe".to_owned(),
        Component::Qemu => format!("--with-system-qemu={private}/bin/qemu-system-i386"),
    }
}
