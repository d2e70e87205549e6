//! The files that this project itself adds to a tree, none of which belongs to a series: the dispatcher, and init scripts that
//! start a series' private ones through it. What a tree gets of them is for the overlay to say.

use crate::digest::Hash;

/// Where the dispatcher stands: below a folder that belongs to no series.
pub const DISPATCHER: &str = "usr/lib/xen-common/bin/dispatch";

/// The program behind every link in `/usr/bin` and `/usr/sbin`: it starts the tools of the Xen that runs.
pub const DISPATCHER_SCRIPT: &[u8] = include_bytes!("../../data/dispatch");

/// Scripts for `/etc/init.d` by the names of the private ones that they start, with the header of the Linux Standard Base 5.0,
/// Core, 22.7, and the actions of Debian Policy 9.3.2.
pub const INIT_SCRIPTS: [(&str, &[u8]); 4] = [
    ("xen-watchdog", include_bytes!("../../data/init.d/xen-watchdog")),
    ("xencommons", include_bytes!("../../data/init.d/xencommons")),
    ("xendomains", include_bytes!("../../data/init.d/xendomains")),
    ("xendriverdomain", include_bytes!("../../data/init.d/xendriverdomain")),
];

/// Changes with every byte of them.
pub fn digest() -> Hash {
    let mut all = DISPATCHER_SCRIPT.to_vec();
    for (name, script) in INIT_SCRIPTS {
        all.extend(name.as_bytes());
        all.extend(script);
    }
    Hash::of(&all)
}
