//! `boot`: a recipe's packages started in emulated machines, one for each case, and a verdict on each. What the store lacks is built.

mod choice;
mod packages;

use crate::boot::case::Case;
use crate::boot::dom0::{Content, Dom0, Extra};
use crate::boot::emulator::{Accelerator, Emulator, Gdb};
use crate::boot::event::Record;
use crate::boot::kernel::{self, Kernel};
use crate::boot::machine::{Machine, Patience};
use crate::boot::verdict::Verdict;
use crate::boot::{self, accelerator, guest, report as shown, timeline};
use crate::catalog;
use crate::cli;
use crate::context::Context;
use crate::fault::Fault;
use crate::job::Job;
use crate::parallel;
use crate::report::Report;
use crate::rootfs;
use crate::store::Stored;
use crate::toolchain::Toolchain;
use crate::toolkit::quoted;
use anyhow::{Context as _, Result};
use fs_err as fs;
use packages::Packages;
use std::collections::BTreeMap;
use std::path::Path;

pub fn run(args: &cli::boot::Boot, report: &Report) -> Result<()> {
    let ctx = Context::open(report, &args.common.place, &args.common.net, &args.work)?;
    let cases = choice::choose(&ctx.root, args)?;
    // Whoever mistyped a folder should not learn it after the machines have run.
    for (option, file) in [("--junit", &args.junit), ("--timeline", &args.timeline)] {
        let folder = file.as_ref().and_then(|file| file.parent()).filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let what = format!("{option}: there is no folder {}", folder.display());
            return Err(Fault::usage(what).cure("make it first, or name a file in another one").into());
        }
    }
    let recipe = catalog::find(&ctx.root, &args.recipe.wanted)?;
    let cases: Vec<Case> = cases.iter().map(|case| case.of(&recipe)).collect();
    if args.list {
        let (text, value) = choice::list(&cases);
        report.result(&text, value);
        return Ok(());
    }
    let job = Job::with(&ctx, &ctx.root, recipe)?;
    let stem = job.recipe.stem();
    let toolchain = rootfs::obtain(&ctx, &Toolchain::load(&ctx.root, boot::TOOLCHAIN)?)?;
    let kernel = kernel::obtain(&ctx, &toolchain)?;
    let accelerator = accelerator::choose(&ctx, &toolchain.path, wanted(args.emulator))?;
    let packages = Packages::bring(&ctx, &job, &kernel, &cases)?;
    let bench = Bench { ctx: &ctx, args, job: &job, toolchain, kernel, accelerator, packages };
    let folder = match &args.out {
        Some(folder) => std::path::absolute(folder)?,
        None => ctx.root.join("target/boot").join(&stem),
    };

    // Each machine of one processor keeps one busy; those that may take longest go first, so that none is left alone at the end.
    let machines = (ctx.jobs / usize::from(args.smp)).max(1);
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(cases[*at].limit));
    let verdicts = parallel::map(machines, cases.len(), &|turn| {
        let at = order[turn];
        Ok((at, bench.start(&cases[at], &folder.join(&cases[at].name))?))
    })?;
    let verdicts: Vec<Verdict> = verdicts.into_iter().collect::<BTreeMap<_, _>>().into_values().collect();

    for (file, text) in
        [(&args.junit, shown::junit(&stem, &verdicts)), (&args.timeline, timeline::page(&stem, &verdicts))]
    {
        if let Some(file) = file {
            fs::write(file, text)?;
        }
    }
    report.result(&shown::text(&stem, &verdicts), shown::json(&stem, &verdicts));
    let bad: Vec<String> = verdicts.iter().filter(|verdict| !verdict.good()).map(shown::title).collect();
    if bad.is_empty() {
        return Ok(());
    }
    let what = format!("{} of {} cases failed: {}", bad.len(), verdicts.len(), bad.join(", "));
    Err(Fault::failed(what).cure(format!("read their consoles in {}", folder.display())).into())
}

/// What the command line says of the emulator; none when it leaves the choice.
fn wanted(emulator: cli::boot::Emulator) -> Option<Accelerator> {
    match emulator {
        cli::boot::Emulator::Auto => None,
        cli::boot::Emulator::Kvm => Some(Accelerator::Kvm),
        cli::boot::Emulator::Tcg => Some(Accelerator::Tcg),
    }
}

