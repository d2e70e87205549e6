//! Runs steps side by side: a thread for each, one pool of job tokens for all, one loop that starts, watches and stops them.
//!
//! A step takes its first token here, before it starts; `make` inside takes and gives back the others. So the machine runs
//! as many jobs as it was told to, and one more, however many steps there are.

use super::Materials;
use super::failure::last_line;
use super::schedule::{Item, Schedule};
use super::step::{self, Job, wait};
use crate::context::Context;
use crate::fault::Fault;
use crate::interrupt;
use crate::plan::{Plan, Planned};
use crate::report::Task;
use crate::store::{Cost, Stored};
use anyhow::{Context as _, Result};
use jobserver::{Acquired, Client};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Scope;
use std::time::Duration;

/// How often logs are looked at, and whether the user wants to stop.
const TICK: Duration = Duration::from_millis(300);

/// How a step's thread ended well.
pub enum Ended {
    Made(Stored, Cost),
    /// Made by another process meanwhile.
    Found(Stored),
    /// Ended because the build ends.
    Stopped,
}

enum Event {
    Token(std::io::Result<Acquired>),
    Ended(String, Result<Ended>),
}

/// A step under way, as the loop sees it.
struct Running {
    task: Task,
    log: PathBuf,
}

/// Runs the `missing` steps and adds their outputs. After a failure no step starts any more and those that run are ended;
/// what was finished is kept.
pub fn run(
    ctx: &Context,
    plan: &Plan,
    missing: &BTreeSet<String>,
    outputs: &mut BTreeMap<String, Stored>,
    materials: &Materials,
) -> Result<()> {
    let mut items = Vec::new();
    for planned in plan.steps.iter().filter(|planned| missing.contains(&planned.name)) {
        let cost = match ctx.store.last_cost(&planned.name) {
            Some(cost) => cost,
            None => step::guess(&planned.step, materials)?,
        };
        items.push(Item { name: planned.name.clone(), needs: planned.step.inputs().cloned().collect(), cost });
    }
    let jobserver = Client::new(tokens(ctx.jobs, items.len())).context("making the jobserver")?;
    let children = Children::default();
    let (events, inbox) = mpsc::channel();
    let tokens = {
        let events = events.clone();
        // The receiver is gone only when the build has ended, and then the token is dropped with the message.
        jobserver.clone().into_helper_thread(move |token| drop(events.send(Event::Token(token))))?
    };
    let mut pool = Pool {
        ctx,
        plan,
        materials,
        jobserver,
        children: &children,
        events,
        schedule: Schedule::new(items),
        running: BTreeMap::new(),
        failures: Vec::new(),
        stopping: false,
    };
    std::thread::scope(|scope| {
        let mut asked = 0;
        loop {
            pool.look_for_interrupt();
            // One request for each step that could start: a token is worth having only for those.
            while !pool.stopping && asked < pool.schedule.ready() {
                tokens.request_token();
                asked += 1;
            }
            if pool.running.is_empty() && (pool.stopping || asked == 0) {
                return;
            }
            match inbox.recv_timeout(TICK) {
                Ok(Event::Token(token)) => {
                    asked -= 1;
                    match token.context("taking a job token") {
                        Ok(token) => pool.start(scope, token, outputs),
                        Err(error) => pool.fail(error),
                    }
                }
                Ok(Event::Ended(name, result)) => pool.ended(&name, result, outputs),
                Err(RecvTimeoutError::Timeout) => pool.running.values().for_each(Running::show),
                Err(RecvTimeoutError::Disconnected) => unreachable!("the pool holds a sender"),
            }
        }
    });
    interrupt::check()?;
    all_of(pool.failures).map_or(Ok(()), Err)
}

/// How many job tokens there are. One more than processors, where there are several of both: while a step runs its serial
/// parts or waits for the disk another one goes on, and the step that parallelises worst is under way early even when
/// nobody knows yet which one that is. Observed with Xen on two processors: the same CPU seconds (332 with two tokens, 327
/// with three).
fn tokens(jobs: usize, steps: usize) -> usize {
    if jobs > 1 && steps > 1 { jobs + 1 } else { jobs }
}

struct Pool<'a> {
    ctx: &'a Context,
    plan: &'a Plan,
    materials: &'a Materials,
    jobserver: Client,
    children: &'a Children,
    events: Sender<Event>,
    schedule: Schedule,
    running: BTreeMap<String, Running>,
    failures: Vec<anyhow::Error>,
    /// Nothing starts any more.
    stopping: bool,
}

