//! `patch rebase`, `continue`, `skip`, `abort`: queues carried to another version.
//!
//! The queues are saved when all of them are through. Until then a rebase lives in its own folder, and the repository is as it was.

use crate::cli::patch::{Going, Rebase};
use crate::context::{self, Context};
use crate::fault::Fault;
use crate::patches::rebase::desk::{self, Labels};
use crate::patches::rebase::plan::{self, Onto, Plan, Way};
use crate::patches::rebase::state::{Next, State};
use crate::patches::rebase::{AtConflict, Carry, Outcome, Side, Step, conflict, files, rebase, table};
use crate::patches::save;
use crate::report::Report;
use crate::{catalog, sources};
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::path::{Path, PathBuf};

pub fn run(args: &Rebase, report: &Report) -> Result<()> {
    let ctx = Context::of(report, &args.common)?;
    let recipe = catalog::find(&ctx.root, &args.recipe.wanted)?;
    let onto = Onto::read(&ctx.root, &args.onto)?;
    let plan = Plan::of(&ctx.root, &recipe, onto, args.source.as_deref())?;
    if plan.ways.is_empty() {
        report.result(
            &format!("{} has no patches to carry", plan.recipe),
            json!({ "recipe": plan.recipe, "queues": [] }),
        );
        return Ok(());
    }
    if args.dry_run {
        return try_out(&ctx, &plan);
    }
    let folder = plan::folder(&ctx.root, &plan.recipe, args.work.as_deref())?;
    if let Some(state) = State::load(&folder)? {
        return Err(under_way(&state, &ctx.root, &folder).into());
    }
    if let Some(source) = plan.occupied().filter(|_| !args.replace) {
        let (target, there) = (plan.onto.target(&plan.recipe, source), &plan.ways[source].there);
        return Err(Fault::usage(format!("{target} holds {} patches already", there.patches.len()))
            .cure("say --replace to put the carried queue in their place, or --dry-run to see what would become of it")
            .into());
    }
    for source in plan.ways.keys() {
        let work = folder.join(source);
        if work.is_dir() && fs_err::read_dir(&work)?.next().is_some() {
            return Err(Fault::usage(format!("{} is not empty, and no rebase is under way there", work.display()))
                .cure("remove it, or name another folder with --work DIR")
                .into());
        }
    }
    let state = State::new(&plan, args.source.clone(), args.replace);
    Run { ctx, plan, folder, state }.go_on()
}

pub fn go_on(args: &Going, report: &Report) -> Result<()> {
    resume(args, report, Mended::Yes)
}

pub fn skip(args: &Going, report: &Report) -> Result<()> {
    resume(args, report, Mended::LeaveOut)
}

pub fn abort(args: &Going, report: &Report) -> Result<()> {
    let root = context::checkout()?;
    let (folder, state) = find(&root, args)?;
    if state.next == Next::Save {
        return Err(Fault::usage(format!("the rebase of {} is done and its queues are being saved", state.recipe))
            .cure(format!("finish it: {}", verb("continue", &root, &state, &folder)))
            .into());
    }
    state.remove(&folder)?;
    report.result(
        &format!("the rebase of {} is given up; its queues are as they were", state.recipe),
        json!({ "recipe": state.recipe, "aborted": true }),
    );
    Ok(())
}

/// What the user says of the patch in conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mended {
    Yes,
    LeaveOut,
}

fn resume(args: &Going, report: &Report, mended: Mended) -> Result<()> {
    let ctx = Context::of(report, &args.common)?;
    let (folder, state) = find(&ctx.root, args)?;
    if state.next == Next::Save {
        return finish(&ctx, &folder, &state);
    }
    let recipe = catalog::find(&ctx.root, &state.recipe)?;
    let plan = Plan::of(&ctx.root, &recipe, state.onto.clone(), state.source.as_deref())?;
    state.check(&plan)?;
    let mut run = Run { ctx, plan, folder, state };
    run.settle(mended)?;
    run.go_on()
}

