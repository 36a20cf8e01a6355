//! A live job of thirty hours, in virtual time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_core::stream::BoxStream;

use super::*;
use crate::cache::CacheFolder;
use crate::cost::Usage;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{CleanupReport, Event, ExecutionId, InvokeError, Limits, Request, Resource};

const DAY: Duration = Duration::from_hours(24);

/// A clock that is moved by those who sleep, and looks at the world each minute.
struct Virtual<F> {
    seconds: AtomicU64,
    look: F,
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

impl<F: Fn(u64) + Send + Sync> Clock for Virtual<F> {
    fn now(&self) -> SystemTime {
        time(self.seconds.load(Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        for _ in 0..duration.as_secs() / 60 {
            (self.look)(self.seconds.fetch_add(60, Ordering::Relaxed) + 60);
            // Lets the other branch see what the look has done.
            tokio::task::yield_now().await;
        }
    }
}

/// A function whose tag can be moved, or not.
struct Tagged {
    expires: Mutex<SystemTime>,
    /// Renewals that fail, from the first one on.
    failures: AtomicU64,
}

#[async_trait]
impl CloudFunction for Tagged {
    fn invoke(&self, _: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        Box::pin(futures_util::stream::empty())
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn renew(&self, until: SystemTime) -> Result<()> {
        let fails = self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if fails.is_ok() {
            return Err(Error::new(ErrorKind::Io, "throttled"));
        }
        *self.expires.lock().unwrap() = until;
        Ok(())
    }

    fn log_url(&self, _: Option<&ExecutionId>) -> String {
        String::new()
    }

    async fn usage(&self) -> Usage {
        Usage::default()
    }

    async fn cleanup(&self) -> CleanupReport {
        CleanupReport::default()
    }
}

/// Runs a job of thirty hours and counts the minutes in which its resource could have been collected, by the tag and
/// by the ledger.
fn collectable_minutes(retention: Duration, failures: u64) -> (u64, u64) {
    let home = tempfile::tempdir().unwrap();
    let cache = Arc::new(CacheFolder::at(home.path()));
    let ledger = Arc::new(Ledger::new(Arc::clone(&cache), "d1".into()));
    let expires = until(time(0), retention);
    ledger.intent(&Resource { expires: Some(expires), ..Resource::new("function", "faast-d1") });
    let tagged = Arc::new(Tagged { expires: Mutex::new(expires), failures: failures.into() });
    let abort = CancelToken::new();
    let (by_tag, by_ledger) = (AtomicU64::new(0), AtomicU64::new(0));
    let look = |seconds: u64| {
        let is_over = |at: SystemTime| u64::from(at <= time(seconds));
        by_tag.fetch_add(is_over(*tagged.expires.lock().unwrap()), Ordering::Relaxed);
        let recorded = Ledger::all(&cache).unwrap()[0].expires;
        by_ledger.fetch_add(recorded.map_or(0, is_over), Ordering::Relaxed);
        if seconds >= 30 * 3600 {
            abort.cancel();
        }
    };
    let function: Arc<dyn CloudFunction> = tagged.clone();
    let clock = Virtual { seconds: AtomicU64::new(0), look: &look };
    let renewal = Renewal { retention, ledger };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(renewal.run(Arc::downgrade(&function), abort.clone(), clock));
    (by_tag.into_inner(), by_ledger.into_inner())
}

#[test]
fn a_live_job_of_thirty_hours_never_expires_with_a_retention_of_a_day() {
    assert_eq!(collectable_minutes(DAY, 0), (0, 0));
}

#[test]
fn not_even_without_any_retention() {
    assert_eq!(collectable_minutes(Duration::ZERO, 0), (0, 0));
}

#[test]
fn a_renewal_that_fails_is_made_up_for_in_time() {
    assert_eq!(collectable_minutes(Duration::ZERO, 5), (0, 0));
}

#[test]
fn a_client_that_can_never_renew_expires() {
    // What shows that the other tests can fail.
    let (by_tag, by_ledger) = collectable_minutes(DAY, u64::MAX);
    assert_eq!((by_tag, by_ledger), (5 * 60 + 1, 5 * 60 + 1));
}

#[test]
fn an_endless_retention_is_a_time_all_the_same() {
    assert!(until(time(0), Duration::MAX) > time(0) + 10_000 * DAY);
}
