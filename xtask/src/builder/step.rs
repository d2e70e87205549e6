//! One step: its folder, its sandbox, its process, its result.

use super::Materials;
use super::failure::Failure;
use super::pool::{Children, Ended};
use super::{ccache, kconfig, sysroot};
use crate::context::Context;
use crate::fault::Fault;
use crate::filter::Filter;
use crate::plan::{Plan, Planned};
use crate::recipe::Step;
use crate::sandbox::{self, Sandbox};
use crate::store::{Begin, Cost, Making, Stored};
use crate::tree::{self, Times};
use crate::usage;
use anyhow::{Context as _, Result};
use fs_err as fs;
use jobserver::Client;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Instant;

/// Where a step finds its script and the options it should set.
pub const SCRIPT: &str = "/in/.script";
const KCONFIG: &str = "/in/.kconfig";

/// A step that has to run, with all it needs.
pub struct Job<'a> {
    pub ctx: &'a Context,
    pub plan: &'a Plan,
    pub planned: &'a Planned,
    pub materials: &'a Materials,
    /// Outputs of the steps that it is made from.
    pub inputs: BTreeMap<String, Stored>,
}

impl Job<'_> {
    /// Runs the step, unless another process has made its output meanwhile.
    pub fn run(&self, jobserver: &Client, children: &Children) -> Result<Ended> {
        let Planned { name, key, .. } = self.planned;
        let making = match self.ctx.store.begin_unless(key, &format!("step {name}"), || children.stopped())? {
            Some(Begin::Found(stored)) => return Ok(Ended::Found(stored)),
            Some(Begin::Make(making)) => making,
            None => return Ok(Ended::Stopped),
        };
        let start = Instant::now();
        self.prepare(making.folder()).map_err(|error| self.ctx.store.explain(error))?;
        let mut command =
            self.sandbox(making.folder(), making.root())?.command(self.ctx, &["/bin/sh", "-eu", SCRIPT])?;
        share(jobserver, &mut command);
        let log = fs::File::create(self.ctx.store.log(key)).map_err(|error| self.ctx.store.explain(error.into()))?;
        command.stdout(log.file().try_clone()?).stderr(log.into_parts().0);
        // In a group of its own, so that Ctrl-C on the terminal reaches this program alone, which then ends its children in
        // order.
        command.process_group(0);
        let Some((status, cpu_ms)) = children.run(&mut command)? else { return Ok(Ended::Stopped) };
        if let Some(outcome) = self.problem(status, making.folder())? {
            return Err(self.failed(outcome, making)?);
        }
        tree::stamp(making.root(), self.epoch())?;
        let cost = Cost { wall_ms: start.elapsed().as_millis().try_into().unwrap_or(u64::MAX), cpu_ms };
        let stored = making.finish(Some(cost))?;
        self.ctx.store.remember_cost(name, cpu_ms)?;
        Ok(Ended::Made(stored, cost))
    }

    /// Fills the step's folder: `build`, `script`, `kconfig`, `sysroot` and `ccache`.
    pub fn prepare(&self, folder: &Path) -> Result<()> {
        let Planned { name, step, script, .. } = self.planned;
        let source = &self.materials.sources[&step.source];
        let filter = Filter::new(&step.paths)?;
        tree::copy_filtered(source, &folder.join("build"), |path| filter.keeps(path), Times::At(self.epoch()))
            .with_context(|| format!("preparing the folder of step {name}"))?;
        fs::write(folder.join("script"), self.ctx.store.disguise().script(script))?;
        if let Some(kconfig) = &step.kconfig {
            fs::write(folder.join("kconfig"), kconfig::fragment(&kconfig.options))?;
        }
        if !step.sysroot.is_empty() {
            let parts = step.sysroot.iter().map(|part| (part, &self.inputs[part]));
            sysroot::merge(parts, &folder.join("sysroot"))?;
        }
        ccache::wrap(&self.root().path, &folder.join("ccache"))
    }

    /// The root of the step's toolchain.
    fn root(&self) -> &Stored {
        &self.materials.roots[&self.planned.toolchain]
    }

    /// The sandbox over a prepared folder, with `out` as `/out`.
    pub fn sandbox(&self, folder: &Path, out: &Path) -> Result<Sandbox> {
        let Planned { step, env, .. } = self.planned;
        let mut env = env.clone();
        let mut writable = vec![(folder.join("build"), "/build".to_owned()), (out.to_owned(), "/out".to_owned())];
        let mut readonly: Vec<(PathBuf, String)> =
            step.needs.iter().map(|name| (self.inputs[name].path.clone(), format!("/in/{name}"))).collect();
        if !step.sysroot.is_empty() {
            readonly.push((folder.join("sysroot"), sandbox::SYSROOT.to_owned()));
        }
        readonly.push((folder.join("script"), SCRIPT.to_owned()));
        if step.kconfig.is_some() {
            readonly.push((folder.join("kconfig"), KCONFIG.to_owned()));
            env.insert("KCONFIG".to_owned(), KCONFIG.to_owned());
        }
        if self.ctx.ccache {
            writable.push((self.ctx.store.ccache(), ccache::CACHE.to_owned()));
            readonly.push((folder.join("ccache"), ccache::COMPILERS.to_owned()));
            let path = env.get("PATH").map_or(sandbox::PATH, String::as_str).to_owned();
            env.extend(ccache::env(self.root().key.as_str(), &path));
        }
        let root = self.root().path.clone();
        Ok(Sandbox { writable, readonly, env, ..Sandbox::new(root, "/build") })
    }

    /// What is wrong with the step's end, if something is.
    fn problem(&self, status: ExitStatus, folder: &Path) -> Result<Option<String>> {
        if let Some(code) = status.code().filter(|code| *code != 0) {
            return Ok(Some(format!("failed with exit status {code}")));
        }
        if !status.success() {
            return Ok(Some(format!("was ended by {status}")));
        }
        let Some(wanted) = &self.planned.step.kconfig else { return Ok(None) };
        let config = match fs::read_to_string(folder.join("build").join(&wanted.file)) {
            Ok(config) => config,
            Err(error) => return Ok(Some(format!("left no {}: {error}", wanted.file))),
        };
        let lost = kconfig::lost(&wanted.options, &config);
        if lost.is_empty() {
            return Ok(None);
        }
        Ok(Some(format!("lost options that the recipe asks for, in {}:\n  {}", wanted.file, lost.join("\n  "))))
    }

    /// Keeps the step's folder and says what happened.
    fn failed(&self, outcome: String, making: Making) -> Result<anyhow::Error> {
        let log = self.ctx.store.log(&self.planned.key);
        let failure = Failure { recipe: &self.plan.recipe, step: &self.planned.name, outcome, log: &log };
        let fault: Fault = failure.into_fault()?;
        making.keep_failed()?;
        Ok(fault.into())
    }

    /// The clock of the step's files, in seconds since 1970.
    fn epoch(&self) -> u64 {
        self.planned.env.get("SOURCE_DATE_EPOCH").and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
    }
}

