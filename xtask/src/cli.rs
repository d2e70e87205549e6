//! The command line: verbs, their options, their help. What the verbs do stands in `cmd`.

pub mod boot;
mod finished;
pub mod patch;
pub mod toolchain;

pub use finished::{Check, Sbom, SbomQuery, SbomVerb};

use crate::recipe::{self, Format, Recipe};
use crate::report::Style;
use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::io::IsTerminal as _;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cargo xtask build xen-4.17.5+72     build it, into target/dist/xen-4.17.5+72
  cargo xtask build xen-4.17          the same for the highest version that matches
  cargo xtask fetch xen-4.17          bring what a build without a network needs
  cargo xtask plan xen-4.17 --json    the steps, their keys, and what is cached
  cargo xtask test                    the project's own tests

Exit codes: 0 done, 1 a check or a step failed, 2 wrong usage or recipe, 3 a source could not be had.";

const SHELL: &str = "\
Examples:
  cargo xtask shell xen-4.17 tools    where the step `tools` runs, before its script
  cargo xtask shell xen-4.17          the same for the first step of `plan`
  cargo xtask shell xen-4.17 --toolchain stubdom
                                      where programs for a stubdomain are built
  cargo xtask shell xen-4.17 --toolchain stubdom --dir . -- make
                                      the same without a shell, in a folder of yours";

const REPRO: &str = "\
Examples:
  cargo xtask repro xen-4.17                          two builds of one's own
  cargo xtask repro xen-4.17 --inside                 to find what the sandbox's fixed layout hides
  cargo xtask repro xen-4.17 --against theirs         one build beside somebody else's artifacts
  cargo xtask repro xen-4.17 --against theirs --built the same without a build

Exit code 1 when anything differs. The artifacts of the builds stay in target/repro/<recipe>/{first,second}/dist.";

const VERIFY: &str = "\
Examples:
  cargo xtask verify --published                      every recipe that names a published package
  cargo xtask verify --published debian-xen-4.17      one of them

The packages come by hash from a Debian mirror, or from the snapshot archive once mirrors have
dropped them. Exit code 1 when a file differs.";

/// Builds Xen from pinned sources into relocated, audited, reproducible artifacts.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show every recipe with its version, support and sources
    List(List),
    /// Show a recipe's steps with their keys, and what is cached
    Plan(Plan),
    /// Bring all that an offline build of a recipe needs
    Fetch(Fetch),
    /// Download, verify, build, relocate, audit and pack a recipe
    Build(Build),
    /// Enter a step's sandbox, with its inputs and environment
    #[command(after_help = SHELL)]
    Shell(Shell),
    /// Check a built recipe's relocated tree and show all findings
    Audit(Audit),
    /// Check that the artifacts in a folder, packages and papers, agree with each other
    Check(Check),
    /// Build a recipe twice under different circumstances and compare every byte
    #[command(after_help = REPRO)]
    Repro(Repro),
    /// Start what a recipe builds in an emulated machine: hypervisor, dom0, guests, stubdomains
    #[command(after_help = boot::EXAMPLES)]
    Boot(boot::Boot),
    /// Compare what a recipe builds with what a distribution published of it
    #[command(after_help = VERIFY)]
    Verify(Verify),
    /// Ask what the built artifacts are made of
    Sbom(Sbom),
    /// Keep patch queues: refresh, import, export, rebase
    Patch(patch::Patch),
    /// Write the recipe of a new upstream version, with its queues carried over
    Bump(patch::Bump),
    /// Lock a toolchain's packages, check the lock, or use a cross toolchain
    Toolchain(toolchain::Toolchain),
    /// Look after the store of downloads and results
    Store(Store),
    /// Run the project's own tests
    Test(Test),
    /// Measure the builder beside the same work done by hand
    Bench(Bench),
}

