//! A patch queue applied, verified and refreshed, beside quilt and `git am`.

use super::{Bench, Row, median, ratio};
use crate::fault::Fault;
use crate::patches::apply::{self, Direction};
use crate::patches::content::{Files, Folder};
use crate::patches::{Patch, Queue, git, packed, refresh, save};
use crate::yardstick::{self, Quilt};
use crate::{sources, tree};
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Taken in turns; the medians count.
const TIMES: usize = 3;

/// The size of the largest queue of a distribution: XCP-ng's for 4.17.
const PATCHES: usize = 246;

const REFRESH: &str = "quilt pop -q -a; while quilt push -q && quilt refresh; do :; done";

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let ctx = &bench.ctx;
    let work = tempfile::tempdir_in(&bench.folder)?;
    let source = sources::obtain(ctx, &bench.job.recipe)?.remove(yardstick::SOURCE).context("the recipe has no Xen")?;
    let debian = yardstick::queue(ctx)?;
    let quilt = Quilt::locked(ctx)?;

    let (mut push, mut rewrite, mut am) = (Vec::new(), Vec::new(), Vec::new());
    let (mut applied, mut fresh, mut many) = (Vec::new(), Vec::new(), Vec::new());
    let synthetic = synthetic(source.path())?;
    for _ in 0..TIMES {
        let theirs = Copies::new(work.path(), source.path(), &debian)?;
        push.push(quilt.run(ctx, &theirs.tree, &theirs.queue, "quilt push -q -a")?);
        rewrite.push(quilt.run(ctx, &theirs.tree, &theirs.queue, REFRESH)?);
        am.push(git_am(work.path(), source.path(), &debian)?);

        let ours = Copies::new(work.path(), source.path(), &debian)?;
        let tree = Folder(ours.tree.clone());
        let (queue, time) = timed(|| {
            let queue = packed::read(&ours.queue, "series")?;
            verify(&tree, &queue)?.write(&ours.tree)?;
            Ok(queue)
        })?;
        applied.push(time);
        fresh.push(timed(|| refreshed(source.path(), &queue, &ours.written))?.1);

        let ours = Copies::new(work.path(), source.path(), &debian)?;
        let tree = Folder(ours.tree.clone());
        let all = || {
            let fresh = refreshed(source.path(), &read(&synthetic)?, &ours.written)?;
            verify(&tree, &read(&fresh)?)?.write(&ours.tree)
        };
        many.push(timed(all)?.1);
    }
    let applied = median(applied);
    let many = median(many);
    Ok(vec![
        ratio("25 patches applied and verified (quilt push -a)", applied, median(push), "≤ 0.20"),
        ratio("25 patches applied and verified (git am)", applied, median(am), "< 1"),
        ratio("25 patches refreshed (quilt push, refresh)", median(fresh), median(rewrite), "≤ 0.05"),
        Row {
            what: "246 patches applied, verified, refreshed",
            measured: super::seconds(many),
            beside: String::new(),
            ratio: None,
            bound: "≤ 2 s",
        },
    ])
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let start = Instant::now();
    let result = work()?;
    Ok((result, start.elapsed()))
}

/// A quilt directory as a queue.
fn read<'t>(texts: impl IntoIterator<Item = (&'t String, &'t Vec<u8>)>) -> Result<Queue> {
    let patches = texts.into_iter().map(|(name, text)| Patch::of(text.clone(), name.clone()));
    Ok(Queue { patches: patches.collect::<Result<_>>()? })
}

/// The files that the queue makes of the tree; each of its hunks must stand where it says.
fn verify<'b>(base: &'b Folder, queue: &Queue) -> Result<Files<'b>> {
    let mut files = Files::over(base);
    for patch in &queue.patches {
        let offsets =
            apply::apply(&mut files, patch, Direction::Forward)?.map_err(|misfit| misfit.fault(&patch.file))?;
        if let Some(offset) = offsets.first() {
            let what = format!("{}: hunk {} of {} is {} lines off", patch.file, offset.hunk, offset.path, offset.lines);
            return Err(Fault::failed(what).into());
        }
    }
    Ok(files)
}

/// The queue without offsets, which is written too.
fn refreshed(source: &Path, queue: &Queue, into: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let files = refresh::against(&Folder(source.to_owned()), queue)?.files();
    save::save(into, &files)?;
    Ok(files)
}

/// Two patches to each of some files: the second says a place from which the first has moved it away.
fn synthetic(source: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut patches = BTreeMap::new();
    for found in tree::walk(source)?.iter().filter(|found| found.path.ends_with(".c")) {
        let text = fs::read(source.join(&found.path))?;
        let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
        for at in [10, 30] {
            let Some(context) = lines.get(at..at + 6) else { continue };
            patches.insert(format!("{:04}-line.patch", 1000 + patches.len()), line(&found.path, at, context));
            if patches.len() == PATCHES {
                return Ok(patches);
            }
        }
    }
    Err(Fault::failed(format!("{} has too few C files", source.display())).into())
}

/// A patch that puts a line into the middle of the context, which follows so many lines.
fn line(file: &str, at: usize, context: &[&[u8]]) -> Vec<u8> {
    let (start, old, new) = (at + 1, context.len(), context.len() + 1);
    let mut text = format!("--- a/{file}\n+++ b/{file}\n@@ -{start},{old} +{start},{new} @@\n").into_bytes();
    for (index, line) in context.iter().enumerate() {
        if index == old / 2 {
            text.extend_from_slice(b"+/* One line more. */\n");
        }
        text.push(b' ');
        text.extend_from_slice(line);
    }
    text
}

/// A tree and a queue to be written to, gone when dropped.
struct Copies {
    tree: PathBuf,
    queue: PathBuf,
    /// Where a refreshed queue goes.
    written: PathBuf,
    _folder: tempfile::TempDir,
}

impl Copies {
    fn new(work: &Path, source: &Path, queue: &Path) -> Result<Copies> {
        let folder = tempfile::tempdir_in(work)?;
        let [tree, copy, written] = ["tree", "queue", "written"].map(|name| folder.path().join(name));
        let theirs = Copies { tree, queue: copy, written, _folder: folder };
        tree::copy(source, &theirs.tree)?;
        tree::copy(queue, &theirs.queue)?;
        Ok(theirs)
    }
}

/// How long `git am` takes in a repository that holds the source.
fn git_am(work: &Path, source: &Path, queue: &Path) -> Result<Duration> {
    let theirs = Copies::new(work, source, queue)?;
    let run = |words: &[&str]| -> Result<()> {
        let mut command = git(&theirs.tree);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "bench").env(format!("GIT_{who}_EMAIL"), "bench@example.org");
        }
        let status = command.args(words).stdout(Stdio::null()).status()?;
        match status.success() {
            true => Ok(()),
            false => Err(Fault::failed(format!("git {}: {status}", words[0])).into()),
        }
    };
    run(&["init", "-q"])?;
    run(&["add", "-Af", "."])?;
    run(&["commit", "-q", "-m", "base"])?;
    let series = fs::read_to_string(queue.join("series"))?;
    let mut words = vec!["am".to_owned(), "-q".to_owned()];
    words.extend(series.lines().map(|name| theirs.queue.join(name).to_string_lossy().into_owned()));
    let start = Instant::now();
    run(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(start.elapsed())
}
