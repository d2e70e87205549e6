//! `repro`: a recipe built twice, from empty stores, under different circumstances, and both results compared byte by byte.
//!
//! Each build is a run of this very program with another world around it. Everything lies below `target/repro`, where the
//! artifacts of both builds stay.

pub mod diffoscope;

use super::build;
use crate::catalog;
use crate::cli;
use crate::context::Context;
use crate::fault::Fault;
use crate::interrupt;
use crate::job::Job;
use crate::report::Report;
use crate::repro::causes::Clue;
use crate::repro::report::Proof;
use crate::repro::variation::{self, Fixed, Possible, Varied, World};
use crate::repro::{Comparison, compare};
use crate::sandbox::disguise::{self, Disguise};
use crate::store::{Store, remove};
use crate::{rootfs, sandbox, sources};
use anyhow::{Context as _, Result};
use diffoscope::Pairs;
use fs_err as fs;
use rustix::fs::Mode;
use rustix::process::{geteuid, umask};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub fn run(args: &cli::Repro, report: &Report) -> Result<()> {
    // Whoever mistyped a folder should not learn it after the build.
    if let Some(theirs) = args.against.as_ref().filter(|theirs| !theirs.is_dir()) {
        return Err(Fault::usage(format!("--against {}: no such folder", theirs.display())).into());
    }
    let work = cli::Work { jobs: args.jobs, no_ccache: false };
    let user = Context::open(report, &args.common.place, &args.common.net, &work)?;
    let job = Job::new(&user, &args.recipe.wanted)?;
    let stem = job.recipe.stem();
    let sides = match &args.against {
        None => twice(&user, &job, args)?,
        Some(theirs) => against(&user, &job, theirs, args)?,
    };
    let pairs = match &args.diffoscope {
        None => None,
        Some(_) => Some(Pairs::new(sides.folder.join("pairs"))?),
    };
    let comparison = sides.compare(&user, pairs.as_ref())?;
    let (first, second) = (&sides.first, &sides.second);
    let proof = sides.proof(stem.clone(), args.inside, comparison);
    if let Some(file) = &args.html {
        fs::write(file, proof.html())?;
    }
    let (mut text, mut json) = (proof.text(), proof.json());
    if let (Some(pairs), Some(file), false) = (&pairs, &args.diffoscope, proof.comparison.identical()) {
        pairs.complete(&proof.comparison, [first, second])?;
        let said = pairs.open(&user)?;
        match file {
            Some(file) => fs::write(file, said)?,
            None => {
                text = format!("{said}\n{text}");
                json["diffoscope"] = said.into();
            }
        }
    }
    report.result(&text, json);
    if proof.comparison.identical() {
        return Ok(());
    }
    let names = proof.comparison.artifacts.iter().filter(|artifact| !artifact.identical);
    let names: Vec<&str> = names.map(|artifact| artifact.name.as_str()).collect();
    Err(Fault::failed(format!("{stem} is not the same on both sides: {}", names.join(", "))).into())
}

/// Two folders of artifacts that are there, and what is known of how they came to be.
struct Sides {
    /// Where the run keeps what it makes.
    folder: PathBuf,
    first: PathBuf,
    second: PathBuf,
    words: String,
    varied: Vec<Varied>,
    fixed: Vec<Fixed>,
    clues: Vec<Clue>,
}

impl Sides {
    fn compare(&self, ctx: &Context, pairs: Option<&Pairs>) -> Result<Comparison> {
        let task = ctx.report.begin("compare", &self.first.display().to_string(), None);
        let open = |place: &[String], first: &[u8], second: &[u8]| match pairs {
            Some(pairs) => pairs.add(place, first, second),
            None => Ok(()),
        };
        let comparison = compare::folders(&self.first, &self.second, &self.clues, &open)?;
        task.done("done");
        Ok(comparison)
    }

    fn proof(&self, recipe: String, inside: bool, comparison: Comparison) -> Proof {
        let (varied, fixed) = (self.varied.clone(), self.fixed.clone());
        Proof { recipe, sides: self.words.clone(), inside, varied, fixed, comparison }
    }
}

