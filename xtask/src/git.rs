//! A pinned commit from a git repository, near or far, as a plain folder.
//!
//! Only objects are read: no work tree, no filters, no attributes, no hooks, no configuration of the repository. libgit2 checks
//! every object against its id, so what a commit id names is what arrives. Submodules are not followed.

mod smart;
pub mod tag;

use crate::archive::{self, Links};
use crate::context::{Context, Net};
use crate::digest::GitId;
use crate::download::{OFFLINE, Patience, Silence};
use crate::fault::Fault;
use crate::interrupt;
use crate::origin::Failures;
use crate::report::Task;
use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use git2::{
    AutotagOption, Commit, Direction, ErrorClass, FetchOptions, ObjectType, Oid, Remote, RemoteCallbacks, Repository,
    Tree,
};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

/// What is wanted of a repository.
pub struct Pin<'a> {
    pub commit: &'a GitId,
    /// The tree that the commit must have.
    pub tree: Option<&'a GitId>,
}

/// Exports the commit from the first repository in a mirror folder that has it. True if one had.
pub fn local(net: &Net, pin: &Pin<'_>, into: &Path, failures: &mut Failures) -> Result<bool> {
    let Some(path) = seen(net, pin.commit, failures)? else { return Ok(false) };
    let context = || format!("exporting commit {} from {}", pin.commit, path.display());
    let repository = Repository::open(&path).with_context(context)?;
    let commit = repository.find_commit(oid(pin.commit)).with_context(context)?;
    export(&repository, &commit, pin, into).with_context(context)?;
    Ok(true)
}

/// The first repository in a mirror folder that has the commit.
pub fn seen(net: &Net, commit: &GitId, failures: &mut Failures) -> Result<Option<PathBuf>> {
    prepare(net.line.patience());
    for folder in &net.mirrors {
        let repositories = match repositories(folder) {
            Ok(repositories) => repositories,
            Err(error) => {
                failures.absent(&folder.display().to_string(), format!("{error:#}"));
                continue;
            }
        };
        for path in &repositories {
            interrupt::check()?;
            match Repository::open(path) {
                Ok(repository) if repository.find_commit(oid(commit)).is_ok() => return Ok(Some(path.clone())),
                Ok(_) => {}
                Err(error) => failures.absent(&path.display().to_string(), error.message()),
            }
        }
        let reason = format!("none of its {} git repositories has commit {commit}", repositories.len());
        failures.absent(&folder.display().to_string(), reason);
    }
    Ok(None)
}

/// The first repository in a mirror folder that has both commits; what cannot be read is passed over.
pub fn holding(net: &Net, commits: [&GitId; 2]) -> Result<Option<Repository>> {
    prepare(net.line.patience());
    for folder in &net.mirrors {
        for path in repositories(folder)? {
            interrupt::check()?;
            if let Ok(repository) = Repository::open(&path)
                && commits.iter().all(|commit| repository.find_commit(oid(commit)).is_ok())
            {
                return Ok(Some(repository));
            }
        }
    }
    Ok(None)
}

/// Fetches the commit from the repository at `url` and exports it. `scratch` is an empty folder for the objects. True if it was
/// there.
pub fn remote(
    ctx: &Context,
    url: &str,
    pin: &Pin<'_>,
    into: &Path,
    scratch: &Path,
    failures: &mut Failures,
) -> Result<bool> {
    if ctx.net.offline {
        failures.absent(url, OFFLINE);
        return Ok(false);
    }
    prepare(ctx.net.line.patience());
    let repository = Repository::init_bare(scratch).context("making a scratch repository")?;
    let task = ctx.report.begin("fetch", url, None);
    let fetched = smart::with_line(&ctx.net.line, None, || fetch(&repository, url, pin.commit, &task));
    interrupt::check()?;
    match fetched {
        Ok(()) => {}
        // A full disk, say, is not the server's failure.
        Err(error) if error.class() == ErrorClass::Os => {
            return Err(error).with_context(|| format!("fetching {url} into {}", scratch.display()));
        }
        Err(error) => {
            failures.absent(url, error.message());
            return Ok(false);
        }
    }
    let Ok(commit) = repository.find_commit(oid(pin.commit)) else {
        failures.absent(url, format!("has no commit {} in any branch or tag", pin.commit));
        return Ok(false);
    };
    export(&repository, &commit, pin, into).with_context(|| format!("exporting commit {} from {url}", pin.commit))?;
    task.done(pin.commit.as_str());
    Ok(true)
}

/// Asks whether a repository answers at `url`, without fetching.
pub fn answers(ctx: &Context, url: &str) -> Result<(), Silence> {
    let patience = ctx.net.line.patience();
    prepare(patience);
    let connect = || Remote::create_detached(url)?.connect_auth(Direction::Fetch, None, None).map(drop);
    smart::with_line(&ctx.net.line, Some(patience.probe), connect)
        .map_err(|error| Silence { reason: error.message().to_owned(), transient: false })
}

/// Once in a process: our own transport for addresses, bounds on the waiting of libgit2's own, and no opinion on who owns a mirror
/// folder.
fn prepare(patience: &Patience) {
    static ONCE: Once = Once::new();
    let milliseconds = |time: Duration| time.as_millis().try_into().unwrap_or(i32::MAX);
    trust();
    ONCE.call_once(|| {
        smart::register();
        // SAFETY: each sets one value inside libgit2, before this process asks its first server; `Once` orders them before all
        // else. None fails on this platform.
        let _ = unsafe {
            git2::opts::set_server_connect_timeout_in_milliseconds(milliseconds(patience.connect))
                .and(git2::opts::set_server_timeout_in_milliseconds(milliseconds(patience.stall)))
        };
    });
}

