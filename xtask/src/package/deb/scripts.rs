//! Maintainer scripts (Debian Policy 6), made only where a package has something that a script must do. POSIX shell, each one whole
//! and readable; what debhelper's snippets do for services, init scripts and Python modules is done here in the same order.
//!
//! Services are started when they are first installed and never restarted: xenstored cannot be, and with another of its kind in
//! its place every guest loses what it was told.

use crate::package::Parcel;
use crate::recipe::Package;
use crate::relocate::{Relocated, links};
use crate::tree::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What scripts look after.
#[derive(Debug, Default)]
struct Duties<'a> {
    package: &'a str,
    /// Units that are enabled, as the recipe orders them.
    enabled: Vec<&'a str>,
    /// Units that somebody may enable, and that are left to them.
    others: Vec<&'a str>,
    /// Init scripts, and whether they start by themselves.
    inits: BTreeMap<&'a str, bool>,
    /// Folders of Python modules that are compiled where they are installed.
    python: BTreeSet<&'a str>,
    /// Whether the boot loader's menu has to be made anew.
    hypervisor: bool,
    /// Folders whose content is logs (Policy 10.8).
    logs: Vec<&'a str>,
}

/// The scripts of a package by name.
pub fn scripts(parcel: &Parcel, tree: &Relocated) -> BTreeMap<&'static str, String> {
    let duties = Duties::of(parcel, tree);
    let scripts = [("postinst", duties.postinst()), ("prerm", duties.prerm()), ("postrm", duties.postrm())];
    let filled = scripts.into_iter().filter(|(_, body)| !body.is_empty());
    filled.map(|(name, body)| (name, format!("#!/bin/sh\nset -e\n{body}"))).collect()
}

/// True when scripts call what only a newer `init-system-helpers` has.
pub fn has_services(parcel: &Parcel) -> bool {
    parcel.entries.iter().any(|entry| unit(&entry.path).is_some() || init(&entry.path).is_some())
}

fn unit(path: &str) -> Option<&str> {
    path.strip_prefix("usr/lib/systemd/system/").filter(|name| !name.contains('/'))
}

fn init(path: &str) -> Option<&str> {
    path.strip_prefix("etc/init.d/").filter(|name| !name.contains('/'))
}

