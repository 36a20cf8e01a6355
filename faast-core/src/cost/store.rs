//! What a store costs: its requests, counted where they are made, the bytes that leave the cloud, and the time that objects
//! lie there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Quantity;

/// Requests to a store that write, list, or make its bucket.
pub const STORAGE_WRITES: &str = "storage writes";
/// Requests to a store that read.
pub const STORAGE_READS: &str = "storage reads";
/// GiB-months of what lies in a store.
pub const STORAGE: &str = "storage";
/// GiB that leave the cloud.
pub const TRANSFER_OUT: &str = "transfer out";

/// Bytes of a GB.
const GB: f64 = 1024.0 * 1024.0 * 1024.0;

/// A month of a bill, in seconds.
const MONTH: f64 = 30.0 * 24.0 * 3600.0;

/// One side's use of the store. Written by every request.
///
/// ```
/// # use faast_core::cost::{STORAGE_READS, STORAGE_WRITES, StoreBill};
/// let bill = StoreBill::default();
/// bill.write(); // beside each request
/// bill.read(5_000);
/// let used = bill.of_worker();
/// assert_eq!((used[0].metric.as_ref(), used[0].amount), (STORAGE_WRITES, 1.0));
/// assert_eq!((used[1].metric.as_ref(), used[1].amount), (STORAGE_READS, 1.0));
/// assert!(bill.of_worker().is_empty()); // the next call does not pay for them again
/// ```
#[derive(Debug, Default)]
pub struct StoreBill {
    writes: AtomicU64,
    reads: AtomicU64,
    bytes_read: AtomicU64,
    lying: Mutex<Lying>,
}

/// Objects that this side knows of, and what those that are gone had come to.
#[derive(Debug, Default)]
struct Lying {
    since: HashMap<String, (usize, Instant)>,
    byte_seconds: f64,
}

impl Lying {
    fn byte_seconds(&self, now: Instant) -> f64 {
        let lie = self.since.values().map(|(len, since)| byte_seconds(*len, now.saturating_duration_since(*since)));
        self.byte_seconds + lie.sum::<f64>()
    }
}

fn byte_seconds(len: usize, time: Duration) -> f64 {
    len as f64 * time.as_secs_f64()
}

impl StoreBill {
    /// A request of the dear kind: writing, listing, making the bucket.
    pub fn write(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// A request of the cheap kind, and what came of it.
    pub fn read(&self, bytes: usize) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn lying(&self) -> MutexGuard<'_, Lying> {
        self.lying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object lies there, from now on as far as this side knows.
    pub fn stored(&self, key: &str, len: usize) {
        self.lying().since.insert(key.to_owned(), (len, Instant::now()));
    }

    /// It is gone.
    pub fn deleted(&self, key: &str) {
        let mut lying = self.lying();
        if let Some((len, since)) = lying.since.remove(key) {
            lying.byte_seconds += byte_seconds(len, since.elapsed());
        }
    }

    /// Everything that the client has used. What it reads leaves the cloud.
    pub fn of_client(&self) -> Vec<Quantity> {
        let (writes, reads) = (self.writes.load(Ordering::Relaxed), self.reads.load(Ordering::Relaxed));
        if writes + reads == 0 {
            return Vec::new();
        }
        let estimate = |metric: &'static str, amount| Quantity { metric: metric.into(), amount, measured: false };
        let mut used = requests(writes, reads);
        used.push(estimate(TRANSFER_OUT, self.bytes_read.load(Ordering::Relaxed) as f64 / GB));
        used.push(estimate(STORAGE, self.lying().byte_seconds(Instant::now()) / GB / MONTH));
        used
    }

    /// The requests of a worker since this was asked last. What it reads stays within the region.
    pub fn of_worker(&self) -> Vec<Quantity> {
        let (writes, reads) = (self.writes.swap(0, Ordering::Relaxed), self.reads.swap(0, Ordering::Relaxed));
        if writes + reads > 0 {
            // The client knows how long they lie.
            self.lying().since.clear();
        }
        requests(writes, reads)
    }
}

fn requests(writes: u64, reads: u64) -> Vec<Quantity> {
    let counted = [(STORAGE_WRITES, writes), (STORAGE_READS, reads)].into_iter().filter(|(_, count)| *count > 0);
    counted.map(|(metric, count)| Quantity { metric: metric.into(), amount: count as f64, measured: true }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workers_requests_are_on_one_bill_only() {
        let bill = StoreBill::default();
        assert!(bill.of_worker().is_empty() && bill.of_client().is_empty());
        bill.write();
        bill.read(1 << 30);
        let used = |metric: &'static str| Quantity { metric: metric.into(), amount: 1.0, measured: true };
        assert_eq!(bill.of_worker(), [used(STORAGE_WRITES), used(STORAGE_READS)]);
        assert!(bill.of_worker().is_empty());
    }

    #[test]
    fn a_clients_bill_grows_and_has_what_left_the_cloud() {
        let bill = StoreBill::default();
        bill.write();
        bill.read(1 << 29);
        bill.read(1 << 29);
        let amount = |metric: &str| bill.of_client().iter().find(|it| it.metric == metric).map(|it| it.amount);
        for _ in 0..2 {
            assert_eq!((amount(STORAGE_WRITES), amount(STORAGE_READS)), (Some(1.0), Some(2.0)));
            assert_eq!(amount(TRANSFER_OUT), Some(1.0));
        }
    }

    #[test]
    fn an_object_costs_while_it_lies_there() {
        let bill = StoreBill::default();
        bill.stored("a", 1000);
        let (since, hour) = (bill.lying().since["a"].1, Duration::from_hours(1));
        assert!((bill.lying().byte_seconds(since + hour) - 3_600_000.0).abs() < 1e-6);
        bill.deleted("a");
        let lying = bill.lying();
        assert!((lying.byte_seconds(since) - lying.byte_seconds(since + hour)).abs() < f64::EPSILON);
    }
}
