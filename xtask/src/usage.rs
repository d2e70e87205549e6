//! What processes have used: CPU time and peak memory, read from `/proc` (proc(5)).

use anyhow::{Context as _, Result};
use fs_err as fs;
use rustix::process::Pid;

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
        parse(&stat, &status, rustix::param::clock_ticks_per_second())
            .context("reading /proc/self/stat and /proc/self/status")
    }
}

/// Milliseconds of CPU of an ended child and all its ended children. Only before it is reaped is there something to read.
pub fn of_ended(child: Pid) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero())).ok()?;
    let times = times(&stat, rustix::param::clock_ticks_per_second())?;
    Some((times.iter().sum::<f64>() * 1000.0) as u64)
}

fn parse(stat: &str, status: &str, ticks_per_second: u64) -> Option<Usage> {
    let [user, system, children_user, children_system] = times(stat, ticks_per_second)?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = peak.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(Usage { own: user + system, children: children_user + children_system, peak_memory: kibibytes << 10 })
}

/// Fields 14 to 17 of `/proc/<pid>/stat` in seconds: user and system time, and those of children that were waited for.
fn times(stat: &str, ticks_per_second: u64) -> Option<[f64; 4]> {
    // The second field is a name in brackets that may hold anything; the third follows the last bracket.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let mut times = [0.0; 4];
    for (time, field) in times.iter_mut().zip(fields.get(11..15)?) {
        *time = field.parse::<f64>().ok()? / ticks_per_second as f64;
    }
    Some(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_proc_5() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 1000 20 20 0 1 0 100 0 0";
        let usage = parse(stat, "Name:\ta\nVmHWM:\t    2048 kB\n", 100).unwrap();
        assert_eq!(usage, Usage { own: 2.0, children: 10.2, peak_memory: 2 << 20 });
        assert!(Usage::now().unwrap().peak_memory > 0);
    }
}
