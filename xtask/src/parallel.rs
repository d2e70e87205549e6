//! Independent pieces of work on several threads.

use anyhow::Result;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Calls `work` for each number below `count`, with so many threads at once. After a failure nothing new is started; of
/// several failures the one of the lowest number is given.
pub fn each(threads: usize, count: usize, work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    let next = AtomicUsize::new(0);
    let failures: Mutex<BTreeMap<usize, anyhow::Error>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, count.max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        break;
                    }
                    if let Err(error) = work(at) {
                        failures.lock().unwrap_or_else(PoisonError::into_inner).insert(at, error);
                        next.store(count, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.into_values().next().map_or(Ok(()), Err)
}