/// What a step may cost in CPU milliseconds when no earlier build has told: by the bytes of source that it sees. The scale
/// is that of Xen's hypervisor and tools, about 10 s for a megabyte.
pub fn guess(step: &Step, materials: &Materials) -> Result<u64> {
    let filter = Filter::new(&step.paths)?;
    let found = tree::walk(&materials.sources[&step.source])?;
    let seen = found.iter().filter(|found| found.metadata.is_file() && filter.keeps(&found.path));
    Ok(seen.map(|found| found.metadata.len()).sum::<u64>() / 100)
}

/// Lets every `make` below the command draw from the one pool.
fn share(jobserver: &Client, command: &mut Command) {
    // The client tells its descriptors only through the variable that it sets for cargo.
    jobserver.configure(command);
    let flags = command.get_envs().find_map(|(name, value)| (name == "CARGO_MAKEFLAGS").then_some(value).flatten());
    let descriptors =
        flags.and_then(|flags| flags.to_str()?.rsplit_once("--jobserver-auth=")).map(|(_, fds)| fds.to_owned());
    command.env_remove("CARGO_MAKEFLAGS");
    if let Some(descriptors) = descriptors {
        command.env("MAKEFLAGS", format!("-j --jobserver-auth={descriptors}"));
    }
}

/// Waits for a child and reaps it. `gone` is called when it has ended and its number is still its own.
pub fn wait(child: &mut Child, gone: impl FnOnce()) -> Result<(ExitStatus, u64)> {
    let pid = Pid::from_child(child);
    rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT))?;
    let cpu_ms = usage::of_ended(pid).unwrap_or(0);
    gone();
    Ok((child.wait()?, cpu_ms))
}