#[derive(Debug, Args)]
pub struct List {
    /// Ask whether each recipe's sources can be had from here
    #[arg(long)]
    pub reachable: bool,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub recipe: Wanted,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct Fetch {
    #[command(flatten)]
    pub recipe: Wanted,
    /// And all that starting what is built needs
    #[arg(long)]
    pub boot: bool,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct Build {
    #[command(flatten)]
    pub recipe: Wanted,
    #[command(flatten)]
    pub packing: Packing,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub work: Work,
    #[command(flatten)]
    pub out: Out,
}

#[derive(Debug, Args)]
pub struct Shell {
    #[command(flatten)]
    pub recipe: Wanted,
    /// The step whose sandbox is entered, by default the first; its needs are built before
    pub step: Option<String>,
    /// Enter a sandbox with this cross toolchain of the recipe instead: its sysroot, its tools, an empty /build
    #[arg(long, value_name = "NAME", conflicts_with = "step")]
    pub toolchain: Option<String>,
    /// The folder that is /build [default: an empty one that goes away]
    #[arg(long, value_name = "DIR", requires = "toolchain")]
    pub dir: Option<PathBuf>,
    /// What is run there instead of a shell
    #[arg(last = true, value_name = "COMMAND", requires = "toolchain")]
    pub command: Vec<String>,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub work: Work,
}

#[derive(Debug, Args)]
pub struct Audit {
    #[command(flatten)]
    pub recipe: Wanted,
    /// Another recipe: check too that both can be installed in one root
    #[arg(long, value_name = "RECIPE")]
    pub with: Option<String>,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub work: Work,
}

#[derive(Debug, Args)]
pub struct Repro {
    #[command(flatten)]
    pub recipe: Wanted,
    /// Build once, and compare with the artifacts in a folder
    #[arg(long, value_name = "DIR")]
    pub against: Option<PathBuf>,
    /// Build nothing: compare what is in --out
    #[arg(long, requires = "against")]
    pub built: bool,
    /// Vary the sandbox's own layout too, to find leaks that the fixed one hides: path, user, host name, locale…
    #[arg(long, conflicts_with = "built")]
    pub inside: bool,
    /// Write a report for a browser
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Open what differs in a diffoscope, from a locked toolchain; its report goes before the result, or into a file
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub diffoscope: Option<Option<PathBuf>>,
    #[command(flatten)]
    pub common: Common,
    /// How many jobs run at once in the first build; the second has one more [default: the number of cores]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Keep the second build's store, and use what it has: recipes that are proven one after another build once what they share
    #[arg(long, value_name = "DIR", conflicts_with = "built")]
    pub second_store: Option<PathBuf>,
    /// Where the artifacts of --built are [default: target/dist/<recipe>]
    #[arg(long, value_name = "DIR", requires = "built")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// Compare with the packages that the recipe calls published
    #[arg(long, required = true)]
    pub published: bool,
    /// A recipe, or the beginning of its name [default: all that name a published package]
    #[arg(value_name = "RECIPE")]
    pub recipe: Option<String>,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub work: Work,
}

#[derive(Debug, Args)]
pub struct Store {
    #[command(subcommand)]
    pub verb: StoreVerb,
}

#[derive(Debug, Subcommand)]
pub enum StoreVerb {
    /// Read everything again and name what is damaged or was tampered with
    Verify(StoreVerify),
    /// Remove what failed or killed builds left, and what has not been used for long
    Gc(StoreGc),
    /// Say what takes how much room
    Du(StoreDu),
}

#[derive(Debug, Args)]
pub struct StoreVerify {
    /// Remove what is damaged; the next build makes it again
    #[arg(long)]
    pub repair: bool,
    #[command(flatten)]
    pub show: Show,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub struct StoreGc {
    /// Remove results and downloads that no build has used for so many days
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub unused_days: u64,
    /// Remove more, the longest unused first, until so many GiB are left
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..1 << 30))]
    pub max_gib: Option<u64>,
    #[command(flatten)]
    pub show: Show,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub struct StoreDu {
    #[command(flatten)]
    pub show: Show,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Args)]
pub struct Test {
    /// Build and boot the real recipes too, from an empty store (more than an hour on two cores)
    #[arg(long)]
    pub slow: bool,
    /// Leave out the others: a continuous integration has run them before
    #[arg(long, requires = "slow")]
    pub only: bool,
    /// Leave out the tests whose names have this part; may be repeated
    #[arg(long, value_name = "PART", requires = "slow")]
    pub skip: Vec<String>,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub net: Net,
}

#[derive(Debug, Args)]
pub struct Bench {
    /// What to measure; the recipe's whole build takes several minutes [default: all]
    #[arg(value_enum)]
    pub names: Vec<BenchName>,
    /// The recipe to measure with
    #[arg(long, default_value = "xen-4.17.5+72")]
    pub recipe: String,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub work: Work,
}

/// In the order in which they are run: each leaves behind what the next one needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum BenchName {
    /// A toolchain root from packages that are at hand, beside dpkg-deb and tar
    Root,
    /// The whole build from an empty store, beside the same scripts one after another
    Build,
    /// The same build again, beside the same scripts again
    Nothing,
    /// A patch to the tools, beside the tools compiled for the first time
    Patch,
    /// A patch queue applied, verified and refreshed, beside quilt and git am
    Queue,
    /// Two sets of artifacts compared, beside diffoscope
    Compare,
    /// The .deb set from an empty store, beside Debian's own build of its source package
    Deb,
}

