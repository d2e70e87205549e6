//! `toolchain`: locks the packages of a toolchain, and checks a lock.

use crate::cli::{self, ToolchainVerb};
use crate::context::Context;
use crate::debian::lock;
use crate::report::Report;
use crate::toolchain::Deb;
use anyhow::Result;
use serde_json::json;

pub fn run(args: &cli::Toolchain, report: &Report) -> Result<()> {
    let (verb, args, debs) = match &args.verb {
        ToolchainVerb::Lock(args) => ("locked", args, lock::make(&open(args, report)?, &args.name)?.debs),
        ToolchainVerb::Verify(args) => ("verified", args, lock::verify(&open(args, report)?, &args.name)?.debs),
    };
    let size: u64 = debs.iter().map(|Deb { size, .. }| size).sum();
    let text = format!("toolchain {} {verb}: {} packages, {} MiB", args.name, debs.len(), size >> 20);
    report.result(&text, json!({ "toolchain": args.name, "packages": debs.len(), "bytes": size }));
    Ok(())
}

fn open(args: &cli::ToolchainArgs, report: &Report) -> Result<Context> {
    Context::of(report, &args.common)
}