/// The rebase that is under way.
fn find(root: &Path, args: &Going) -> Result<(PathBuf, State)> {
    let recipe = catalog::find(root, &args.recipe.wanted)?.stem();
    let folder = plan::folder(root, &recipe, args.work.as_deref())?;
    match State::load(&folder)? {
        Some(state) if state.recipe == recipe => Ok((folder, state)),
        Some(state) => {
            Err(Fault::usage(format!("in {} {} is being rebased, not {recipe}", folder.display(), state.recipe))
                .cure("name that recipe, or the folder of this one with --work DIR")
                .into())
        }
        None => Err(Fault::usage(format!("no rebase of {recipe} is under way in {}", folder.display()))
            .cure(format!(
                "`cargo xtask patch rebase {recipe} --onto …` starts one; if it had a --work DIR, name that here too"
            ))
            .into()),
    }
}

/// A rebase that goes on until a conflict or its end.
struct Run {
    ctx: Context,
    plan: Plan,
    folder: PathBuf,
    state: State,
}

impl Run {
    fn go_on(mut self) -> Result<()> {
        for (source, way) in &self.plan.ways {
            let done = self.state.steps.remove(source).unwrap_or_default();
            let sides = Sides::obtain(&self.ctx, source, way)?;
            let carry = sides.carry(&self.plan, way);
            let steps = rebase(&self.ctx, &carry, done, AtConflict::Stop)?;
            let stops = conflict(&steps).is_some();
            self.state.steps.insert(source.clone(), steps);
            if stops {
                let source = source.clone();
                return self.stop(&source);
            }
        }
        self.state.next = Next::Save;
        self.state.save(&self.folder)?;
        finish(&self.ctx, &self.folder, &self.state)
    }

    /// Leaves the last step of the source to the user.
    fn stop(&mut self, source: &str) -> Result<()> {
        let way = &self.plan.ways[source];
        let sides = Sides::obtain(&self.ctx, source, way)?;
        let steps = &self.state.steps[source];
        let work = self.folder.join(source);
        let next = |head| Next::Resolve { source: source.to_owned(), head };
        self.state.next = next(None);
        self.state.save(&self.folder)?;
        let head = desk::lay_out(&work, &sides.carry(&self.plan, way), steps)?;
        self.state.next = next(Some(head.to_string()));
        self.state.save(&self.folder)?;

        self.ctx.report.result(&summary(&self.state), value(&self.state));
        let (step, files) = last(steps)?;
        let command = |name| verb(name, &self.ctx.root, &self.state, &self.folder);
        Err(Fault::failed(format!("{} conflicts with {} in {}", step.file, self.plan.onto.name(), files.join(", ")))
            .cure(format!(
                "mend the files in {}, `git add` them there, then `{}`;\n  `{}` leaves this patch out, `{}` gives up",
                work.display(),
                command("continue"),
                command("skip"),
                command("abort"),
            ))
            .into())
    }

    /// Takes over what the user has made of the conflict.
    fn settle(&mut self, mended: Mended) -> Result<()> {
        let Next::Resolve { source, head } = self.state.next.clone() else { return Ok(()) };
        let way = self.plan.ways.get(&source).context("the source in conflict has a queue")?;
        let steps = &self.state.steps[&source];
        let (_, files) = last(steps)?;
        // The work tree was not finished, so that nobody has mended anything, or knows what to leave out.
        let Some(head) = head else { return self.stop(&source) };
        let outcome = match mended {
            Mended::LeaveOut => (Outcome::Skipped, None),
            Mended::Yes => {
                let patch = &way.queue.patches[steps.len() - 1];
                let sides = Sides::obtain(&self.ctx, &source, way)?;
                let labels = Labels::of(&sides.carry(&self.plan, way), steps);
                let text = desk::resolution(&self.folder.join(&source), &head, patch, files, &labels)?;
                (Outcome::Resolved { files: files.to_vec() }, Some(text))
            }
        };
        let steps = self.state.steps.get_mut(&source).and_then(|steps| steps.last_mut());
        let step = steps.context("a conflict is a step")?;
        (step.outcome, step.text) = outcome;
        Ok(())
    }
}

/// The last step, which is in conflict, and its files.
fn last(steps: &[Step]) -> Result<(&Step, &[String])> {
    let step = steps.last().context("a conflict is a step")?;
    let Outcome::Conflict { files } = &step.outcome else { bail!("{} is not in conflict", step.file) };
    Ok((step, files))
}