impl<'a> Duties<'a> {
    fn of(parcel: &'a Parcel, tree: &'a Relocated) -> Duties<'a> {
        let Package { name, services, .. } = parcel.package;
        let files = || parcel.own(tree).filter(|entry| matches!(entry.kind, Kind::File { .. }));
        let mut duties = Duties { package: name, ..Duties::default() };
        let units: Vec<&str> = files().filter_map(|entry| unit(&entry.path)).collect();
        duties.enabled = services.iter().map(String::as_str).filter(|name| units.contains(name)).collect();
        duties.others = units.iter().copied().filter(|name| !services.iter().any(|service| service == name)).collect();
        // A unit that is masked: others do the work of the script of its name, and are enabled as the recipe says.
        let masked = |service: &str| {
            let links = parcel.own(tree).filter(|entry| unit(&entry.path) == Some(service));
            links.into_iter().any(|entry| matches!(&entry.kind, Kind::Symlink { target } if target == "/dev/null"))
        };
        for script in files().filter_map(|entry| init(&entry.path)) {
            let service = format!("{script}.service");
            duties.inits.insert(script, services.contains(&service) || masked(&service));
        }
        for entry in files().filter(|entry| entry.path.ends_with(".py")) {
            // The package's outermost folder, so that none is named twice.
            let folder = links::parent(&entry.path);
            let top = entry.path.find("/python/").map_or(folder, |at| &entry.path[..at + "/python".len()]);
            duties.python.insert(top);
        }
        duties.hypervisor = files().any(|entry| entry.path.starts_with("boot/"));
        let folder = |entry: &&crate::tree::Entry| matches!(entry.kind, Kind::Directory { .. });
        let own = parcel.own(tree).filter(folder).map(|entry| entry.path.as_str());
        duties.logs = own.filter(|path| path.starts_with("var/log/")).collect();
        duties
    }

    fn postinst(&self) -> String {
        let mut text = String::new();
        if !self.enabled.is_empty() {
            // Enabled once; who disables a unit later finds it disabled after the next upgrade too.
            let _ = write!(
                text,
                "    for unit in {}; do
        deb-systemd-helper unmask \"$unit\" >/dev/null || true
        if deb-systemd-helper --quiet was-enabled \"$unit\"; then
            deb-systemd-helper enable \"$unit\" >/dev/null || true
        else
            deb-systemd-helper update-state \"$unit\" >/dev/null || true
        fi
    done
",
                all(&self.enabled)
            );
        }
        if !self.others.is_empty() {
            let _ = write!(
                text,
                "    for unit in {}; do
        deb-systemd-helper update-state \"$unit\" >/dev/null || true
    done
",
                all(&self.others)
            );
        }
        for (script, wanted) in &self.inits {
            let (name, how) = (quoted(script), if *wanted { "defaults" } else { "defaults-disabled" });
            let _ = writeln!(text, "    update-rc.d {name} {how} >/dev/null");
        }
        text.push_str(&self.start());
        for folder in &self.python {
            let (package, folder) = (quoted(self.package), quoted(&format!("/{folder}")));
            let _ = write!(
                text,
                "    if command -v py3compile >/dev/null; then
        py3compile -p {package} {folder}
    fi
"
            );
        }
        if self.hypervisor {
            text.push_str(MENU);
        }
        if text.is_empty() {
            return text;
        }
        format!("\ncase \"$1\" in\nconfigure | abort-upgrade | abort-deconfigure | abort-remove)\n{text}    ;;\nesac\n")
    }

    /// Starts what is enabled, unless an older version of the package is running.
    fn start(&self) -> String {
        let mut inner = String::new();
        if !self.enabled.is_empty() {
            let _ = write!(
                inner,
                "        if [ -d /run/systemd/system ]; then
            systemctl --system daemon-reload >/dev/null || true
            deb-systemd-invoke start {} >/dev/null || true
        fi
",
                all(&self.enabled)
            );
        }
        for script in self.inits.iter().filter(|(_, wanted)| **wanted).map(|(script, _)| quoted(script)) {
            let _ = writeln!(inner, "        invoke-rc.d --skip-systemd-native {script} start || true");
        }
        if inner.is_empty() {
            return inner;
        }
        format!("    if [ -z \"$2\" ]; then\n{inner}    fi\n")
    }

    fn prerm(&self) -> String {
        let mut text = String::new();
        if !self.enabled.is_empty() {
            let _ = write!(
                text,
                "\nif [ \"$1\" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop {} >/dev/null || true
fi
",
                all(&self.enabled)
            );
        }
        if !self.inits.is_empty() {
            text.push_str("\nif [ \"$1\" = remove ]; then\n");
            for script in self.inits.keys().map(|script| quoted(script)) {
                let _ = writeln!(text, "    invoke-rc.d --skip-systemd-native {script} stop || true");
            }
            text.push_str("fi\n");
        }
        if !self.python.is_empty() {
            let folders: Vec<String> = self.python.iter().map(|folder| quoted(&format!("/{folder}"))).collect();
            let _ = write!(
                text,
                "\nif command -v py3clean >/dev/null; then
    py3clean -p {}
else
    find {} -type d -name __pycache__ -exec rm -rf {{}} +
fi
",
                quoted(self.package),
                folders.join(" ")
            );
        }
        text
    }

    fn postrm(&self) -> String {
        let mut text = String::new();
        if !self.enabled.is_empty() || !self.others.is_empty() {
            text.push_str(
                "\nif [ \"$1\" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
",
            );
        }
        // The init script stays until the package is purged, and systemd would start it in place of the unit that has gone.
        let covered = |unit: &&&str| unit.strip_suffix(".service").is_some_and(|stem| self.inits.contains_key(stem));
        let units: Vec<&str> = self.enabled.iter().chain(&self.others).copied().collect();
        let masked: Vec<&str> = units.iter().filter(covered).copied().collect();
        if !masked.is_empty() {
            let _ = write!(
                text,
                "\nif [ \"$1\" = remove ] && command -v deb-systemd-helper >/dev/null; then
    deb-systemd-helper mask {} >/dev/null || true
fi
",
                all(&masked)
            );
        }
        if self.hypervisor {
            let _ = write!(text, "\nif [ \"$1\" = remove ]; then\n{MENU}fi\n");
        }
        let mut purge = String::new();
        if !units.is_empty() {
            let _ = write!(
                purge,
                "    if command -v deb-systemd-helper >/dev/null; then
        deb-systemd-helper purge {units} >/dev/null || true
        deb-systemd-helper unmask {units} >/dev/null || true
    fi
",
                units = all(&units)
            );
        }
        for script in self.inits.keys().map(|script| quoted(script)) {
            let _ = writeln!(purge, "    update-rc.d {script} remove >/dev/null");
        }
        for folder in &self.logs {
            let _ = writeln!(purge, "    rm -rf {}", quoted(&format!("/{folder}")));
        }
        if !purge.is_empty() {
            let _ = write!(text, "\nif [ \"$1\" = purge ]; then\n{purge}fi\n");
        }
        text
    }
}

/// The boot loader's menu is made anew where there is one; a machine that boots another way has to be told by its owner.
const MENU: &str = "    if [ -e /boot/grub/grub.cfg ] && command -v update-grub >/dev/null; then
        update-grub || true
    fi
";

fn all(names: &[&str]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(" ")
}

/// A word that the shell reads as it stands.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+,-./:@_%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_name_stays_one_word() {
        for (name, word) in
            [("xen@1.service", "xen@1.service"), ("a b", "'a b'"), ("$(x)'y", "'$(x)'\\''y'"), ("", "''")]
        {
            assert_eq!(quoted(name), word);
        }
    }
}
