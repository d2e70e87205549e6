//! What is linked or packed into a file, by the record that its step left of it: the linker's own map, or a list of files. From
//! `.linked/PATH`, which speaks of `PATH` in the same output, to the sources and packages whose code is in the file.
//!
//! An archive that the linker was given and took nothing from is not in it: a library that is built is not thereby contained. A file
//! without a record is one that its step copied, when a step that it needs made the same bytes; of any other it is for others to judge.
//! What only headers bring leaves no trace in a map.

use crate::builder::Staged;
use crate::context::Context;
use crate::digest::Hash;
use crate::fault::Fault;
use crate::job::Job;
use crate::relocate::LINKED;
use crate::toolchain::Deb;
use crate::tree::Kind;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};

/// One thing whose code is in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A source of the recipe.
    Source(String),
    /// A package of a toolchain: the toolchain's name and the package's.
    Package(String, String),
}

/// What one step made, and the records that it left.
#[derive(Clone, Debug, Default)]
struct Output {
    files: BTreeSet<String>,
    /// Digests of files that are not empty.
    digests: BTreeMap<String, Hash>,
    /// The first file of each digest.
    by_digest: BTreeMap<Hash, String>,
    /// By the file that they are about: paths as the step saw them.
    records: BTreeMap<String, BTreeSet<String>>,
}

/// The records of all steps.
#[derive(Clone, Debug, Default)]
pub struct Linked {
    outputs: BTreeMap<String, Output>,
}

impl Linked {
    /// Reads the records of a recipe's outputs. A record of a file that its step did not make is an error.
    pub fn read(ctx: &Context, staged: &Staged) -> Result<Linked> {
        let mut linked = Linked::default();
        for (step, stored) in staged.outputs() {
            let manifest = ctx.store.manifest(stored)?;
            let files = manifest.entries.iter().filter(|entry| !matches!(entry.kind, Kind::Directory { .. }));
            let mut texts = BTreeMap::new();
            let mut made = BTreeMap::new();
            for entry in files {
                let path = entry.path.as_str();
                match path.strip_prefix(LINKED).and_then(|rest| rest.strip_prefix('/')) {
                    Some(about) => {
                        // A map has the names of symbols, which are bytes to it.
                        let bytes = fs::read(stored.path.join(path))?;
                        let text = ctx.store.disguise().undo(&String::from_utf8_lossy(&bytes));
                        drop(texts.insert(about.to_owned(), text));
                    }
                    None => {
                        let digest = match &entry.kind {
                            Kind::File { sha256, size, .. } => (*size > 0).then(|| sha256.clone()),
                            _ => None,
                        };
                        made.insert(path.to_owned(), digest);
                    }
                }
            }
            linked.add(step, made, &texts)?;
        }
        Ok(linked)
    }

    /// Adds what a step made, with the digests of files that are not empty, and the texts of its records by the file that they are
    /// about.
    pub fn add(
        &mut self,
        step: &str,
        files: BTreeMap<String, Option<Hash>>,
        records: &BTreeMap<String, String>,
    ) -> Result<()> {
        let mut output = Output::default();
        for (path, digest) in files {
            if let Some(digest) = digest {
                output.by_digest.entry(digest.clone()).or_insert_with(|| path.clone());
                output.digests.insert(path.clone(), digest);
            }
            output.files.insert(path);
        }
        for (about, text) in records {
            let named = inputs(text);
            if !output.files.contains(about) || named.is_empty() {
                let why = if named.is_empty() { "names nothing" } else { "is about a file that the step did not make" };
                return Err(Fault::failed(format!("the record {LINKED}/{about} of step {step} {why}"))
                    .cure("correct the step: `.linked/PATH` is a map of ld, or a list of paths, for PATH in $OUT")
                    .into());
            }
            output.records.insert(about.clone(), named);
        }
        self.outputs.insert(step.to_owned(), output);
        Ok(())
    }

    /// All whose code is in a file of a step; nothing where the step left no record of it and did not copy it.
    pub fn parts(&self, job: &Job, step: &str, path: &str) -> Result<Option<BTreeSet<Part>>> {
        let Some(inputs) = self.outputs.get(step).and_then(|output| output.records.get(path)) else {
            let original = self.original(job, step, path);
            return original.map(|(other, path)| self.made(job, other, path)).transpose();
        };
        let mut parts = BTreeSet::new();
        for input in inputs {
            let found = self.input(job, step, input).with_context(|| {
                format!("reading what is in {path} of step {step} of {}, by its record", job.recipe.stem())
            })?;
            parts.extend(found);
        }
        Ok(Some(parts))
    }

