//! A cross toolchain on the host: a folder of wrappers that run its tools in the locked root, and the variables that tell build systems
//! of them. Works on a machine with any C library, or without a compiler.
//!
//! The folder is the sysroot itself, at one path on the host and in the sandbox: what a compiler says of headers is true on both sides. On the
//! host `bin` has the wrappers; in the sandbox the tools lie over them, so that a build system that runs inside finds the same names.

use crate::builder::Tools;
use crate::context::Context;
use crate::digest::KeyBuilder;
use crate::fault::Fault;
use crate::sandbox;
use crate::tree;
use anyhow::{Result, bail};
use fs_err as fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The ends of the tools' names, and the variables that makefiles and configure scripts ask for them.
const TOOLS: [(&str, &str); 12] = [
    ("ar", "AR"),
    ("as", "AS"),
    ("gcc", "CC"),
    ("g++", "CXX"),
    ("ld", "LD"),
    ("nm", "NM"),
    ("objcopy", "OBJCOPY"),
    ("objdump", "OBJDUMP"),
    ("pkg-config", "PKG_CONFIG"),
    ("ranlib", "RANLIB"),
    ("readelf", "READELF"),
    ("strip", "STRIP"),
];

/// What a sysroot says to build systems, and the variables for it. Meson has none of its own: its user writes `--cross-file`.
const FILES: [(&str, &str); 3] = [
    ("share/toolchain.cmake", "CMAKE_TOOLCHAIN_FILE"),
    ("share/config.site", "CONFIG_SITE"),
    ("share/meson.cross", "MESON_CROSS_FILE"),
];

/// What would lead the tools to the machine's own headers, libraries and modules.
const MISLEADING: [&str; 10] = [
    "CPATH",
    "C_INCLUDE_PATH",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LIBRARY_PATH",
    "PERL5LIB",
    "PYTHONHOME",
    "PYTHONPATH",
];

/// The folders of the host that the toolchain's lie over.
const COVERED: [&str; 7] = ["/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr"];

/// A cross toolchain that can be used on the host.
#[derive(Clone, Debug)]
pub struct Toolkit {
    /// To be put first in PATH.
    pub bin: PathBuf,
    /// What its programs are for: `x86_64-stubdom-linux-musl`.
    pub triplet: String,
    pub variables: Vec<(String, String)>,
}

/// The triplet of a sysroot's tools: what stands before `-gcc`.
fn triplet(sysroot: &Path) -> Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(sysroot.join("bin"))? {
        let name = entry?.file_name();
        names.extend(name.to_str().and_then(|name| name.strip_suffix("-gcc")).map(str::to_owned));
    }
    match &names[..] {
        [triplet] => Ok(triplet.clone()),
        names => bail!("expected one compiler in the sysroot's bin, <triplet>-gcc, found {}", names.len()),
    }
}

/// The variables that name the tools and files of `sysroot` to build systems, which see it at `seen`. Those are named that are there.
pub fn variables(sysroot: &Path, seen: &str) -> Result<Vec<(String, String)>> {
    let triplet = triplet(sysroot)?;
    let mut all = vec![("CHOST".to_owned(), triplet.clone())];
    for (end, variable) in TOOLS {
        let name = format!("{triplet}-{end}");
        if sysroot.join("bin").join(&name).is_file() {
            all.push((variable.to_owned(), name));
        }
    }
    for (file, variable) in FILES {
        if sysroot.join(file).exists() {
            all.push((variable.to_owned(), format!("{seen}/{file}")));
        }
    }
    Ok(all)
}

/// Makes `folder` the toolchain `name` for the host, unless it is that already. `again` is the command that makes it again.
pub fn install(ctx: &Context, name: &str, tools: &Tools, folder: &Path, again: &str) -> Result<Toolkit> {
    let covered = |path: &Path| COVERED.iter().any(|covered| path.starts_with(covered));
    if let Some(path) = [folder, ctx.store.root()].into_iter().find(|path| covered(path)) {
        let what = format!("{} is where the toolchain puts its own /usr: its tools would not see it", path.display());
        return Err(Fault::usage(what).cure("have the checkout and the store (--store DIR) in another place").into());
    }
    let bubblewrap = sandbox::bubblewrap(ctx)?;
    let words: Vec<String> = bubblewrap.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let made_from = tools
        .parts
        .iter()
        .fold(KeyBuilder::new("toolkit/1"), |key, (step, stored)| key.field(step, stored.key.as_str()));
    let made_from = made_from
        .field("base", tools.base.key.as_str())
        .field("root", tools.base.path.as_os_str().as_encoded_bytes())
        .field("folder", folder.as_os_str().as_encoded_bytes())
        .field("bubblewrap", words.join("\n"))
        .field("again", again)
        .finish();
    // Only one at a time makes it.
    let _lock = ctx
        .store
        .hold(&KeyBuilder::new("toolkit-folder/1").field("folder", folder.as_os_str().as_encoded_bytes()).finish())?;
    let stamp = folder.join(".made-from");
    if fs::read_to_string(&stamp).ok().as_deref() != Some(made_from.as_str()) {
        let work = ctx.store.work("toolkit")?;
        let merged = work.path().join("sysroot");
        tools.sysroot(&merged)?;
        let run = Run { ctx, name, root: &tools.base.path, folder, bubblewrap: &words, again };
        make(&run, &merged)?;
        fs::write(&stamp, made_from.as_str())?;
    }
    let variables = variables(folder, &folder.to_string_lossy())?;
    Ok(Toolkit { bin: folder.join("bin"), triplet: triplet(folder)?, variables })
}

