//! Numbered pieces of work, on as many threads as are free.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls `work` with every number below `count`, on all threads of the pool unless `serial`.
///
/// Whoever is free takes the next number, and a thread that comes late finds nothing to do: on a
/// busy machine the one that asked does most of it.
pub(crate) fn each(count: usize, serial: bool, work: impl Fn(usize) + Sync) {
    let helpers = rayon::current_num_threads().min(count).saturating_sub(1);
    if serial || helpers == 0 {
        (0..count).for_each(work);
        return;
    }
    let next = AtomicUsize::new(0);
    let run = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            work(index);
        }
    };
    rayon::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|_| run());
        }
        run();
    });
}