    /// One path of a record, as the step saw it.
    fn input(&self, job: &Job, name: &str, input: &str) -> Result<BTreeSet<Part>> {
        let step = &job.recipe.step[name];
        let own = || Ok(BTreeSet::from([Part::Source(step.source.clone())]));
        let whole = normal(input);
        let (place, rest) = whole.split_once('/').unwrap_or((&whole, ""));
        match place {
            "build" | "out" => own(),
            "in" => {
                let (need, rest) = rest.split_once('/').unwrap_or((rest, ""));
                match step.needs.iter().any(|other| other == need) && self.has(need, rest) {
                    true => self.made(job, need, rest),
                    false => Err(unknown(&whole, "is no output of a step that it needs")),
                }
            }
            "sysroot" => match step.sysroot.iter().find(|part| self.has(part, rest)) {
                Some(part) => self.made(job, part, rest),
                None => Err(unknown(&whole, "is made by no step of its sysroot")),
            },
            _ => {
                let toolchain = job.recipe.toolchain_of(step);
                let deb = job.toolchains.get(toolchain).and_then(|known| package(&known.debs, &whole));
                let deb = deb.ok_or_else(|| unknown(&whole, "is of no package whose files are known"))?;
                Ok(BTreeSet::from([Part::Package(toolchain.to_owned(), deb.name.clone())]))
            }
        }
    }

    /// The step that made the same bytes, of those that a step is made from, and the file there.
    fn original<'a>(&'a self, job: &'a Job, step: &str, path: &str) -> Option<(&'a str, &'a str)> {
        let digest = self.outputs.get(step)?.digests.get(path)?;
        let mut inputs = job.recipe.step.get(step)?.inputs();
        inputs.find_map(|other| Some((other.as_str(), self.outputs.get(other)?.by_digest.get(digest)?.as_str())))
    }

    fn has(&self, step: &str, path: &str) -> bool {
        self.outputs.get(step).is_some_and(|output| output.files.contains(path))
    }

    /// A file that another step made: by that step's record, or else of its source.
    fn made(&self, job: &Job, step: &str, path: &str) -> Result<BTreeSet<Part>> {
        let recorded = self.parts(job, step, path)?;
        Ok(recorded.unwrap_or_else(|| BTreeSet::from([Part::Source(job.recipe.step[step].source.clone())])))
    }
}

fn unknown(path: &str, why: &str) -> anyhow::Error {
    Fault::failed(format!("/{path} {why}"))
        .cure("a record names what the step sees at /build, /in, /sysroot, or of the compiler's packages")
        .into()
}

/// The paths that a record names: each line of a list; what gave bytes to the output, of a map.
fn inputs(text: &str) -> BTreeSet<String> {
    let Some((_, map)) = text.split_once("\nLinker script and memory map\n") else {
        return text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    };
    map.lines().filter_map(contribution).map(str::to_owned).collect()
}

/// The file in a line of a map, ` .text  0x401000  0x26 libc.a(x.o)`, which ld breaks after a long name: an address, a size that is
/// not zero, a path. An archive stands for its member.
fn contribution(line: &str) -> Option<&str> {
    let rest = line.strip_prefix(' ')?.trim_start();
    let rest = match rest.starts_with("0x") {
        true => rest,
        false => rest.split_once(' ').filter(|(name, _)| *name != "*fill*")?.1.trim_start(),
    };
    let (address, rest) = rest.split_once(' ')?;
    let (size, path) = rest.trim_start().split_once(' ')?;
    let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    number(address)?;
    if number(size)? == 0 || path.starts_with(' ') || path == "linker stubs" {
        return None;
    }
    Some(path.split_once('(').map_or(path, |(archive, _)| archive))
}