/// What a wrapper is made of.
struct Run<'a> {
    ctx: &'a Context,
    name: &'a str,
    /// The toolchain's.
    root: &'a Path,
    folder: &'a Path,
    bubblewrap: &'a [String],
    again: &'a str,
}

/// Makes the folder from a sysroot.
fn make(run: &Run, sysroot: &Path) -> Result<()> {
    let folder = run.folder;
    let triplet = triplet(sysroot)?;
    let fresh = folder.with_extension("new");
    for old in [folder, &fresh] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    // A copy: its owner may write to it, and to the store's own files nobody may.
    tree::copy(sysroot, &fresh)?;
    fs::rename(fresh.join("bin"), fresh.join("tools"))?;
    let bin = fresh.join("bin");
    fs::create_dir(&bin)?;
    let runner = format!("{triplet}-run");
    executable(&bin.join(&runner), &run.script())?;
    for tool in fs::read_dir(fresh.join("tools"))? {
        let tool = tool?.file_name();
        let place = folder.join("bin");
        let script = format!("#!/bin/sh\nexec {} {} \"$@\"\n", quoted(place.join(&runner)), quoted(place.join(&tool)));
        executable(&bin.join(&tool), &script)?;
    }
    Ok(fs::rename(&fresh, folder)?)
}

impl Run<'_> {
    /// The script that runs a command inside. Shell, since it has to run on any machine, and only decides what is mounted.
    fn script(&self) -> String {
        let Run { ctx, name, root, folder, again, .. } = self;
        let words = self.bubblewrap.iter().map(quoted);
        // What was used is not taken away as unused.
        let used = std::iter::once(*root).chain(self.bubblewrap.iter().map(Path::new));
        let records = used.filter_map(|path| record(ctx.store.root(), path)).map(quoted);
        let covered = COVERED.join(" | ");
        let places: Vec<String> = COVERED.iter().map(|place| format!("{place}/*")).collect();
        let links = COVERED.iter().filter(|place| **place != "/usr" && root.join(&place[1..]).is_symlink());
        let links: Vec<String> = links.map(|place| format!("--symlink usr{place} {place}")).collect();
        format!(
            r#"#!/bin/sh
# Runs a command with the toolchain of {name} as /usr and the machine's other folders where they are. Here the tools of this
# folder are the real ones. Made by `{again}`.
root={root}
here={folder}
if [ ! -d "$root/usr" ] || [ ! -e {program} ]; then
  echo "${{0##*/}}: the toolchain is not in the store any more: make it again with \`{again}\`" >&2
  exit 127
fi
case $PWD/ in
  {places})
    echo "${{0##*/}}: the tools have a /usr of their own and do not see $PWD: work in another folder" >&2
    exit 126 ;;
esac
touch -c {records} 2>/dev/null

# The later of two mounts counts, and this list grows at its front.
set -- --ro-bind "$here/tools" "$here/bin" --chdir "$PWD" -- "$@"
# What the machine's loader should find is none of the toolchain's business.
for file in /etc/ld.so.cache /etc/ld.so.preload; do
  if [ -e "$file" ]; then set -- --ro-bind /dev/null "$file" "$@"; fi
done
for folder in /* /.[!.]*; do
  case $folder in
    /dev | {covered}) ;;
    *) if [ -d "$folder" ]; then set -- --bind "$folder" "$folder" "$@"; fi ;;
  esac
done
set -- --ro-bind "$root/usr" /usr {links} --dev-bind /dev /dev "$@"
for variable in {misleading}; do
  unset "$variable"
done
# By its own path the compiler tells headers of its own where the host has them too.
PATH=$here/bin:$root/usr/bin:$root/usr/sbin:$PATH LC_ALL=C.UTF-8
export PATH LC_ALL
exec {words} --unshare-user --die-with-parent "$@"
"#,
            root = quoted(root),
            folder = quoted(folder),
            program = quoted(&self.bubblewrap[0]),
            places = places.join(" | "),
            records = records.collect::<Vec<_>>().join(" "),
            links = links.join(" "),
            misleading = MISLEADING.join(" "),
            words = words.collect::<Vec<_>>().join(" "),
        )
    }
}

/// The record of the store's tree that a path is in: its time says when the tree was used last.
fn record(store: &Path, path: &Path) -> Option<PathBuf> {
    let mut parts = path.strip_prefix(store).ok()?.components();
    let (tree, key) = (parts.next()?, parts.next()?);
    Some(store.join(tree).join(key).join("record.json"))
}

fn executable(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}

/// A word of a shell's command line.
pub fn quoted(word: impl AsRef<std::ffi::OsStr>) -> String {
    format!("'{}'", word.as_ref().to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_name_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        fs::create_dir_all(at("bin")).unwrap();
        assert!(variables(folder.path(), "/s").unwrap_err().to_string().contains("found 0"));
        fs::create_dir_all(at("share")).unwrap();
        for file in ["bin/a-b-gcc", "bin/a-b-ar", "share/config.site"] {
            fs::write(at(file), "").unwrap();
        }
        let found = variables(folder.path(), "/s").unwrap();
        let found: Vec<String> = found.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found, ["CHOST=a-b", "AR=a-b-ar", "CC=a-b-gcc", "CONFIG_SITE=/s/share/config.site"]);
        fs::write(at("bin/c-gcc"), "").unwrap();
        assert!(variables(folder.path(), "/s").unwrap_err().to_string().contains("found 2"));
    }

    #[test]
    fn a_word_survives_the_shell() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
        let store = Path::new("/s");
        assert_eq!(record(store, Path::new("/s/tree/k/root/usr/bin/bwrap")), Some("/s/tree/k/record.json".into()));
        assert_eq!(record(store, Path::new("/usr/bin/bwrap")), None);
    }
}
