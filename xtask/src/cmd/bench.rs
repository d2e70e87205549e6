//! `bench`: the builder beside the same work done by hand, in one run on one machine. Ratios are what counts: a machine's seconds
//! are its own.
//!
//! The store is one of its own, made anew below `target/bench`; downloads are shared with the user's store.

mod compare;
mod debian;
mod patch;
mod queue;
mod root;

use super::build;
use crate::builder;
use crate::cli::{self, BenchName};
use crate::context::Context;
use crate::fault::Fault;
use crate::interrupt;
use crate::job::Job;
use crate::report::Report;
use crate::table::table;
use crate::usage::Usage;
use crate::{rootfs, sandbox, sources};
use anyhow::{Context as _, Result};
use clap::ValueEnum as _;
use fs_err as fs;
use serde::Serialize;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Repetitions of what takes milliseconds; their median counts.
const REPEATS: usize = 11;

/// One figure.
#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    /// With its unit.
    measured: String,
    /// The other side of the ratio, with its unit.
    beside: String,
    /// Measured by beside, where the two are of one kind.
    ratio: Option<f64>,
    bound: &'static str,
}

/// The benchmark's surroundings.
struct Bench {
    ctx: Context,
    options: (cli::Net, cli::Work),
    job: Job,
    folder: PathBuf,
}

pub fn run(args: &cli::Bench, report: &Report) -> Result<()> {
    let user = Context::open(report, &args.common.place, &args.common.net, &args.work)?;
    let job = Job::new(&user, &args.recipe)?;
    sources::obtain(&user, &job.recipe)?;
    for toolchain in job.toolchains.values() {
        rootfs::fetch(&user, toolchain)?;
    }
    sandbox::bubblewrap(&user)?;
    let bench = Bench::new(&user, job, args)?;

    let mut names = args.names.clone();
    if names.is_empty() {
        names = BenchName::value_variants().to_vec();
    }
    names.sort();
    names.dedup();
    let mut rows = Vec::new();
    for name in names {
        interrupt::check()?;
        match name {
            BenchName::Root => rows.extend(root::run(&bench)?),
            BenchName::Build => rows.extend(bench.build()?),
            BenchName::Nothing => rows.push(bench.nothing()?),
            BenchName::Patch => rows.extend(patch::run(&bench)?),
            BenchName::Queue => rows.extend(queue::run(&bench)?),
            BenchName::Compare => rows.extend(compare::run(&user, &bench)?),
            BenchName::Deb => rows.extend(debian::run(&bench)?),
        }
    }
    report.result(&shown(&rows), json!(rows));
    Ok(())
}

impl Bench {
    fn new(user: &Context, job: Job, args: &cli::Bench) -> Result<Bench> {
        let folder = user.root.join("target").join("bench");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        // The hand compiles everything anew, and so does what is in this context; the program that is measured has its own.
        let options = (args.common.net.clone(), cli::Work { jobs: args.work.jobs, no_ccache: true });
        let ctx = empty(user, &options, &folder.join("store"))?;
        Ok(Bench { ctx, options, job, folder })
    }

    /// A store without results; what was downloaded is in it.
    fn empty(&self, name: &str) -> Result<Context> {
        empty(&self.ctx, &self.options, &self.folder.join(name))
    }

    /// The whole build by this program, then by hand.
    fn build(&self) -> Result<Vec<Row>> {
        for toolchain in self.job.toolchains.values() {
            rootfs::obtain(&self.ctx, toolchain)?;
        }
        let (here, result) = self.timed_build(&self.ctx, &self.ctx.root, &[])?;
        let before = Usage::now()?.children;
        let by_hand = self.by_hand()?;
        let cpu_by_hand = Usage::now()?.children - before;
        // What no scheduler can go below on this machine, at the CPU time that the hand took.
        let packed = Duration::from_secs_f64(cpu_by_hand / self.ctx.jobs as f64);
        let cpu = |who: &str| result["cpu-seconds"][who].as_f64().context("the result of `build` lacks its CPU time");
        let (own, steps) = (cpu("builder")?, cpu("steps")?);
        let peak = result["peak-memory-bytes"].as_f64().context("the result of `build` lacks its memory")?;
        Ok(vec![
            ratio("whole build, wall", here, by_hand, "≤ 0.85"),
            ratio("the hand's CPU on all processors at once", packed, by_hand, ""),
            Row {
                what: "builder's own CPU beside the steps'",
                measured: format!("{own:.1} s"),
                beside: format!("{steps:.1} s"),
                ratio: Some(own / steps),
                bound: "≤ 0.03",
            },
            Row {
                what: "builder's own peak memory",
                measured: format!("{:.0} MB", peak / 1e6),
                beside: String::new(),
                ratio: None,
                bound: "≤ 200 MB",
            },
        ])
    }

