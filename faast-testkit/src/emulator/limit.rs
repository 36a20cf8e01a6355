//! Rates and counts that AWS limits: token buckets on the emulator's clock, and invocations that run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Tokens that come back at a steady rate.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    per_second: f64,
    capacity: f64,
    tokens: f64,
    at_ms: u64,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(per_second: f64, capacity: u32) -> Self {
        Self { per_second, capacity: f64::from(capacity), tokens: f64::from(capacity), at_ms: 0 }
    }

    /// Takes a token from a bucket whose rate is this from now on, with room for what comes in a second.
    pub(crate) fn take_at(&mut self, now_ms: u64, per_second: u32) -> bool {
        (self.per_second, self.capacity) = (f64::from(per_second), f64::from(per_second));
        self.take(now_ms)
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now_ms: u64) -> bool {
        let passed = now_ms.saturating_sub(self.at_ms) as f64 / 1000.0;
        self.at_ms = self.at_ms.max(now_ms);
        self.tokens = (self.tokens + passed * self.per_second).min(self.capacity);
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

/// How many run. Written when invocations begin and end, read by the next that wants to begin.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running(Arc<AtomicU32>);

impl Running {
    /// Counts one more, unless so many run already.
    pub(crate) fn begin(&self, limit: u32) -> Option<Permit> {
        let more = |count: u32| (count < limit).then_some(count + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Permit(self.clone()))
    }
}

/// One that runs, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Running);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_what_its_rate_allows() {
        let mut bucket = Bucket::new(15.0, 15);
        let taken = |bucket: &mut Bucket, now| (0..100).filter(|_| bucket.take(now)).count();
        assert_eq!(taken(&mut bucket, 1_000_000), 15);
        assert_eq!(taken(&mut bucket, 1_000_000), 0);
        assert_eq!(taken(&mut bucket, 1_000_200), 3);
        assert_eq!(taken(&mut bucket, 1_100_000), 15);
    }

    #[test]
    fn no_more_run_than_may() {
        let running = Running::default();
        let permits: Vec<_> = (0..5).filter_map(|_| running.begin(3)).collect();
        assert_eq!(permits.len(), 3);
        drop(permits);
        assert!(running.begin(1).is_some());
    }
}
