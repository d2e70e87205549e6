//! Configure flags for the firmware and device models that a recipe takes from a step, from the distribution, or not at all.
//!
//! The flags are those of `tools/configure.ac` in Xen 4.17 and 4.20. Pure.

use crate::recipe::{Component, Provide};
use std::collections::BTreeMap;

/// One flag or two for each component that the recipe says something about, in the order of the components.
pub fn flags(provide: &BTreeMap<Component, Provide>) -> Vec<String> {
    provide.iter().flat_map(|(component, provide)| component_flags(*component, provide)).collect()
}

fn component_flags(component: Component, provide: &Provide) -> Vec<String> {
    let path = match provide {
        Provide::Pinned { path, .. } | Provide::System { path } => path,
        Provide::Off => return off(component),
    };
    match component {
        Component::Seabios => vec![format!("--with-system-seabios={path}")],
        Component::Ovmf => vec!["--enable-ovmf".to_owned(), format!("--with-system-ovmf={path}")],
        Component::Ipxe => vec!["--enable-ipxe".to_owned(), format!("--with-system-ipxe={path}")],
        Component::Qemu => vec![format!("--with-system-qemu={path}")],
    }
}

fn off(component: Component) -> Vec<String> {
    let flag = match component {
        Component::Seabios => "--disable-seabios",
        Component::Ovmf => "--disable-ovmf",
        Component::Ipxe => "--disable-ipxe",
        Component::Qemu => "--disable-qemu-xen",
    };
    vec![flag.to_owned()]
}
