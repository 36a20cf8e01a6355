//! Calls of small functions that exist for tests, for tests of providers that need one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use faast_core::Call;

use crate::remote;

static COUNTERS: Mutex<Vec<u64>> = Mutex::new(Vec::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Gives its argument back.
pub fn identity(n: u64) -> Call<u64> {
    remote::identity::call(n)
}

/// Ends its worker's process with this status.
pub fn exit(status: i32) -> Call<u32> {
    remote::crash::call(remote::Crash::Exit(status))
}

/// So many bytes that no compression makes fewer.
pub fn noise(seed: u64, bytes: usize) -> Call<Vec<u8>> {
    remote::noise::call(seed, bytes)
}

/// A counter of this process, at 0.
pub fn counter() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Counts one up, where workers are threads of this process. May not run twice.
pub fn count_once(counter: u64) -> Call<u64> {
    remote::count_once::call(counter)
}

/// Counts one up each time that it runs, where workers are threads of this process. May run twice.
pub fn count_again(counter: u64) -> Call<u64> {
    remote::count_again::call(counter)
}

/// How far a counter is.
pub fn counted(counter: u64) -> u64 {
    let counters = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
    counters.iter().filter(|counted| **counted == counter).count() as u64
}

pub(crate) fn count(counter: u64) -> u64 {
    COUNTERS.lock().unwrap_or_else(PoisonError::into_inner).push(counter);
    counter
}
