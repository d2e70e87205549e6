//! `build`: not written yet.

use crate::cli;
use crate::report::Report;
use anyhow::Result;

pub fn run(args: &cli::Build, report: &Report) -> Result<()> {
    let _ = (args, report);
    anyhow::bail!("not written")
}
