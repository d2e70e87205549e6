//! Where the packages of a format have what the tree has where Debian wants it. Pure: names in, names out.
//!
//! A tree has the public libraries in Debian's folder for one architecture (`usr/lib/x86_64-linux-gnu`), which no other
//! distribution's loader searches. Files keep their bytes: whatever names a path that moves has to be a link, and links follow.

use super::Parcel;
use crate::fault::Fault;
use crate::recipe::{Format, Recipe};
use crate::relocate::{Relocated, links};
use crate::tree::{Entry, Kind};
use anyhow::Result;
use std::collections::BTreeMap;

/// What a format's packages do with the folders of the tree.
#[derive(Clone, Debug)]
pub struct Layout {
    /// A folder of the tree and the folder of the packages that has its content.
    moves: Vec<(String, &'static str)>,
    /// Folders that the packages do without.
    without: &'static [&'static str],
}

/// One path of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<'a> {
    /// Where it is installed, without a leading slash.
    pub path: String,
    /// As it is installed: a link leads to where its target is installed.
    pub kind: Kind,
    /// Where it is in the tree: the bytes of a file, and what [`crate::audit::Facts`] say of it.
    pub from: &'a str,
    /// False for a folder above, which other packages have too.
    pub own: bool,
}

impl Layout {
    pub fn of(format: Format, recipe: &Recipe) -> Layout {
        Layout::with(format, recipe.relocate.public_libdir.trim_start_matches('/'))
    }

    /// The same from the public libraries' folder in the tree, without a leading slash.
    pub fn with(format: Format, public: &str) -> Layout {
        let public = public.to_owned();
        match format {
            Format::Deb | Format::Tar => Layout { moves: Vec::new(), without: &[] },
            // What the loader of a 64-bit system searches unasked (glibc, sysdeps/unix/sysv/linux/x86_64/64/configure). Init
            // scripts are Debian's.
            Format::Rpm => Layout { moves: vec![(public, "usr/lib64")], without: &["etc/init.d"] },
            // Arch's filesystem package makes /usr/lib64 and /usr/sbin links, which no package may have as folders.
            Format::Arch => Layout {
                moves: vec![(public, "usr/lib"), ("usr/sbin".to_owned(), "usr/bin")],
                without: &["etc/init.d"],
            },
        }
    }

    /// Where a path of the tree is installed; nothing for one that is left out.
    pub fn place(&self, path: &str) -> Option<String> {
        if self.without.iter().any(|folder| links::within(path, folder)) {
            return None;
        }
        let moved = self.moves.iter().find(|(folder, _)| links::within(path, folder));
        Some(moved.map_or(path.to_owned(), |(folder, to)| format!("{to}{}", &path[folder.len()..])))
    }

    /// Where a link of the tree leads in the packages.
    pub fn target(&self, link: &str, target: &str) -> String {
        let follow = || {
            let led = links::lead(links::parent(link), target)?;
            let (new_link, new_led) = (self.place(link)?, self.place(&led)?);
            ((&new_link, &new_led) != (&link.to_owned(), &led))
                .then(|| links::relative(links::parent(&new_link), &new_led))
        };
        follow().unwrap_or_else(|| target.to_owned())
    }

    /// What a package holds, in byte order of the paths, folders before what is in them.
    pub fn items<'a>(&self, parcel: &Parcel<'a>, tree: &'a Relocated) -> Result<Vec<Placed<'a>>> {
        let mut items: BTreeMap<String, Placed> = BTreeMap::new();
        for entry in parcel.entries.iter().filter(|entry| tree.owners().contains_key(&entry.path)) {
            let Some(item) = self.item(entry) else { continue };
            if let Some(other) = items.insert(item.path.clone(), item.clone()) {
                let what = format!("{} and {} would both be {}", other.from, item.from, item.path);
                return Err(Fault::failed(what).cure("rename one of them, or leave it out by `drop`").into());
            }
        }
        // Those above, with the modes that they have in the tree.
        let folders = parcel.entries.iter().filter(|entry| !tree.owners().contains_key(&entry.path));
        let folders: Vec<Placed> = folders.filter_map(|entry| self.item(entry)).collect();
        for folder in folders {
            let beneath = items.range(format!("{}/", folder.path)..).next();
            if beneath.is_some_and(|(path, _)| links::within(path, &folder.path)) {
                items.entry(folder.path.clone()).or_insert(Placed { own: false, ..folder });
            }
        }
        Ok(items.into_values().collect())
    }

    fn item<'a>(&self, entry: &'a Entry) -> Option<Placed<'a>> {
        let path = self.place(&entry.path)?;
        let kind = match &entry.kind {
            Kind::Symlink { target } => Kind::Symlink { target: self.target(&entry.path, target) },
            other => other.clone(),
        };
        Some(Placed { path, kind, from: &entry.path, own: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_go_where_the_loader_looks_and_links_follow() {
        let libraries = "usr/lib/x86_64-linux-gnu".to_owned();
        let rpm = Layout { moves: vec![(libraries.clone(), "usr/lib64")], without: &["etc/init.d"] };
        let arch = Layout { moves: vec![(libraries, "usr/lib"), ("usr/sbin".to_owned(), "usr/bin")], without: &[] };
        for (layout, path, expected) in [
            (&rpm, "usr/lib/x86_64-linux-gnu/libxencall.so.1", Some("usr/lib64/libxencall.so.1")),
            (&rpm, "usr/lib/x86_64-linux-gnu", Some("usr/lib64")),
            (&rpm, "usr/lib/x86_64-linux-gnux/a", Some("usr/lib/x86_64-linux-gnux/a")),
            (&rpm, "usr/sbin/xl", Some("usr/sbin/xl")),
            (&rpm, "etc/init.d/xencommons", None),
            (&arch, "usr/sbin/xl", Some("usr/bin/xl")),
            (&arch, "usr/lib/x86_64-linux-gnu/libxencall.so.1", Some("usr/lib/libxencall.so.1")),
        ] {
            assert_eq!(layout.place(path).as_deref(), expected, "{path}");
        }
        for (layout, link, target, expected) in [
            (&rpm, "usr/lib/x86_64-linux-gnu/libxencall.so.1", "libxencall.so.1.3", "libxencall.so.1.3"),
            (
                &rpm,
                "usr/lib/xen-4.17/lib/libxencall.so",
                "../../x86_64-linux-gnu/libxencall.so.1",
                "../../../lib64/libxencall.so.1",
            ),
            (&rpm, "usr/lib/xen-4.17/lib/libxenctrl.so", "./libxenctrl.so.4.17", "./libxenctrl.so.4.17"),
            (&arch, "usr/sbin/xl", "../lib/xen-common/bin/dispatch", "../lib/xen-common/bin/dispatch"),
            (&arch, "usr/sbin/xl", "../../outside", "../../outside"),
            (&rpm, "usr/sbin/xl", "../../../beyond", "../../../beyond"),
        ] {
            assert_eq!(layout.target(link, target), expected, "{link} -> {target}");
        }
    }
}