/// Without `.`, `..` and the first slash; what is relative is so to `/build`.
fn normal(path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("/build/{path}") };
    let mut parts = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => (),
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The package of a file of a root. A root does not say whose a file is; there are few whose files are linked in.
fn package<'d>(debs: &'d [Deb], path: &str) -> Option<&'d Deb> {
    let path = path.strip_prefix("usr/").unwrap_or(path);
    let below = |folder: &str| path.strip_prefix(folder);
    let name = if let Some(rest) = below("lib/gcc/") {
        // lib/gcc/x86_64-linux-gnu/14/crtbeginT.o
        format!("libgcc-{}-dev", rest.split('/').nth(1)?)
    } else if below("lib/rustlib/").is_some() {
        "libstd-rust-dev".to_owned()
    } else {
        let file = below("lib/x86_64-linux-gnu/").or(below("lib/aarch64-linux-gnu/"))?;
        let libc = ["Scrt1.o", "crt1.o", "crti.o", "crtn.o", "libc.a", "libm.a", "libpthread.a", "libc_nonshared.a"];
        let plain = |file: &str| Some(format!("{}-dev", file.strip_suffix(".a")?));
        if libc.contains(&file) { "libc6-dev".to_owned() } else { plain(file)? }
    };
    debs.iter().find(|deb| deb.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\
Archive member included to satisfy reference by file (symbol)

/sysroot/usr/lib/libglib-2.0.a(gmain.o)
                              main.o (g_main_loop_new)
/sysroot/usr/lib/libpcre2-8.a(pcre2_match.o)
                              nowhere.o (pcre2_match)

Discarded input sections

 .text.unused   0x0000000000000000       0x10 /sysroot/usr/lib/libpcre2-8.a(pcre2_match.o)

Memory Configuration

Linker script and memory map

LOAD /sysroot/usr/bin/../lib/crt1.o
LOAD main.o
LOAD /sysroot/usr/lib/libpcre2-8.a
                0x0000000000400000                PROVIDE (__executable_start = 0x400000)

.text           0x0000000000401000     0x1000
 *(.text .stub)
 .text          0x0000000000401000       0x26 /sysroot/usr/bin/../lib/crt1.o
 *fill*         0x0000000000401026        0xa 90909090
 .text          0x0000000000401030        0x0 /usr/lib/gcc/x86_64-linux-gnu/14/crtn.o
 .text.a_name_that_is_long
                0x0000000000401040       0x20 /sysroot/usr/lib/libglib-2.0.a(gmain.o)
                0x0000000000401040                g_main_loop_new
 .text          0x0000000000401060       0x20 main.o

.data           0x0000000000403000       0x10 load address 0x0000000000002000
 .comment       0x0000000000000000       0x20 /usr/lib/gcc/x86_64-linux-gnu/14/crtbeginT.o
                                         0x21 (size before relaxing)
";

    #[test]
    fn a_map_names_what_gave_bytes_and_nothing_else() {
        let wanted = [
            "/sysroot/usr/bin/../lib/crt1.o",
            "/sysroot/usr/lib/libglib-2.0.a",
            "/usr/lib/gcc/x86_64-linux-gnu/14/crtbeginT.o",
            "main.o",
        ];
        assert_eq!(inputs(MAP).into_iter().collect::<Vec<_>>(), wanted);
        assert_eq!(inputs("/in/a/b\n\n/build/c\n").into_iter().collect::<Vec<_>>(), ["/build/c", "/in/a/b"]);
    }

    #[test]
    fn a_path_is_told_by_where_it_leads() {
        assert_eq!(normal("/sysroot/bin/../usr//lib/./crt1.o"), "sysroot/usr/lib/crt1.o");
        assert_eq!(normal("../in/a/b.o"), "in/a/b.o");
        assert_eq!(normal("x/y.o"), "build/x/y.o");
    }

    #[test]
    fn a_compiler_file_is_of_its_package() {
        let deb = |name: &str| Deb {
            name: name.to_owned(),
            version: "1".to_owned(),
            path: String::new(),
            size: 0,
            sha256: crate::digest::Hash::of(b""),
        };
        let debs = [deb("libc6-dev"), deb("libgcc-14-dev"), deb("libstd-rust-dev")];
        let of = |path: &str| package(&debs, path).map(|deb| deb.name.as_str());
        assert_eq!(of("usr/lib/gcc/x86_64-linux-gnu/14/libgcc.a"), Some("libgcc-14-dev"));
        assert_eq!(of("usr/lib/gcc/x86_64-linux-gnu/12/libgcc.a"), None, "another compiler's");
        assert_eq!(of("usr/lib/rustlib/x86_64-unknown-none/lib/libcore-1.rlib"), Some("libstd-rust-dev"));
        assert_eq!(of("lib/x86_64-linux-gnu/libc.a"), Some("libc6-dev"));
        assert_eq!(of("usr/lib/x86_64-linux-gnu/libz.a"), None);
    }
}