fn twice(user: &Context, job: &Job, args: &cli::Repro) -> Result<Sides> {
    bring(user, job)?;
    let folder = fresh(user, job)?;
    let possible = possible(user, job, &folder, args.inside)?;
    let first = World::first(&folder, &user.root, user.jobs, &possible);
    let second = second(&folder, user, &possible, args)?;
    build_in(user, job, &first, "first", false)?;
    build_in(user, job, &second, "second", args.second_store.is_some())?;
    let varied = varied(&first, &second);
    let (clues, fixed) = (variation::clues(&varied), variation::fixed(&possible));
    Ok(Sides { folder, first: first.out, second: second.out, words: "2 builds".to_owned(), varied, fixed, clues })
}

/// One fresh build, or the artifacts that are in `--out`, beside somebody else's.
fn against(user: &Context, job: &Job, theirs: &Path, args: &cli::Repro) -> Result<Sides> {
    let mut sides = Sides {
        folder: PathBuf::new(),
        first: PathBuf::new(),
        second: theirs.to_owned(),
        words: format!("1 build and {}", theirs.display()),
        varied: Vec::new(),
        fixed: Vec::new(),
        clues: Vec::new(),
    };
    if args.built {
        sides.first = build::out(&user.root, args.out.as_deref(), &job.recipe.stem())?;
        if !sides.first.is_dir() {
            let cure = "leave out --built, or name the artifacts' folder with --out";
            let what = format!("--built: nothing was built into {}", sides.first.display());
            return Err(Fault::usage(what).cure(cure).into());
        }
        sides.folder = place(user, job);
        // What an earlier run built may be what is compared.
        remove(&sides.folder.join("pairs"))?;
        return Ok(sides);
    }
    if fs::canonicalize(theirs)?.starts_with(place(user, job)) {
        let what = format!("--against {}: the fresh build would take its place", theirs.display());
        return Err(Fault::usage(what)
            .cure("move it elsewhere first, or compare what stands there with --built")
            .into());
    }
    bring(user, job)?;
    sides.folder = fresh(user, job)?;
    let possible = possible(user, job, &sides.folder, args.inside)?;
    // Theirs was likely made in the usual one.
    let world = second(&sides.folder, user, &possible, args)?;
    build_in(user, job, &world, "fresh", args.second_store.is_some())?;
    let usual = World::first(&sides.folder, &user.root, user.jobs, &possible);
    let here = |varied: Varied| Varied { first: varied.second, second: "not known".to_owned(), ..varied };
    sides.varied = varied(&usual, &world).into_iter().map(here).collect();
    sides.fixed = variation::fixed(&possible);
    sides.first = world.out;
    Ok(sides)
}

/// The second world, around the store that the user wants kept where there is one.
fn second(folder: &Path, user: &Context, possible: &Possible, args: &cli::Repro) -> Result<World> {
    let mut world = World::second(folder, user.jobs, possible);
    if let Some(store) = &args.second_store {
        world.store = std::path::absolute(store)?;
    }
    Ok(world)
}

fn varied(first: &World, second: &World) -> Vec<Varied> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    variation::varied(first, second, &host, geteuid().as_raw())
}

/// All that the builds need, so that neither has a use for the network.
fn bring(user: &Context, job: &Job) -> Result<()> {
    sources::obtain(user, &job.recipe)?;
    for toolchain in job.toolchains.values() {
        rootfs::fetch(user, toolchain)?;
    }
    sandbox::bubblewrap(user)?;
    Ok(())
}

fn fresh(user: &Context, job: &Job) -> Result<PathBuf> {
    let folder = place(user, job);
    remove(&folder)?;
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn place(user: &Context, job: &Job) -> PathBuf {
    user.root.join("target").join("repro").join(job.recipe.stem())
}

/// Builds in a world, whose store goes away afterwards unless it is kept: it takes gigabytes.
fn build_in(user: &Context, job: &Job, world: &World, name: &str, keep: bool) -> Result<()> {
    fs::create_dir_all(&world.home)?;
    if world.checkout != user.root {
        catalog::copy(&user.root, &job.recipe, &world.checkout)?;
    }
    let store = match keep && world.store.exists() || world.disguise == Disguise::default() {
        true => Store::open(&world.store)?,
        false => Store::disguised(&world.store, &world.disguise, world.library.as_deref())?,
    };
    if *store.disguise() != world.disguise {
        let what = format!("--second-store {}: what it holds was made in another world", world.store.display());
        return Err(Fault::usage(what)
            .cure("name a folder that is not there yet, or one of a run with the same options")
            .into());
    }
    user.store.share_downloads(&store)?;
    drop(store);
    let task = user.report.begin(&format!("{name} build of"), &job.recipe.stem(), None);
    let output = start(&words(job, world)?, world)?;
    interrupt::check()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        let event: Value = said.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        let complained = String::from_utf8_lossy(&output.stderr);
        let text = event["text"].as_str().unwrap_or(complained.trim());
        return Err(Fault::failed(format!("the {name} build failed:\n{text}")).into());
    }
    task.done("done");
    if keep { Ok(()) } else { remove(&world.store) }
}

