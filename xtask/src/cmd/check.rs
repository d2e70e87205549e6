//! `check`: whether the artifacts in a folder agree with each other, whoever made them. Builds nothing and asks no store.

use crate::check;
use crate::cli;
use crate::fault::Fault;
use crate::report::Report;
use anyhow::Result;
use serde_json::json;

pub fn run(args: &cli::Check, report: &Report) -> Result<()> {
    let checked = check::folder(&args.folder)?;
    let count = checked.findings.len();
    let mut text = format!(
        "{} artifacts, {} opened with {} paths: {} findings\n",
        checked.artifacts, checked.opened, checked.paths, count
    );
    for finding in &checked.findings {
        text += &format!("  {finding}\n");
    }
    report.result(text.trim_end(), json!(checked));
    match count {
        0 => Ok(()),
        1 => Err(Fault::failed("the artifacts have 1 finding").into()),
        _ => Err(Fault::failed(format!("the artifacts have {count} findings")).into()),
    }
}
