//! The command line of `boot`.

use super::{Common, Wanted, Work};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  cargo xtask boot xen-4.17                            all cases, as many at once as there are cores
  cargo xtask boot xen-4.17 smoke                      hypervisor, dom0 and its daemons, in half a minute
  cargo xtask boot xen-4.17 --list                     which cases there are, and their broken inputs
  cargo xtask boot xen-4.17 hvm-stubdom-linux --timeline boot.html
                                                       who started when, for a browser
  cargo xtask boot xen-4.17 pvh --keep                 then work in the machine; its consoles are here
  cargo xtask boot xen-4.17 hvm --gdb xen              wait for gdb before the hypervisor's first instruction

Exit code 1 when a case fails. The consoles of each case stay in target/boot/<recipe>/<case>.";

#[derive(Debug, Args)]
pub struct Boot {
    #[command(flatten)]
    pub recipe: Wanted,
    /// Cases, stems of files in tests/boot [default: all that the recipe can run]
    #[arg(value_name = "CASE")]
    pub cases: Vec<String>,
    /// Show the cases and what each can be given that is broken
    #[arg(long)]
    pub list: bool,
    /// Give the case a deliberately broken input, by its name: it has to fail
    #[arg(long, value_name = "NAME", requires = "cases")]
    pub broken: Option<String>,
    /// What runs the machine; kvm needs nested virtualisation
    #[arg(long, value_enum, default_value_t = Emulator::Auto)]
    pub emulator: Emulator,
    /// Processors of the machine; dom0 gets one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub smp: u16,
    /// Memory of the machine, in MiB [default: 2048]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1024..=65536))]
    pub memory: Option<u32>,
    /// Open a gdb stub: `xen` for the machine from its first instruction, or a domain's name (`disk`, `disk-dm` for its
    /// stubdomain), which is stopped once xl has made it
    #[arg(long, value_name = "WHOM", requires = "cases")]
    pub gdb: Option<String>,
    /// Leave the machine running when the case has ended, its serial console on this terminal
    #[arg(long, requires = "cases", conflicts_with = "json")]
    pub keep: bool,
    /// Draw who started when, for a browser
    #[arg(long, value_name = "FILE")]
    pub timeline: Option<PathBuf>,
    /// Write the verdicts as JUnit's XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Where the consoles go [default: target/boot/<recipe>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub work: Work,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Emulator {
    /// Kvm where a machine in it can run a hypervisor of its own, else tcg
    Auto,
    /// The host's processor, which has to let a machine run guests of its own
    Kvm,
    /// Everything emulated, guest time counted in instructions: slow, and the same on every machine
    Tcg,
}
