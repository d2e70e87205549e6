//! The options of `patch` and `bump`.

use super::{Common, Show, Wanted};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  cargo xtask patch status xen-4.17                       what the queues hold, and whether it applies exactly
  cargo xtask patch edit xen-4.17 xen                     the queue as git commits, to work on with plain git
  cargo xtask patch refresh xen-4.17 xen                  write the commits back as patches
  cargo xtask patch import xen-4.17 xen xsa999.patch --class security
  cargo xtask patch rebase xen-4.17 --onto xen-4.20       carry the queues to another version";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Patch {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show each queue's patches with class, origin, and whether they apply exactly
    Status(Status),
    /// Open a queue as git commits, one per patch, in a work tree
    Edit(Edit),
    /// Write the commits of a work tree back as the queue, or bring a queue up to date with its source
    Refresh(Refresh),
    /// Take patches into a queue from a quilt directory, mails, a single patch or a git range
    Import(Import),
    /// Write a queue in the form that other packagers expect
    Export(Export),
    /// Carry the queues to another version
    Rebase(Rebase),
    /// Go on with a rebase whose conflict has been resolved
    Continue(Going),
    /// Leave out the patch that a rebase stopped at, and go on
    Skip(Going),
    /// Give up a rebase; nothing has been changed
    Abort(Going),
    /// Check the queues' form: headers, names, numbers, patches without effect
    Lint(Lint),
}

#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    pub recipe: Wanted,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct Edit {
    #[command(flatten)]
    pub recipe: Wanted,
    /// The source whose queue is opened
    pub source: String,
    /// Where the work tree goes; a folder that does not exist or is empty [default: target/edit/<recipe>/<source>]
    #[arg(long, value_name = "DIR")]
    pub work: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct Refresh {
    #[command(flatten)]
    pub recipe: Wanted,
    /// The source whose queue is written
    pub source: String,
    /// The work tree that `edit` made; without one, only offsets are taken out [default: target/edit/<recipe>/<source>]
    #[arg(long, value_name = "DIR")]
    pub work: Option<PathBuf>,
    /// Change nothing; fail when a refresh would
    #[arg(long)]
    pub check: bool,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub recipe: Wanted,
    /// The source whose queue takes the patches
    pub source: String,
    /// A quilt directory with `series`, a directory or mbox of mails, a patch, or a range such as DIR:A..B of a git repository
    pub from: String,
    /// The class whose numbers the patches get; by default names that are numbered are kept, others are of the distribution
    #[arg(long, value_enum)]
    pub class: Option<Class>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub recipe: Wanted,
    /// The source whose queue is written
    pub source: String,
    #[arg(long, value_enum)]
    pub format: Format,
    /// A folder that does not exist or is empty; for an mbox, a file that does not exist
    pub to: PathBuf,
    #[command(flatten)]
    pub common: Common,
}

/// What an export looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Patch files as they are, and a `series` file
    Quilt,
    /// One file of mails, for `git am`
    Mbox,
    /// Patch files with DEP-3 headers and a `series` file, as Debian's debian/patches
    Dep3Quilt,
}

/// What a patch is for, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Class {
    /// 0100–0199: build system, paths, reproducibility
    Build,
    /// 0200–0299: fixes of security advisories
    Security,
    /// 0300–0399: stubdomains
    Stubdom,
    /// 0400–0499: from a later version of upstream
    Backport,
    /// 0500–0899: what upstream does not have
    Feature,
    /// 1000–9999: a distribution's own queue, as it came
    Distribution,
}

#[derive(Debug, Args)]
pub struct Rebase {
    #[command(flatten)]
    pub recipe: Wanted,
    /// A recipe, or a commit of one source
    #[arg(long, value_name = "RECIPE|COMMIT")]
    pub onto: String,
    /// Only this source's queue; needed with a commit where the recipe has several queues
    #[arg(long)]
    pub source: Option<String>,
    /// Where work trees go; a folder that does not exist or is empty [default: target/rebase/<recipe>]
    #[arg(long, value_name = "DIR")]
    pub work: Option<PathBuf>,
    /// Only print what would become of each patch
    #[arg(long)]
    pub dry_run: bool,
    /// Replace queues that the other recipe already has
    #[arg(long)]
    pub replace: bool,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct Going {
    /// The recipe whose rebase is under way
    #[command(flatten)]
    pub recipe: Wanted,
    /// The folder that was given to `rebase` [default: target/rebase/<recipe>]
    #[arg(long, value_name = "DIR")]
    pub work: Option<PathBuf>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct Lint {
    /// A recipe, or the beginning of its name [default: every recipe]
    #[arg(value_name = "RECIPE")]
    pub wanted: Option<String>,
    #[command(flatten)]
    pub show: Show,
}

const BUMP: &str = "\
The release's tag must be signed by the key whose fingerprint the recipe pins as `signed-by`. The public key is looked for in \
recipes/keys/<source>.asc, the tag in the git repositories of the --mirror folders, your own clone for example, and then at the \
recipe's origins. So are the tags that Config.mk names; a source whose commit nobody knows is left out of the recipe.

Where every patch fits, the recipe and its queues are written. Where one does not, the recipe is written without queues, the exit \
code is 1, and `patch rebase RECIPE --onto NEW` carries the queues and stops at the conflict. After any other failure nothing has \
been written.

Examples:
  cargo xtask bump xen-4.17.4 4.17.6 --dry-run                 only show it
  cargo xtask bump xen-4.17.4 4.17.6 --mirror ~/src --offline  from clones in a folder";

#[derive(Debug, Args)]
#[command(after_help = BUMP)]
pub struct Bump {
    #[command(flatten)]
    pub recipe: Wanted,
    /// The new upstream version, such as 4.17.6
    pub version: String,
    /// Only print what would be written
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub common: Common,
}

impl Patch {
    pub fn show(&self) -> Show {
        match &self.verb {
            Verb::Status(args) => args.common.show,
            Verb::Edit(args) => args.common.show,
            Verb::Refresh(args) => args.common.show,
            Verb::Import(args) => args.common.show,
            Verb::Export(args) => args.common.show,
            Verb::Rebase(args) => args.common.show,
            Verb::Continue(args) | Verb::Skip(args) | Verb::Abort(args) => args.common.show,
            Verb::Lint(args) => args.show,
        }
    }
}
