//! `repro`: a recipe built twice, from empty stores, under different circumstances, and both results compared byte by byte.
//!
//! Each build is a run of this very program with another world around it. Everything lies below `target/repro`, where the
//! artifacts of both builds stay.

use super::build;
use crate::cli;
use crate::context::Context;
use crate::fault::Fault;
use crate::interrupt;
use crate::job::Job;
use crate::report::Report;
use crate::repro::causes::Clue;
use crate::repro::report::Proof;
use crate::repro::variation::{self, World};
use crate::repro::{Comparison, compare};
use crate::store::{Store, remove};
use crate::{rootfs, sandbox, sources, tree};
use anyhow::{Context as _, Result};
use fs_err as fs;
use rustix::fs::Mode;
use rustix::process::{geteuid, umask};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a build reads of a checkout.
const CHECKOUT: [&str; 3] = ["recipes", "patches", "toolchains"];

pub fn run(args: &cli::Repro, report: &Report) -> Result<()> {
    // Whoever mistyped a folder should not learn it after the build.
    if let Some(theirs) = args.against.as_ref().filter(|theirs| !theirs.is_dir()) {
        return Err(Fault::usage(format!("--against {}: no such folder", theirs.display())).into());
    }
    let work = cli::Work { jobs: args.jobs, no_ccache: false };
    let user = Context::open(report, &args.common.place, &args.common.net, &work)?;
    let job = Job::new(&user.root, &args.recipe.wanted)?;
    let stem = job.recipe.stem();
    let proof = match &args.against {
        None => twice(&user, &job)?,
        Some(theirs) => against(&user, &job, theirs, args)?,
    };
    if let Some(file) = &args.html {
        fs::write(file, proof.html())?;
    }
    report.result(&proof.text(), proof.json());
    if proof.comparison.identical() {
        return Ok(());
    }
    let names = proof.comparison.artifacts.iter().filter(|artifact| !artifact.identical);
    let names: Vec<&str> = names.map(|artifact| artifact.name.as_str()).collect();
    Err(Fault::failed(format!("{stem} is not the same on both sides: {}", names.join(", "))).into())
}

fn twice(user: &Context, job: &Job) -> Result<Proof> {
    bring(user, job)?;
    let folder = fresh(user, job)?;
    let (guise, why_not) = match guise(user)? {
        Ok(words) => (Some(words), None),
        Err(reason) => (None, Some(reason)),
    };
    let first = World::first(&folder, &user.root, user.jobs);
    let second = World::second(&folder, user.jobs, guise);
    for name in CHECKOUT.iter().filter(|name| user.root.join(name).exists()) {
        tree::copy(&user.root.join(name), &second.checkout.join(name))?;
    }
    build_in(user, job, &first, "first")?;
    build_in(user, job, &second, "second")?;

    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let varied = variation::varied(&first, &second, &host, geteuid().as_raw());
    let comparison = compared(user, &first.out, &second.out, &variation::clues(&varied))?;
    Ok(Proof {
        recipe: job.recipe.stem(),
        sides: "2 builds".to_owned(),
        varied,
        fixed: variation::fixed(why_not.as_deref()),
        comparison,
    })
}

/// One fresh build, or the artifacts that are in `--out`, beside somebody else's.
fn against(user: &Context, job: &Job, theirs: &Path, args: &cli::Repro) -> Result<Proof> {
    let ours = if args.built {
        let out = build::out(&user.root, args.out.as_deref(), &job.recipe.stem())?;
        if !out.is_dir() {
            let cure = "leave out --built, or name the artifacts' folder with --out";
            return Err(Fault::usage(format!("--built: nothing was built into {}", out.display())).cure(cure).into());
        }
        out
    } else {
        bring(user, job)?;
        let world = World::first(&fresh(user, job)?, &user.root, user.jobs);
        build_in(user, job, &world, "fresh")?;
        world.out
    };
    let comparison = compared(user, &ours, theirs, &[])?;
    let sides = format!("1 build and {}", theirs.display());
    Ok(Proof { recipe: job.recipe.stem(), sides, varied: Vec::new(), fixed: Vec::new(), comparison })
}

fn compared(ctx: &Context, first: &Path, second: &Path, clues: &[Clue]) -> Result<Comparison> {
    let task = ctx.report.begin("compare", &first.display().to_string(), None);
    let comparison = compare::folders(first, second, clues)?;
    task.done("done");
    Ok(comparison)
}

/// All that the builds need, so that neither has a use for the network.
fn bring(user: &Context, job: &Job) -> Result<()> {
    sources::obtain(user, &job.recipe)?;
    rootfs::fetch(user, &job.toolchain)?;
    sandbox::bubblewrap(user)?;
    Ok(())
}

fn fresh(user: &Context, job: &Job) -> Result<PathBuf> {
    let folder = user.root.join("target").join("repro").join(job.recipe.stem());
    remove(&folder)?;
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Builds in a world, whose store goes away afterwards: it takes gigabytes.
fn build_in(user: &Context, job: &Job, world: &World, name: &str) -> Result<()> {
    fs::create_dir_all(&world.home)?;
    user.store.share_downloads(&Store::open(&world.store)?)?;
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
    remove(&world.store)
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
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    // A child has its parent's mask; nothing else of this process writes meanwhile.
    let ours = umask(Mode::from_raw_mode(world.umask));
    let child = command.spawn();
    umask(ours);
    child.and_then(|child| child.wait_with_output()).with_context(|| format!("running {}", words[0].display()))
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
