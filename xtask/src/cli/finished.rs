//! The options of the verbs that ask finished artifacts, and nothing else: `check` and `sbom`.

use super::Show;
use clap::{Args, Subcommand};
use std::path::PathBuf;

const QUERY: &str = "\
Examples:
  cargo xtask sbom query seabios             every file with code of SeaBIOS, and its version
  cargo xtask sbom query 'zlib < 1.2.13'     versions are compared as Debian does
  cargo xtask sbom query --advisory XSA-458  every file that was built with its patch";

#[derive(Debug, Args)]
pub struct Check {
    /// What a build wrote, such as target/dist/xen-4.17.5+72
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    #[command(flatten)]
    pub show: Show,
}

#[derive(Debug, Args)]
pub struct Sbom {
    #[command(subcommand)]
    pub verb: SbomVerb,
}

#[derive(Debug, Subcommand)]
pub enum SbomVerb {
    /// Name the files that hold or need a component, by the bills of the built recipes
    #[command(after_help = QUERY)]
    Query(SbomQuery),
}

#[derive(Debug, Args)]
pub struct SbomQuery {
    /// A component, with <, <=, =, >= or > and a version where only some are wanted
    #[arg(required_unless_present = "advisory")]
    pub question: Option<String>,
    /// Name the files that were built with the patch of an advisory instead
    #[arg(long, value_name = "ID", conflicts_with = "question")]
    pub advisory: Option<String>,
    /// The folder of one recipe's artifacts [default: all in target/dist]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub show: Show,
}
