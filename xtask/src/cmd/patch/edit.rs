//! `patch edit`.

use crate::cli::patch as cli;
use crate::report::Report;
use anyhow::Result;

pub fn run(_args: &cli::Edit, _report: &Report) -> Result<()> {
    todo!()
}
