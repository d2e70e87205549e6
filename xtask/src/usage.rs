//! What this process has used so far: its own CPU time, its ended children's, and its peak memory. Read from `/proc` (proc(5)).

use anyhow::{Context as _, Result};
use fs_err as fs;

/// `USER_HZ`: the unit of times in `/proc/<pid>/stat`, fixed on Linux's interface to user space.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Seconds of CPU, user and system together.
    pub own: f64,
    /// Seconds of CPU of children that have been waited for.
    pub children: f64,
    /// Bytes.
    pub peak_memory: u64,
}

impl Usage {
    pub fn now() -> Result<Usage> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        let status = fs::read_to_string("/proc/self/status")?;
        parse(&stat, &status).context("reading /proc/self/stat and /proc/self/status")
    }
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The second field is a name in brackets that may hold anything; the third follows the last bracket.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let seconds = |field: usize| Some(fields.get(field - 3)?.parse::<f64>().ok()? / TICKS_PER_SECOND);
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = peak.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(Usage {
        own: seconds(14)? + seconds(15)?,
        children: seconds(16)? + seconds(17)?,
        peak_memory: kibibytes << 10,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_proc_5() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 1000 20 20 0 1 0 100 0 0";
        let usage = parse(stat, "Name:\ta\nVmHWM:\t    2048 kB\n").unwrap();
        assert_eq!(usage, Usage { own: 2.0, children: 10.2, peak_memory: 2 << 20 });
        assert!(Usage::now().unwrap().peak_memory > 0);
    }
}
