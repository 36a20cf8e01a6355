//! What AWS would charge for, counted in integers where it happens. Prices are no part of it.

/// Metered use since the emulator was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bill {
    /// Invocations that ran, and failed ones; refused ones are not charged for.
    pub requests: u64,
    /// Duration and initialisation, each invocation rounded up to a whole millisecond.
    pub billed_ms: u64,
    /// Billed milliseconds times the configured memory in MB.
    pub ms_mb: u64,
    /// Billed milliseconds times the temporary storage above 512 MB.
    pub storage_ms_mb: u64,
    /// Bytes of streamed answers above 6 MB each.
    pub streamed_bytes: u64,
    /// Bytes of the answers of invocations.
    pub answer_bytes: u64,
    /// Requests to queues, each for 64 KB, those of destinations included.
    pub queue_requests: u64,
    /// Requests to S3 that put, copy, post or list.
    pub storage_writes: u64,
    /// Other requests to S3, but for those that delete, which are free.
    pub storage_reads: u64,
    /// Bytes of objects that were read.
    pub storage_bytes_read: u64,
}

impl Bill {
    /// GB-seconds of duration, a GB being 1,024 MB.
    pub fn gb_seconds(&self) -> f64 {
        self.ms_mb as f64 / 1000.0 / 1024.0
    }
}

/// Temporary storage that nobody is charged for, in MB.
const FREE_STORAGE_MB: u32 = 512;

impl Bill {
    /// Adds a request to a queue that carries so many bytes of messages, in either direction.
    pub(super) fn count_queue(&mut self, bytes: usize) {
        self.queue_requests += (bytes as u64).div_ceil(64 << 10).max(1);
    }

    /// Adds an invocation that ran for that long.
    pub(super) fn add(&mut self, billed_ms: u64, memory_mb: u32, storage_mb: u32) {
        self.requests += 1;
        self.billed_ms += billed_ms;
        self.ms_mb += billed_ms * u64::from(memory_mb);
        self.storage_ms_mb += billed_ms * u64::from(storage_mb.saturating_sub(FREE_STORAGE_MB));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_storage_above_the_free_part_counts() {
        let mut bill = Bill::default();
        bill.add(20, 128, 512);
        bill.add(1000, 1024, 1024);
        assert_eq!((bill.requests, bill.billed_ms, bill.ms_mb), (2, 1020, 20 * 128 + 1000 * 1024));
        assert_eq!(bill.storage_ms_mb, 1000 * 512);
    }
}