impl<'a> Pool<'a> {
    fn look_for_interrupt(&mut self) {
        if interrupt::requested() {
            self.stop();
        }
    }

    fn fail(&mut self, error: anyhow::Error) {
        self.failures.push(error);
        self.stop();
    }

    fn stop(&mut self) {
        self.stopping = true;
        self.children.stop();
    }

    /// Starts the most urgent step; without one the token goes back.
    fn start<'s>(&mut self, scope: &'s Scope<'s, '_>, token: Acquired, outputs: &BTreeMap<String, Stored>)
    where
        'a: 's,
    {
        if self.stopping {
            return;
        }
        let Some(name) = self.schedule.start() else { return };
        let planned = self.planned(&name);
        let inputs = planned.step.inputs().map(|name| (name.clone(), outputs[name].clone())).collect();
        let job = Job { ctx: self.ctx, plan: self.plan, planned, materials: self.materials, inputs };
        let task = self.ctx.report.begin("step", &name, None);
        self.running.insert(name.clone(), Running { task, log: self.ctx.store.log(&planned.key) });
        let (jobserver, children, events) = (self.jobserver.clone(), self.children, self.events.clone());
        scope.spawn(move || {
            let result = job.run(&jobserver, children);
            // Given back before the next step asks for it.
            drop(token);
            // The loop listens until every thread has reported.
            drop(events.send(Event::Ended(name, result)));
        });
    }

    fn ended(&mut self, name: &str, result: Result<Ended>, outputs: &mut BTreeMap<String, Stored>) {
        self.schedule.ended(name);
        let Some(Running { task, .. }) = self.running.remove(name) else { return };
        match result {
            Ok(Ended::Made(stored, cost)) => {
                task.done(&format!("built with {:.1} s of CPU", cost.cpu_ms as f64 / 1000.0));
                outputs.insert(name.to_owned(), stored);
            }
            Ok(Ended::Found(stored)) => {
                task.done("built by another process");
                outputs.insert(name.to_owned(), stored);
            }
            Ok(Ended::Stopped) => drop(task),
            Err(error) => {
                drop(task);
                // Another step's end is not this one's fault; an interrupt speaks for itself.
                if !interrupt::requested() {
                    self.fail(error);
                }
            }
        }
    }

    fn planned(&self, name: &str) -> &'a Planned {
        self.plan.steps.iter().find(|planned| planned.name == name).expect("the schedule is made of the plan")
    }
}

impl Running {
    fn show(&self) {
        if let Some(line) = last_line(&self.log) {
            self.task.say(&line);
        }
    }
}

/// All failures as one error; the first one's exit code and cure.
fn all_of(mut failures: Vec<anyhow::Error>) -> Option<anyhow::Error> {
    if failures.len() < 2 {
        return failures.pop();
    }
    let texts: Vec<String> = failures.iter().map(|error| format!("{error:#}")).collect();
    let cure = failures[0].downcast_ref::<Fault>().and_then(|fault| fault.cure.clone());
    Some(Fault { exit: crate::fault::Exit::Failed, what: texts.join("\n"), cure }.into())
}

/// The processes under way, so that they can be ended all at once.
#[derive(Default)]
pub struct Children {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stopped: bool,
    pids: BTreeSet<i32>,
}

impl Children {
    /// Runs a command to its end: its status and processor time in milliseconds. Nothing when it was ended by
    /// [`Children::stop`] or not started at all.
    ///
    /// The thread that calls this must live until then: the kernel ends a sandbox with the thread that started it
    /// (prctl(2), PR_SET_PDEATHSIG).
    pub fn run(&self, command: &mut Command) -> Result<Option<(ExitStatus, u64)>> {
        let mut child = {
            let mut state = self.state();
            if state.stopped {
                return Ok(None);
            }
            let child =
                command.spawn().with_context(|| format!("starting {}", command.get_program().to_string_lossy()))?;
            state.pids.insert(pid(&child));
            child
        };
        let number = pid(&child);
        let ended = wait(&mut child, || {
            self.state().pids.remove(&number);
        })?;
        Ok(if self.stopped() && !ended.0.success() { None } else { Some(ended) })
    }

    /// Ends every process, and lets none start any more. Bubblewrap takes all that runs inside with it.
    pub fn stop(&self) {
        let mut state = self.state();
        if state.stopped {
            return;
        }
        state.stopped = true;
        for pid in state.pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            // It may have ended by itself a moment ago; it is not reaped yet, so the number is still its own.
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    pub fn stopped(&self) -> bool {
        self.state().stopped
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pid(child: &std::process::Child) -> i32 {
    Pid::from_child(child).as_raw_nonzero().get()
}