/// Once in a process, before it opens a repository: no opinion on who owns one. Only objects are read, each checked by its id, and
/// nothing that a repository's configuration names is run.
pub(crate) fn trust() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: sets one value inside libgit2; `Once` orders it before all that reads it. It does not fail on this platform.
        let _ = unsafe { git2::opts::set_verify_owner_validation(false) };
    });
}

/// The folder itself and those directly below it that look like repositories, in the order of their names.
fn repositories(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut below: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    below.sort();
    below.insert(0, folder.to_owned());
    below.retain(|path| path.join(".git").exists() || (path.join("HEAD").is_file() && path.join("objects").is_dir()));
    Ok(below)
}

pub(crate) fn oid(id: &GitId) -> Oid {
    Oid::from_str(id.as_str()).expect("a git id is 40 hexadecimal digits")
}

/// One commit without its history where the server allows it, otherwise everything that has a name there.
fn fetch(repository: &Repository, url: &str, commit: &GitId, task: &Task) -> Result<(), git2::Error> {
    // Most servers give out by id only what has a name; the name of the right commit is as good.
    let one = match name_of(repository, url, commit)? {
        Some(name) => format!("+{name}:{name}"),
        None => format!("{commit}:refs/xenwright/{commit}"),
    };
    match repository.remote_anonymous(url)?.fetch(&[one], Some(&mut options(task, 1)), None) {
        Ok(()) => Ok(()),
        // Who does not answer would not answer the second question either.
        Err(error) if smart::silent() || interrupt::requested() => Err(error),
        Err(_) => {
            let all = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
            repository.remote_anonymous(url)?.fetch(&all, Some(&mut options(task, 0)), None)
        }
    }
}

/// A branch or tag that stands at the commit.
fn name_of(repository: &Repository, url: &str, commit: &GitId) -> Result<Option<String>, git2::Error> {
    let mut remote = repository.remote_anonymous(url)?;
    let connection = remote.connect_auth(Direction::Fetch, None, None)?;
    let head = connection.list()?.iter().find(|head| head.oid() == oid(commit) && head.name() != "HEAD");
    // An annotated tag is listed twice, the second time as `<tag>^{}` with the commit that it points to.
    Ok(head.map(|head| head.name().trim_end_matches("^{}").to_owned()))
}

/// A depth of 0 is the whole history.
fn options(task: &Task, depth: i32) -> FetchOptions<'_> {
    let mut received = 0;
    let mut callbacks = RemoteCallbacks::new();
    callbacks.transfer_progress(move |progress| {
        task.advance((progress.received_bytes() - received) as u64);
        received = progress.received_bytes();
        !interrupt::requested()
    });
    callbacks.sideband_progress(|_| !interrupt::requested());
    let mut options = FetchOptions::new();
    options.remote_callbacks(callbacks).download_tags(AutotagOption::None).update_fetchhead(false).depth(depth);
    options
}

fn export(repository: &Repository, commit: &Commit<'_>, pin: &Pin<'_>, into: &Path) -> Result<()> {
    let found = commit.tree_id().to_string();
    if let Some(expected) = pin.tree.filter(|expected| expected.as_str() != found) {
        return Err(Fault::source(format!("its tree is {found}, expected {expected}"))
            .cure("the recipe's `commit` and `tree` contradict each other: correct one of them")
            .into());
    }
    write(repository, &commit.tree()?, into)?;
    archive::check_links(into, Links::Inside)
}

/// Writes a tree into the existing folder `at`, through nothing that it did not make.
fn write(repository: &Repository, tree: &Tree<'_>, at: &Path) -> Result<()> {
    interrupt::check()?;
    for entry in tree.iter() {
        let path = at.join(OsStr::from_bytes(file_name(entry.name_bytes())?));
        match (entry.kind(), entry.filemode()) {
            (Some(ObjectType::Tree), _) => {
                fs::create_dir(&path)?;
                write(repository, &repository.find_tree(entry.id())?, &path)?;
            }
            (Some(ObjectType::Blob), 0o120000) => {
                let blob = repository.find_blob(entry.id())?;
                fs::os::unix::fs::symlink(OsStr::from_bytes(blob.content()), &path)?;
            }
            (Some(ObjectType::Blob), mode) => {
                let blob = repository.find_blob(entry.id())?;
                let mode = if mode & 0o100 != 0 { 0o755 } else { 0o644 };
                // A tree that names one path twice would otherwise write through the link that came first.
                let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
                std::io::Write::write_all(&mut file, blob.content())?;
            }
            // A submodule: another repository's commit, which no archive of this one holds either.
            (Some(ObjectType::Commit), _) => {}
            (kind, mode) => bail!("{}: unexpected {kind:?} of mode {mode:o}", path.display()),
        }
    }
    Ok(())
}

/// A name that names an entry of this very folder.
fn file_name(name: &[u8]) -> Result<&[u8]> {
    let text = String::from_utf8_lossy(name);
    if name.is_empty() || name.contains(&b'/') || matches!(name, b"." | b"..") || text.eq_ignore_ascii_case(".git") {
        bail!("`{text}` is not a name that a tree may hold");
    }
    Ok(name)
}
