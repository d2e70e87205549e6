//! What a package runs when it comes and when it goes: its services are enabled as the machine's policy wants them, once.
//!
//! Nothing is ever stopped or started. An upgrade leaves xenstored alone, which cannot be started again under guests; and a removal
//! leaves running guests running, which stopping xendomains would shut down.

use crate::package::Placed;
use crate::recipe::Package;
use rpm::{Dependency, DependencyFlags, PackageBuilder};

/// Where systemd has the units of packages.
const UNITS: &str = "usr/lib/systemd/system/";

/// Adds the scripts. They get the number of packages of this name that there will be: 1 at the first installation, 0 at the last
/// removal (RPM Reference Manual, Scriptlets). Never do they fail: a machine without systemd, such as an image, goes without.
pub fn add(builder: &mut PackageBuilder, package: &Package, items: &[Placed]) {
    // A recipe may name an init script that has no unit.
    let units = |name: &&String| items.iter().any(|item| item.path.strip_prefix(UNITS) == Some(name));
    let services: Vec<&str> = package.services.iter().filter(units).map(String::as_str).collect();
    if services.is_empty() {
        return;
    }
    let services = services.join(" ");
    // What %systemd_post of systemd's macros does.
    builder.post_install_script(script(1, &format!("preset {services}")));
    // What %systemd_preun does, without its --now.
    builder.pre_uninstall_script(script(0, &format!("disable {services}")));
    // Like %systemd_ordering: where systemd comes in the same transaction, it comes first and goes last.
    for phase in [DependencyFlags::SCRIPT_POST, DependencyFlags::SCRIPT_PREUN] {
        builder.order_with_requires(Dependency { name: "systemd".to_owned(), flags: phase, version: String::new() });
    }
}

fn script(count: u32, what: &str) -> String {
    format!("if [ \"$1\" -eq {count} ]; then\n    systemctl --no-reload {what} >/dev/null 2>&1 || :\nfi\n")
}