/// What the machines of all cases have in common.
struct Bench<'a> {
    ctx: &'a Context,
    args: &'a cli::boot::Boot,
    job: &'a Job,
    toolchain: Stored,
    kernel: Kernel,
    accelerator: Accelerator,
    packages: Packages,
}

impl Bench<'_> {
    /// Runs one case and leaves its consoles in `folder`.
    fn start(&self, case: &Case, folder: &Path) -> Result<Verdict> {
        let dom0 = self.packages.dom0(case);
        if let Err(reason) = case.applies(&self.job.recipe.series, |path| dom0.has(path)) {
            return Ok(Verdict::not_applicable(case, reason));
        }
        let (case, files) = self.prepare(case)?;
        let broken = case.applied.as_ref().map(|applied| format!(" --broken {}", applied.name)).unwrap_or_default();
        let task = self.ctx.report.begin("boot", &format!("{}{broken}", case.name), None);
        let record = self.record(&case, dom0, &files, &|said| task.say(said));
        let record = record.with_context(|| format!("running case {}", case.name))?;
        let verdict = Verdict::of(&case, &record);
        keep(&record, folder)?;
        task.done(&format!("{} after {:.1} s of guest time", shown::word(&verdict), verdict.guest_seconds));
        if !verdict.good() {
            self.ctx.report.warn(&shown::failure(&verdict, &folder.display().to_string()));
        }
        Ok(verdict)
    }

    /// The case with all that is known of its guests filled in, and what it adds to dom0.
    fn prepare(&self, case: &Case) -> Result<(Case, Vec<Extra>)> {
        let mut whole = case.clone();
        let mut files = Vec::new();
        for (name, guest) in &case.guest {
            let made = guest::make(self.ctx, &self.toolchain, guest.boots, name)?;
            whole = whole.with(name, &made.facts)?;
            files.extend(made.files.into_iter().map(|(file, from)| extra(&file, Content::File(from))));
        }
        for deb in self.packages.upgrade(case) {
            let name = deb.file_name().unwrap_or_default().to_string_lossy();
            files.push(extra(&format!("upgrade/{name}"), Content::File(deb.clone())));
        }
        let recipe = &self.job.recipe;
        let words = [
            ("PRIVATE", &recipe.relocate.private),
            ("SERIES", &recipe.series),
            ("VERSION", &recipe.version.to_string()),
        ];
        let environment: String = words.iter().map(|(name, value)| format!("{name}={}\n", quoted(value))).collect();
        let mut text = |name: &str, text: &str| files.push(extra(name, Content::Text(text.to_owned())));
        text("environment", &environment);
        text("run", &whole.run);
        if !whole.before.is_empty() {
            text("before", &whole.before);
        }
        for (name, guest) in &whole.guest {
            text(&format!("{name}.cfg"), &guest.config);
        }
        Ok((whole, files))
    }

    fn record(&self, case: &Case, dom0: &Dom0, files: &[Extra], tell: &dyn Fn(&str)) -> Result<Record> {
        let work = self.ctx.store.work("case")?;
        let ramdisk = work.path().join("ramdisk");
        dom0.ramdisk(files, &ramdisk)?;
        let machine = Machine {
            emulator: self.emulator(case),
            xen: dom0.hypervisor(&self.job.recipe.series),
            linux: self.kernel.vmlinux(),
            image: ramdisk,
            limit: case.limit as f64,
            patience: Patience::default(),
        };
        machine.run(self.ctx, &self.toolchain.path, tell)
    }

    fn emulator(&self, case: &Case) -> Emulator {
        let usual = Emulator::default();
        let gdb = self.args.gdb.as_ref().map(|whom| match whom.as_str() {
            "xen" => Gdb::Xen,
            guest => Gdb::Guest(guest.to_owned()),
        });
        Emulator {
            accelerator: self.accelerator,
            processors: self.args.smp,
            memory: self.args.memory.unwrap_or(usual.memory),
            cpu: case.cpu.clone(),
            xen: case.xen.clone(),
            keep: self.args.keep,
            gdb,
            ..usual
        }
    }
}

/// A file below /case.
fn extra(name: &str, content: Content) -> Extra {
    Extra { path: format!("case/{name}"), mode: 0o644, content }
}

/// Leaves what a machine said in `folder`, and nothing that an earlier one said there.
fn keep(record: &Record, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    for (name, text) in shown::files(record) {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap_or(folder))?;
        fs::write(file, text)?;
    }
    Ok(())
}
