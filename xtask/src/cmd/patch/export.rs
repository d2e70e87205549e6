//! `patch export`.

use crate::cli::patch as cli;
use crate::report::Report;
use anyhow::Result;

pub fn run(_args: &cli::Export, _report: &Report) -> Result<()> {
    todo!()
}
