//! One package beside the manifest: every path with its kind, mode, content, owner and time. Bytes in, findings out.

use super::{Finding, Look, NONE};
use crate::archive;
use crate::digest::Hash;
use crate::package::{Document, Item, Layout, Mode, What};
use crate::papers;
use crate::recipe::Format;
use crate::repro::members::{self, Form, Id, Listing, Member};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

/// The form of an artifact that carries a package or the whole tree, by the end of its name.
pub fn format(name: &str) -> Option<Format> {
    let ends =
        [(".pkg.tar.zst", Format::Arch), (".deb", Format::Deb), (".rpm", Format::Rpm), (".tar.zst", Format::Tar)];
    ends.into_iter().find(|(end, _)| name.ends_with(end)).map(|(_, format)| format)
}

/// The package that an artifact carries; nothing for the whole tree.
pub fn carried<'d>(document: &'d Document, name: &str) -> Option<&'d str> {
    papers::carried(document.entries.iter().filter_map(|item| item.package.as_deref()), name)
}

/// How many paths were compared, and what is wrong with them; nothing for what is no package.
pub fn check(name: &str, bytes: &[u8], document: &Document) -> Option<(usize, Vec<Finding>)> {
    let format = format(name)?;
    let listing = listing(format, bytes);
    let mut look = Look::at(name);
    if let Some(broken) = &listing.broken {
        look.wrong(None, "content", "a whole archive", broken);
    }
    let package = carried(document, name);
    if package.is_none() && format != Format::Tar {
        look.wrong(None, "package", "one that the manifest names", NONE);
        return Some((0, look.findings));
    }
    let expected = Expected::new(document, format, name, package, &listing);
    let found = members(&mut look, &listing, &expected.prefix);
    for (path, member) in &found {
        expected.compare(&mut look, path, member, document.epoch, &found);
    }
    for (path, item) in &expected.items {
        if !found.contains_key(path) {
            look.wrong(Some(path), "path", kind(&item.what), NONE);
        }
    }
    Some((found.len(), look.findings))
}

fn listing(format: Format, bytes: &[u8]) -> Listing {
    match format {
        Format::Tar => members::list(bytes, Form::Tar),
        Format::Arch => plain(members::list(bytes, Form::Tar), bytes, Form::Tar),
        Format::Deb => within(bytes, Form::Ar, "data.tar", Form::Tar),
        Format::Rpm => within(bytes, Form::Rpm, "payload", Form::Cpio),
    }
}

/// The members of the archive that a package has its files in.
fn within(bytes: &[u8], form: Form, begins: &str, inner: Form) -> Listing {
    let outer = members::list(bytes, form);
    let id = outer.order.iter().find(|(name, _)| name.starts_with(begins));
    let content = id.and_then(|id| members::contents(bytes, form, &BTreeSet::from([id.clone()])).ok());
    match content.and_then(|mut content| content.pop_first()) {
        Some((_, content)) => {
            let listing = plain(members::list(&content, inner), &content, inner);
            Listing { broken: listing.broken.or(outer.broken), ..listing }
        }
        None => Listing { broken: Some(format!("no {begins}")), ..Listing::default() },
    }
}

/// Distributions want manual pages compressed (Debian Policy 12.1): as if they were not, by their names, their content and the
/// links between them.
fn plain(listing: Listing, bytes: &[u8], form: Form) -> Listing {
    let is_page = |id: &Id| id.0.trim_start_matches("./").starts_with("usr/share/man/") && id.0.ends_with(".gz");
    let wanted: BTreeSet<Id> = listing.members.keys().filter(|id| is_page(id)).cloned().collect();
    let Ok(contents) = members::contents(bytes, form, &wanted) else { return listing };
    let page = |(id, mut member): (Id, Member)| {
        let Some(content) = contents.get(&id) else { return (id, member) };
        let mut text = Vec::new();
        let read = archive::decompress(content.as_slice()).and_then(|mut stream| Ok(stream.read_to_end(&mut text)?));
        if member.kind == "file" && read.is_ok() {
            (member.sha256, member.size) = (Hash::of(&text), text.len() as u64);
        }
        if let Some(link) = member.link.strip_suffix(".gz") {
            member.link = link.to_owned();
        }
        ((id.0.trim_end_matches(".gz").to_owned(), id.1), member)
    };
    Listing { members: listing.members.into_iter().map(page).collect(), ..listing }
}

/// What there is by path, relative to the root that it will be installed in. A path that is there twice is one too many: the last
/// wins when it is unpacked, the first when it is looked at.
fn members<'m>(look: &mut Look, listing: &'m Listing, prefix: &str) -> BTreeMap<String, &'m Member> {
    let mut found = BTreeMap::new();
    for (id, member) in &listing.members {
        let path = id.0.trim_start_matches("./").trim_end_matches('/');
        let path = match path.strip_prefix(prefix) {
            Some(path) => path.to_owned(),
            // Beside the tree, where the bundle has its installer.
            None if prefix.starts_with(&format!("{path}/")) => continue,
            None => format!("{}{path}", if prefix.is_empty() { "" } else { "../" }),
        };
        if path.is_empty() || path == "." {
            continue;
        }
        if found.insert(path.clone(), member).is_some() {
            look.wrong(Some(&path), "path", "once", "twice");
        }
    }
    found
}

