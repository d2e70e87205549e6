//! `patch rebase`.

use crate::cli::patch as cli;
use crate::report::Report;
use anyhow::Result;

pub fn run(_args: &cli::Rebase, _report: &Report) -> Result<()> {
    todo!()
}

pub fn go_on(_args: &cli::Going, _report: &Report) -> Result<()> {
    todo!()
}

pub fn skip(_args: &cli::Going, _report: &Report) -> Result<()> {
    todo!()
}

pub fn abort(_args: &cli::Going, _report: &Report) -> Result<()> {
    todo!()
}