fn words(job: &Job, world: &World) -> Result<Vec<OsString>> {
    let mut words = world.guise.clone().unwrap_or_default();
    words.push(std::env::current_exe().context("finding this program")?.into());
    words.extend(["build", &job.recipe.stem(), "--json", "--offline"].map(OsString::from));
    words.push(format!("--jobs={}", world.jobs).into());
    words.extend(["--store".into(), world.store.clone().into(), "--out".into(), world.out.clone().into()]);
    if !world.ccache {
        words.push("--no-ccache".into());
    }
    Ok(words)
}

#[expect(clippy::disallowed_methods, reason = "the program is run again, with another world around it")]
fn start(words: &[OsString], world: &World) -> Result<Output> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir(&world.checkout).stdin(Stdio::null());
    command.env("HOME", &world.home).env("XDG_CACHE_HOME", world.home.join("cache")).envs(world.variables());
    if let Some(library) = world.library.as_ref().filter(|_| world.builder) {
        command.env("LD_PRELOAD", library);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    // A child has its parent's mask and processors; nothing else of this process writes meanwhile.
    let (ours, all) = (umask(Mode::from_raw_mode(world.umask)), sched_getaffinity(None)?);
    sched_setaffinity(None, &set_of(&world.processors))?;
    let child = command.spawn();
    umask(ours);
    sched_setaffinity(None, &all)?;
    child.and_then(|child| child.wait_with_output()).with_context(|| format!("running {}", words[0].display()))
}

fn set_of(processors: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    processors.iter().for_each(|number| set.set(*number));
    set
}

/// What the second world may differ in on this machine, with this recipe's toolchain.
fn possible(user: &Context, job: &Job, folder: &Path, inside: bool) -> Result<Possible> {
    let root = rootfs::obtain(user, &job.toolchain)?;
    let work = folder.join("library");
    fs::create_dir_all(&work)?;
    let library = disguise::compile(user, &root.path, &work)?;
    let builder = library.as_ref().map_or(Ok(Ok(())), |library| takes(library))?;
    let allowed = sched_getaffinity(None)?;
    let processors = (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).collect();
    Ok(Possible { guise: guise(user)?, processors, library, builder, inside })
}

/// Whether this program can be given the library: the loader lists what it would load (ld.so(8)). A program without one starts
/// and says that it lacks a verb.
#[expect(clippy::disallowed_methods, reason = "the program is started again, to be looked at")]
fn takes(library: &Path) -> Result<Result<(), String>> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut command = Command::new(program);
    command.env("LD_TRACE_LOADED_OBJECTS", "1").env("LD_PRELOAD", library).stdin(Stdio::null());
    let listed = String::from_utf8_lossy(&command.output()?.stdout).into_owned();
    let taken = library.to_str().is_some_and(|library| listed.contains(library));
    Ok(if taken { Ok(()) } else { Err("this program's loader takes no such library".to_owned()) })
}

/// How to start a program under another host name and user, or why that cannot be done: a sandbox must still be possible inside.
#[expect(clippy::disallowed_methods, reason = "the sandbox's program is tried within itself")]
fn guise(ctx: &Context) -> Result<Result<Vec<OsString>, String>> {
    let program = sandbox::bubblewrap(ctx)?;
    let own = ["--dev-bind", "/", "/", "--unshare-user", "--unshare-uts", "--die-with-parent", "--uid", variation::UID];
    let mut words = program.clone();
    words.extend(own.iter().chain(&["--gid", variation::UID, "--hostname", variation::HOST, "--"]).map(OsString::from));
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(&program).args(["--unshare-user", "--unshare-all", "--ro-bind", "/", "/"]);
    command.args(["--proc", "/proc", "--dev", "/dev", "--"]).args(&program).arg("--version").stdin(Stdio::null());
    let output = command.output()?;
    if output.status.success() {
        return Ok(Ok(words));
    }
    Ok(Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