/// What a package has to hold, and what it may hold beside that.
struct Expected<'d> {
    /// What stands before every path of the tree.
    prefix: String,
    /// By the path where it is installed.
    items: BTreeMap<String, Item>,
    /// Folders of the tree: they may be in a package whether it has something in them or not.
    folders: BTreeMap<String, Mode>,
    package: Option<&'d str>,
    format: Format,
}

impl<'d> Expected<'d> {
    fn new(
        document: &Document,
        format: Format,
        name: &str,
        package: Option<&'d str>,
        listing: &Listing,
    ) -> Expected<'d> {
        let layout = Layout::with(format, &format!("usr/lib/{}-linux-gnu", document.architecture));
        let mut expected =
            Expected { prefix: String::new(), items: BTreeMap::new(), folders: BTreeMap::new(), package, format };
        // The bundle has the tree in a folder, beside its installer.
        let folder = format!("{}/tree/", name.trim_end_matches(".tar.zst"));
        if format == Format::Tar && listing.order.iter().any(|(path, _)| path.starts_with(&folder)) {
            expected.prefix = folder;
        }
        for item in &document.entries {
            // Debian compiles Python's modules on the machine where they are installed.
            if format == Format::Deb && item.path.contains("/__pycache__/") {
                continue;
            }
            let Some(path) = layout.place(&item.path) else { continue };
            let what = match &item.what {
                What::Symlink { target } => What::Symlink { target: layout.target(&item.path, target) },
                other => other.clone(),
            };
            if let What::Directory { mode } = what {
                expected.folders.insert(path.clone(), mode);
            }
            if package.is_none() || item.package.as_deref() == package {
                expected.items.insert(path, Item { what, ..item.clone() });
            }
        }
        expected
    }

    /// What the writers add to the tree: documentation that a distribution asks of every package, and what describes a package.
    fn may(&self, path: &str) -> bool {
        let Some(package) = self.package else {
            let name = path.strip_prefix("../").and_then(|path| path.split_once('/')).map(|(_, name)| name);
            return matches!(name, Some("README" | "contents" | "install" | "uninstall"));
        };
        let below =
            |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match self.format {
            Format::Arch => {
                [".BUILDINFO", ".INSTALL", ".MTREE", ".PKGINFO"].contains(&path)
                    || below(&format!("usr/share/licenses/{package}"))
            }
            _ => {
                below(&format!("usr/share/doc/{package}"))
                    || below(&format!("usr/share/lintian/overrides/{package}"))
                    || below(&format!("usr/share/licenses/{package}"))
            }
        }
    }

    fn compare(&self, look: &mut Look, path: &str, member: &Member, epoch: u64, found: &BTreeMap<String, &Member>) {
        let number = |owner: &str| owner.split(' ').next().unwrap_or_default().to_owned();
        look.same(Some(path), "owner", "0:0", format!("{}:{}", number(&member.owner), number(&member.group)));
        look.same(Some(path), "time", epoch, member.mtime);
        let mode = |mode: Mode| String::from(mode);
        let is_folder = member.kind == "folder";
        match (self.items.get(path).map(|item| &item.what), self.folders.get(path)) {
            (Some(what), _) if kind(what) != member.kind => look.wrong(Some(path), "kind", kind(what), member.kind),
            (Some(What::File { mode: wanted, size, sha256 }), _) => {
                let found = Mode(member.mode & 0o7777);
                // In Debian a shared library is no program (Policy 10.2).
                let library =
                    self.format == Format::Deb && path.rsplit('/').next().is_some_and(|name| name.contains(".so"));
                if !library || found.0 != wanted.0 & !0o111 {
                    look.same(Some(path), "mode", mode(*wanted), mode(found));
                }
                look.same(Some(path), "size", size, member.size);
                look.same(Some(path), "sha256", sha256, &member.sha256);
            }
            // cpio has the target as the content.
            (Some(What::Symlink { target }), _) if member.link.is_empty() => {
                look.same(Some(path), "target", Hash::of(target.as_bytes()), &member.sha256);
            }
            (Some(What::Symlink { target }), _) => look.same(Some(path), "target", target, &member.link),
            (Some(What::Directory { mode: wanted }), _) => {
                look.same(Some(path), "mode", mode(*wanted), mode(Mode(member.mode & 0o7777)));
            }
            (None, Some(wanted)) if is_folder => {
                look.same(Some(path), "mode", mode(*wanted), mode(Mode(member.mode & 0o7777)))
            }
            (None, _) if self.may(path) => {}
            // A folder above what the writer added.
            (None, _)
                if is_folder && found.keys().any(|other| other.starts_with(&format!("{path}/")) && self.may(other)) => {
            }
            (None, _) => look.wrong(Some(path), "path", NONE, member.kind),
        }
    }
}

/// In the words of an archive's members.
fn kind(what: &What) -> &'static str {
    match what {
        What::Directory { .. } => "folder",
        What::File { .. } => "file",
        What::Symlink { .. } => "symbolic link",
    }
}
