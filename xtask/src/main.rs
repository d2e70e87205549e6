//! The front door: parse the command line, run the command, say what went wrong, exit.

use clap::Parser as _;
use std::process::ExitCode;
use xtask::{cli, cmd, fault, interrupt, report::Report};

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let report = Report::new(cli.style());
    match interrupt::install().and_then(|()| cmd::run(&cli.verb, &report)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report.error(&error);
            ExitCode::from(fault::exit_code(&error) as u8)
        }
    }
}
