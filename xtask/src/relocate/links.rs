//! Arithmetic on the names of a tree: where a symbolic link leads, and how to write a link from one place to another.
//!
//! Names are relative to the tree's root, `/`-separated, and the root is the empty name. An absolute target starts at the
//! tree's root, as it will once the tree is installed. Nothing here looks at a file.

/// The folder of a name; the root's own is the root.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last component.
pub fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// A name below a folder, which may be the root.
pub fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// True for the folder itself and all below it.
pub fn within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// The name that `target` means for a link in `folder`; `None` when it climbs out of the root.
pub fn lead(folder: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = match target.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => folder.split('/').filter(|part| !part.is_empty()).collect(),
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The relative target that leads from a link in `folder` to `path`.
pub fn relative(folder: &str, path: &str) -> String {
    let from: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let to: Vec<&str> = path.split('/').collect();
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut parts = vec![".."; from.len() - shared];
    parts.extend(&to[shared..]);
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_where_the_loader_would_go() {
        for (folder, target, expected) in [
            ("usr/lib", "libx.so.1", Some("usr/lib/libx.so.1")),
            ("usr/bin", "../lib/xen-common/bin/dispatch", Some("usr/lib/xen-common/bin/dispatch")),
            ("usr/bin", "/etc/xen/./x", Some("etc/xen/x")),
            ("", "boot/xen.gz", Some("boot/xen.gz")),
            ("usr", "../../etc/passwd", None),
        ] {
            assert_eq!(lead(folder, target).as_deref(), expected, "{folder} {target}");
        }
    }

    #[test]
    fn a_relative_link_leads_back_to_its_path() {
        for (folder, path, expected) in [
            (
                "usr/lib/xen-4.17/lib",
                "usr/lib/x86_64-linux-gnu/libxencall.so.1",
                "../../x86_64-linux-gnu/libxencall.so.1",
            ),
            ("usr/lib", "usr/lib/libx.so.1", "libx.so.1"),
            ("", "etc/xen", "etc/xen"),
        ] {
            let target = relative(folder, path);
            assert_eq!(target, expected);
            assert_eq!(lead(folder, &target).as_deref(), Some(path));
        }
    }

    #[test]
    fn a_folder_does_not_hold_its_namesakes() {
        assert!(within("usr/lib/xen-4.17/bin/xl", "usr/lib/xen-4.17"));
        assert!(!within("usr/lib/xen-4.170/bin/xl", "usr/lib/xen-4.17"));
        assert!(within("boot", ""));
    }
}
