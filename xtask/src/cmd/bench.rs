//! `bench`: not written yet.

use crate::cli;
use crate::report::Report;
use anyhow::Result;

pub fn run(args: &cli::Bench, report: &Report) -> Result<()> {
    let _ = (args, report);
    anyhow::bail!("not written")
}