/// Which recipe.
#[derive(Debug, Args)]
pub struct Wanted {
    /// A recipe, or the beginning of its name: the highest version that matches is taken
    #[arg(value_name = "RECIPE")]
    pub wanted: String,
}

/// What a verb takes that may have to fetch something.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    #[command(flatten)]
    pub show: Show,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub net: Net,
}

/// How a run is shown.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Show {
    /// Write one JSON object a line to standard output
    #[arg(long)]
    pub json: bool,
    /// Show nothing but the result and errors
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
}

/// Where results are kept.
#[derive(Clone, Debug, Default, Args)]
pub struct Place {
    /// The store [default: xenwright in the user's cache directory]
    #[arg(long, value_name = "DIR", env = "XENWRIGHT_STORE", hide_env_values = true)]
    pub store: Option<PathBuf>,
}

/// Where content may come from.
#[derive(Clone, Debug, Default, Args)]
pub struct Net {
    /// Ask nothing over the network
    #[arg(long)]
    pub offline: bool,
    /// A folder with tarballs, by name or hash, and git repositories; asked first, may be repeated
    #[arg(long = "mirror", value_name = "DIR")]
    pub mirrors: Vec<PathBuf>,
    /// Base address of a Debian mirror [default: the one that apt uses]
    #[arg(long, value_name = "URL", env = "XENWRIGHT_DEBIAN_MIRROR", hide_env_values = true)]
    pub debian_mirror: Option<String>,
}

/// How steps are run.
#[derive(Clone, Debug, Default, Args)]
pub struct Work {
    /// How many jobs run at once, in all steps together; one more while several steps run [default: the number of cores]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Compile everything anew, without the compile cache in the store
    #[arg(long)]
    pub no_ccache: bool,
}

/// How the tree is packed, where not as the recipe says.
#[derive(Clone, Debug, Default, Args)]
pub struct Packing {
    /// arch, deb, rpm, tar, joined by commas [default: the recipe's]
    #[arg(long = "format", value_name = "FORMAT", value_delimiter = ',', value_parser = format)]
    pub formats: Vec<Format>,
    /// The packaging's number, which follows the version: 4.17.5+72-2 [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub revision: Option<u32>,
}

fn format(text: &str) -> std::result::Result<Format, String> {
    let known = || Format::ALL.map(Format::name).join(", ");
    Format::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| format!("expected one of {}", known()))
}

impl Packing {
    /// Lets the options stand in for what the recipe says.
    pub fn overrule(&self, recipe: &mut Recipe) -> Result<()> {
        if !self.formats.is_empty() {
            recipe.formats = self.formats.iter().copied().collect();
        }
        recipe.revision = self.revision.unwrap_or(recipe.revision);
        recipe::check_formats(recipe)
    }
}

/// Where artifacts go.
#[derive(Clone, Debug, Default, Args)]
pub struct Out {
    /// Where the artifacts go [default: target/dist/<recipe>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

impl Cli {
    /// How the chosen verb is shown.
    pub fn style(&self) -> Style {
        let show = match &self.verb {
            Verb::List(args) => args.common.show,
            Verb::Plan(args) => args.common.show,
            Verb::Fetch(args) => args.common.show,
            Verb::Build(args) => args.common.show,
            Verb::Shell(args) => args.common.show,
            Verb::Audit(args) => args.common.show,
            Verb::Check(args) => args.show,
            Verb::Bench(args) => args.common.show,
            Verb::Repro(args) => args.common.show,
            Verb::Boot(args) => args.common.show,
            Verb::Verify(args) => args.common.show,
            Verb::Sbom(Sbom { verb: SbomVerb::Query(args) }) => args.show,
            Verb::Patch(args) => args.show(),
            Verb::Bump(args) => args.common.show,
            Verb::Toolchain(args) => args.show(),
            Verb::Store(Store { verb: StoreVerb::Verify(args) }) => args.show,
            Verb::Store(Store { verb: StoreVerb::Gc(args) }) => args.show,
            Verb::Store(Store { verb: StoreVerb::Du(args) }) => args.show,
            Verb::Test(_) => Show::default(),
        };
        if show.json {
            Style::Json
        } else if show.quiet {
            Style::Silent
        } else if std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb") {
            Style::Terminal
        } else {
            Style::Plain
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_with_jobs_refuses_none() {
        assert!(Cli::try_parse_from(["xtask", "build", "xen", "--jobs", "0"]).is_err());
        assert!(Cli::try_parse_from(["xtask", "build", "xen", "--jobs", "2"]).is_ok());
    }

    #[test]
    fn a_misspelt_verb_is_answered_with_the_right_one() {
        let message = Cli::try_parse_from(["xtask", "biuld"]).unwrap_err().to_string();
        assert!(message.contains("build"), "{message}");
    }
}
