//! Ctrl-C and SIGTERM: remembers that the user asked to stop, so that every loop and every wait can end in order.
//!
//! The first signal asks for an orderly end: children are ended, half-made work is taken away. A second one ends at once.

use crate::fault::{Exit, Fault};
use anyhow::{Context as _, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

fn flag() -> &'static Arc<AtomicBool> {
    STOP.get_or_init(|| Arc::new(AtomicBool::new(false)))
}

/// Catches SIGINT and SIGTERM from now on.
pub fn install() -> Result<()> {
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // The conditional shutdown is registered first: it sees the flag as the previous signal left it.
        signal_hook::flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, Arc::clone(flag()))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(flag())))
            .context("installing the signal handlers")?;
    }
    Ok(())
}

/// True once a signal came.
pub fn requested() -> bool {
    flag().load(Ordering::Relaxed)
}

/// An error once a signal came; called between pieces of work.
pub fn check() -> Result<()> {
    if requested() {
        return Err(Fault {
            exit: Exit::Interrupted,
            what: "interrupted".to_owned(),
            cure: Some("run the same command again: finished steps are kept".to_owned()),
        }
        .into());
    }
    Ok(())
}
