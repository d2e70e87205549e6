//! Chooses what runs a machine's instructions: KVM where a machine in it can have machines of its own, else TCG. That `/dev/kvm` opens
//! proves nothing: a small kernel that tries it is started (`probe.s`).

use super::emulator::{self, Accelerator};
use crate::context::Context;
use crate::fault::Fault;
use crate::sandbox::Sandbox;
use anyhow::{Context as _, Result};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const PROBE: &str = include_str!("probe.s");

/// The host's way to its processor's virtualisation.
const KVM: &str = "/dev/kvm";

/// What the probe ends the emulator with.
const YES: i32 = 3;
const NO: i32 = 5;

/// Longer than the probe takes by far: seconds.
const PATIENCE: &str = "20";

/// The accelerator that is wanted, or else the better one of those that work. `root` is the unpacked boot toolchain.
///
/// # Errors
///
/// When KVM is wanted and cannot do it.
pub fn choose(ctx: &Context, root: &Path, wanted: Option<Accelerator>) -> Result<Accelerator> {
    if wanted == Some(Accelerator::Tcg) {
        return Ok(Accelerator::Tcg);
    }
    let reason = match fs::OpenOptions::new().read(true).write(true).open(KVM) {
        Ok(_) => nests(ctx, root, Accelerator::Kvm, "host")?.err(),
        Err(error) => Some(error.to_string()),
    };
    match reason {
        None => Ok(Accelerator::Kvm),
        Some(_) if wanted.is_none() => Ok(Accelerator::Tcg),
        Some(reason) => Err(Fault::failed(format!("KVM of this machine cannot run Xen with guests: {reason}"))
            .cure("take `--emulator tcg`, which asks nothing of the host")
            .into()),
    }
}

/// Whether a machine with this accelerator and model of processor can have machines of its own; why not, if it cannot.
///
/// # Errors
///
/// When that could not be tried.
pub fn nests(ctx: &Context, root: &Path, accelerator: Accelerator, cpu: &str) -> Result<Result<(), String>> {
    let work = ctx.store.work("probe")?;
    fs::write(work.path().join("probe.s"), PROBE)?;
    let mut writable = vec![(work.path().to_owned(), "/out".to_owned())];
    if accelerator == Accelerator::Kvm {
        writable.push((PathBuf::from(KVM), KVM.to_owned()));
    }
    let sandbox = Sandbox { writable, ..Sandbox::new(root, "/out") };
    let made = sandbox
        .command(
            ctx,
            &["/bin/sh", "-ec", "as --32 -o probe.o probe.s; ld -m elf_i386 -Ttext 0x100000 -o probe probe.o"],
        )?
        .output()?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr).trim().to_owned();
        return Err(Fault::failed(format!("the kernel that tries virtualisation cannot be made: {said}")).into());
    }
    let machine = format!("q35,accel={accelerator}");
    let words =
        ["timeout", "--signal=KILL", PATIENCE, emulator::PROGRAM, "-no-user-config", "-nodefaults", "-no-reboot"];
    let words = words.into_iter().chain(["-display", "none", "-m", "64", "-machine", &machine, "-cpu", cpu]);
    let words = words.chain(["-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-kernel", "probe"]);
    let mut command = sandbox.command(ctx, &words.collect::<Vec<_>>())?;
    let tried = command.stdout(Stdio::null()).output().context("starting the emulator")?;
    Ok(match tried.status.code() {
        Some(YES) => Ok(()),
        Some(NO) => Err("the processor that it gives to a machine has neither SVM nor VMX".to_owned()),
        // The processor starts again from its reset when it meets what it cannot do, which `-no-reboot` makes the end.
        Some(0) => Err("a machine in it that starts one of its own fails".to_owned()),
        _ => match emulator::last_words(&String::from_utf8_lossy(&tried.stderr)) {
            said if said.is_empty() => Err(format!("the emulator ended with {}", tried.status)),
            said => Err(said),
        },
    })
}
