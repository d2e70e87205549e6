//! Failures as a user meets them: what object, which cause, what cure, and the exit code that a script sees.
//!
//! A [`Fault`] travels inside `anyhow::Error`; context added on the way up names the object. This module does not print.

use std::fmt;

/// The exit codes of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A check failed or a step failed.
    Failed = 1,
    /// The command line or a recipe is wrong.
    Usage = 2,
    /// A source could not be had.
    Source = 3,
    /// Stopped by a signal; 128 + SIGINT, as shells report it.
    Interrupted = 130,
}

/// One failure with its way out.
#[derive(Debug)]
pub struct Fault {
    pub exit: Exit,
    /// The object, the place and the cause: lower case, no full stop.
    pub what: String,
    /// What the reader can do about it, when there is something.
    pub cure: Option<String>,
}

impl Fault {
    pub fn failed(what: impl Into<String>) -> Fault {
        Fault { exit: Exit::Failed, what: what.into(), cure: None }
    }

    pub fn usage(what: impl Into<String>) -> Fault {
        Fault { exit: Exit::Usage, what: what.into(), cure: None }
    }

    pub fn source(what: impl Into<String>) -> Fault {
        Fault { exit: Exit::Source, what: what.into(), cure: None }
    }

    pub fn cure(mut self, cure: impl Into<String>) -> Fault {
        self.cure = Some(cure.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fault {}

/// The exit code that an error asks for; an error that carries no [`Fault`] is a failed step.
pub fn exit_code(error: &anyhow::Error) -> i32 {
    innermost(error).map_or(Exit::Failed, |fault| fault.exit) as i32
}

/// The whole story on as many lines as it has causes: `error: …`, indented causes, and `help: …` where there is a cure.
pub fn render(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for (depth, cause) in error.chain().enumerate() {
        let label = if depth == 0 { "error: " } else { "\n  because: " };
        text.push_str(label);
        text.push_str(&cause.to_string());
    }
    if let Some(cure) = innermost(error).and_then(|fault| fault.cure.as_deref()) {
        text.push_str("\n  help: ");
        text.push_str(cure);
    }
    text
}

/// The fault that decides code and cure.
pub fn innermost(error: &anyhow::Error) -> Option<&Fault> {
    error.chain().filter_map(|cause| cause.downcast_ref::<Fault>()).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn the_innermost_fault_decides_code_and_cure() {
        let error = Err::<(), _>(Fault::source("no origin answered").cure("run `fetch` while online"))
            .context("fetching source xen")
            .unwrap_err();
        assert_eq!(exit_code(&error), 3);
        assert_eq!(
            render(&error),
            "error: fetching source xen\n  because: no origin answered\n  help: run `fetch` while online"
        );
        assert_eq!(exit_code(&anyhow::anyhow!("plain")), 1);
    }
}