    /// A build with nothing to do, and the scripts again in their finished folders.
    fn nothing(&self) -> Result<Row> {
        self.timed_build(&self.ctx, &self.ctx.root, &[])?;
        let mut times = Vec::new();
        for _ in 0..REPEATS {
            times.push(self.timed_build(&self.ctx, &self.ctx.root, &[])?.0);
        }
        if !self.hand().exists() {
            self.by_hand()?;
        }
        Ok(ratio("build with nothing to do, wall", median(times), self.by_hand()?, "≤ 50 ms"))
    }

    fn hand(&self) -> PathBuf {
        self.folder.join("hand")
    }

    fn by_hand(&self) -> Result<Duration> {
        let task = self.ctx.report.begin("bench", "the scripts by hand", None);
        let (ctx, plan) = (&self.ctx, &self.job.plan);
        let time = build::with_inputs(ctx, &self.job, |inputs| builder::by_hand(ctx, plan, inputs, &self.hand()))?;
        task.done("done");
        Ok(time)
    }

    /// Runs this program's `build` as a user does, in `checkout` and with the store of `ctx`: how long it took, and its result.
    #[expect(clippy::disallowed_methods, reason = "the program measures itself from outside")]
    fn timed_build(&self, ctx: &Context, checkout: &Path, options: &[&str]) -> Result<(Duration, Value)> {
        let task = self.ctx.report.begin("bench", &format!("build {}", self.job.recipe.stem()), None);
        let program = std::env::current_exe().context("finding this program")?;
        let words: Vec<OsString> = vec![
            "build".into(),
            self.job.recipe.stem().into(),
            "--json".into(),
            "--offline".into(),
            format!("--jobs={}", ctx.jobs).into(),
            "--store".into(),
            ctx.store.root().into(),
            "--out".into(),
            self.folder.join("out").into(),
        ];
        let start = Instant::now();
        let output =
            Command::new(program).args(words).args(options).current_dir(checkout).stdin(Stdio::null()).output()?;
        let time = start.elapsed();
        let last = String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned();
        let event: Value = serde_json::from_str(&last).unwrap_or_default();
        if !output.status.success() {
            let text = event["text"].as_str().unwrap_or("it said nothing").to_owned();
            return Err(Fault::failed(format!("the measured build failed:\n{text}")).into());
        }
        task.done("done");
        Ok((time, event["result"].clone()))
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ratio(what: &'static str, measured: Duration, beside: Duration, bound: &'static str) -> Row {
    let ratio = measured.as_secs_f64() / beside.as_secs_f64();
    Row { what, measured: seconds(measured), beside: seconds(beside), ratio: Some(ratio), bound }
}

fn seconds(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

fn shown(rows: &[Row]) -> String {
    let mut lines = vec![["WHAT", "MEASURED", "BESIDE", "RATIO", "BOUND"].map(str::to_owned)];
    for row in rows {
        let ratio = row.ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default();
        lines.push([row.what.to_owned(), row.measured.clone(), row.beside.clone(), ratio, row.bound.to_owned()]);
    }
    table(&lines)
}

fn empty(from: &Context, (net, work): &(cli::Net, cli::Work), store: &Path) -> Result<Context> {
    let ctx = Context::open(&from.report, &cli::Place { store: Some(store.to_owned()) }, net, work)?;
    from.store.share_downloads(&ctx.store)?;
    Ok(ctx)
}
