//! `patch lint`.

use crate::cli::patch as cli;
use crate::report::Report;
use anyhow::Result;

pub fn run(_args: &cli::Lint, _report: &Report) -> Result<()> {
    todo!()
}