/// Both sources of a queue's way.
struct Sides {
    old: sources::Checked,
    new: sources::Checked,
}

impl Sides {
    fn obtain(ctx: &Context, name: &str, way: &Way) -> Result<Sides> {
        Ok(Sides { old: sources::one(ctx, name, &way.old)?, new: sources::one(ctx, name, &way.new)? })
    }

    fn carry<'a>(&'a self, plan: &'a Plan, way: &'a Way) -> Carry<'a> {
        Carry {
            old: Side { source: &self.old, commit: way.old.commit.as_ref(), name: &plan.recipe },
            queue: &way.queue,
            new: Side { source: &self.new, commit: way.new.commit.as_ref(), name: plan.onto.name() },
        }
    }
}

fn try_out(ctx: &Context, plan: &Plan) -> Result<()> {
    let mut state = State::new(plan, None, false);
    for (source, way) in &plan.ways {
        let sides = Sides::obtain(ctx, source, way)?;
        let steps = rebase(ctx, &sides.carry(plan, way), Vec::new(), AtConflict::LeaveOut)?;
        state.steps.insert(source.clone(), steps);
    }
    ctx.report.result(&summary(&state), value(&state));
    let all = || state.steps.values().flatten();
    match all().filter(|step| matches!(step.outcome, Outcome::Conflict { .. })).count() {
        0 => Ok(()),
        count => Err(Fault::failed(format!("{count} of {} patches conflict", all().count()))
            .cure("without --dry-run the rebase stops at each of them with a work tree to mend it in")
            .into()),
    }
}

/// Saves the queues and clears up. When this is cut short, it can be done again.
fn finish(ctx: &Context, folder: &Path, state: &State) -> Result<()> {
    let mut text = summary(state);
    for (source, steps) in &state.steps {
        let target = state.onto.target(&state.recipe, source);
        let files = files(steps);
        save::save(&ctx.root.join(&target), &files)?;
        text += &format!("\n{target}: {} patches", files.len());
    }
    let mut value = value(state);
    if let Onto::Commit(commit) = &state.onto {
        let recipe = catalog::find(&ctx.root, &state.recipe)?;
        for source in state.steps.keys() {
            let new = plan::at_commit(&recipe.source[source], commit);
            let tree = sources::tree::id(sources::one(ctx, source, &new)?.path())?;
            text += &format!(
                "\nput into [source.{source}] of recipes/{}.toml:\n  commit = \"{commit}\"\n  tree   = \"{tree}\"",
                state.recipe
            );
            value["pin"] = json!({ "source": source, "commit": commit, "tree": tree });
        }
    }
    state.remove(folder)?;
    ctx.report.result(&text, value);
    Ok(())
}

fn summary(state: &State) -> String {
    let queue = |(source, steps): (&String, &Vec<Step>)| {
        let title = format!("{source}: {} → {}", state.recipe, state.onto.name());
        [vec![title, table::text(steps)], table::review(steps)].concat().join("\n")
    };
    state.steps.iter().map(queue).collect::<Vec<_>>().join("\n\n")
}

fn value(state: &State) -> serde_json::Value {
    let queue = |(source, steps): (&String, &Vec<Step>)| json!({ "source": source, "patches": table::value(steps) });
    let queues: Vec<_> = state.steps.iter().map(queue).collect();
    json!({ "recipe": state.recipe, "onto": state.onto.name(), "queues": queues })
}

/// A command for the user to run.
fn verb(name: &str, root: &Path, state: &State, folder: &Path) -> String {
    let usual = plan::folder(root, &state.recipe, None).is_ok_and(|usual| usual == folder);
    let work = if usual { String::new() } else { format!(" --work {}", folder.display()) };
    format!("cargo xtask patch {name} {}{work}", state.recipe)
}

fn under_way(state: &State, root: &Path, folder: &Path) -> Fault {
    let command = |name| verb(name, root, state, folder);
    Fault::usage(format!(
        "a rebase of {} onto {} is under way in {}",
        state.recipe,
        state.onto.name(),
        folder.display()
    ))
    .cure(format!("finish it with `{}`, or give it up with `{}`", command("continue"), command("abort")))
}
