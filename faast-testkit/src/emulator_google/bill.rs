//! What Google would charge for, counted in integers where it happens. Prices are no part of it.

use std::time::Duration;

/// Metered use since the emulator was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bill {
    /// Requests to services that reached an instance.
    pub requests: u64,
    /// Time of instances with a request or starting, each span rounded up to 100 ms.
    pub billed_ms: u64,
    /// Billed milliseconds times the thousandths of a vCPU.
    pub ms_mcpu: u64,
    /// Billed milliseconds times the configured memory in MiB.
    pub ms_mib: u64,
    /// Bytes of answers of services.
    pub answer_bytes: u64,
    /// Bytes that were published to topics, each request at least 1,000.
    pub published_bytes: u64,
    /// Bytes that were delivered to subscribers, each request at least 1,000.
    pub delivered_bytes: u64,
    /// Requests to Storage that write or list.
    pub storage_writes: u64,
    /// Requests to Storage that read.
    pub storage_reads: u64,
    /// Bytes of objects that were read.
    pub storage_bytes_read: u64,
}

/// Instances are billed in steps of so many milliseconds.
const STEP_MS: u64 = 100;

/// The least that a request of Pub/Sub counts.
const LEAST_MESSAGES: u64 = 1000;

impl Bill {
    /// vCPU-seconds of instances.
    pub fn cpu_seconds(&self) -> f64 {
        self.ms_mcpu as f64 / 1e6
    }

    /// GiB-seconds of instances.
    pub fn gib_seconds(&self) -> f64 {
        self.ms_mib as f64 / 1000.0 / 1024.0
    }

    /// Adds a span in which an instance worked.
    pub(super) fn add_span(&mut self, span: Duration, mcpu: u32, memory_mib: u32) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let billed = micros.div_ceil(STEP_MS * 1000).max(1) * STEP_MS;
        self.billed_ms += billed;
        self.ms_mcpu += billed * u64::from(mcpu);
        self.ms_mib += billed * u64::from(memory_mib);
    }

    /// Adds messages that were published with one request.
    pub(super) fn add_published(&mut self, bytes: usize) {
        self.published_bytes += (bytes as u64).max(LEAST_MESSAGES);
    }

    /// Adds messages that were delivered with one request.
    pub(super) fn add_delivered(&mut self, bytes: usize) {
        self.delivered_bytes += (bytes as u64).max(LEAST_MESSAGES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_rounded_up_to_a_tenth_of_a_second_each() {
        let mut bill = Bill::default();
        bill.add_span(Duration::from_millis(1), 1000, 512);
        bill.add_span(Duration::from_millis(100), 1000, 512);
        bill.add_span(Duration::from_micros(100_001), 2000, 1024);
        assert_eq!((bill.billed_ms, bill.ms_mcpu, bill.ms_mib), (400, 600_000, 307_200));
    }
}
