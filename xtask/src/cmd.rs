//! The commands, one module a verb: each takes its options and the report, and calls the stages in order.

pub mod audit;
pub mod bench;
pub mod boot;
pub mod build;
pub mod bump;
pub mod check;
pub mod fetch;
pub mod list;
pub mod patch;
pub mod plan;
pub mod repro;
pub mod sbom;
pub mod shell;
pub mod store;
pub mod test;
pub mod toolchain;
pub mod verify;

use crate::cli::Verb;
use crate::report::Report;
use anyhow::Result;

pub fn run(verb: &Verb, report: &Report) -> Result<()> {
    match verb {
        Verb::List(args) => list::run(args, report),
        Verb::Plan(args) => plan::run(args, report),
        Verb::Fetch(args) => fetch::run(args, report),
        Verb::Build(args) => build::run(args, report),
        Verb::Shell(args) => shell::run(args, report),
        Verb::Audit(args) => audit::run(args, report),
        Verb::Check(args) => check::run(args, report),
        Verb::Repro(args) => repro::run(args, report),
        Verb::Boot(args) => boot::run(args, report),
        Verb::Verify(args) => verify::run(args, report),
        Verb::Patch(args) => patch::run(args, report),
        Verb::Bump(args) => bump::run(args, report),
        Verb::Sbom(args) => sbom::run(args, report),
        Verb::Toolchain(args) => toolchain::run(args, report),
        Verb::Store(args) => store::run(args, report),
        Verb::Test(args) => test::run(args, report),
        Verb::Bench(args) => bench::run(args, report),
    }
}
