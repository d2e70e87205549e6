//! The command line of `toolchain`.

use super::{Common, Show, Work};
use clap::{Args, Subcommand};

const TOOLCHAIN_ENV: &str = "\
Examples:
  eval \"$(cargo xtask toolchain env stubdom)\"        in a shell, and then:
  ./configure --host=$CHOST && make                  GNU's way
  meson setup --cross-file $MESON_CROSS_FILE build   Meson's
  cmake -B build                                     CMake's, from 3.21
  $CHOST-run make                                    any program of the toolchain's";

#[derive(Debug, Args)]
pub struct Toolchain {
    #[command(subcommand)]
    pub verb: ToolchainVerb,
}

#[derive(Debug, Subcommand)]
pub enum ToolchainVerb {
    /// Verify the archive's signed index, resolve the wanted packages, write the lock
    Lock(ToolchainArgs),
    /// Check that the lock fits what is wanted and that its packages are what it says
    Verify(ToolchainArgs),
    /// Make a recipe's cross toolchain usable on this machine, and print what a shell exports for it
    #[command(after_help = TOOLCHAIN_ENV)]
    Env(ToolchainEnv),
}

#[derive(Debug, Args)]
pub struct ToolchainEnv {
    /// A cross toolchain, `[cross.<NAME>]` in a recipe
    pub name: String,
    /// The recipe whose toolchain it is, or the beginning of its name [default: the newest that has one of this name]
    pub recipe: Option<String>,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub work: Work,
}

#[derive(Debug, Args)]
pub struct ToolchainArgs {
    /// Stem of a file in toolchains/
    pub name: String,
    #[command(flatten)]
    pub common: Common,
}

impl Toolchain {
    /// How the chosen verb is shown.
    pub fn show(&self) -> Show {
        match &self.verb {
            ToolchainVerb::Lock(args) | ToolchainVerb::Verify(args) => args.common.show,
            ToolchainVerb::Env(args) => args.common.show,
        }
    }
}
