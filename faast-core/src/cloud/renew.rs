//! Renewing: a live client moves its resources' `expires` tag forward, so that nobody collects what is in use.
//!
//! Responsible for when and until when; how a tag is moved is the provider's. Invariant: while renewals succeed, or fail
//! for no longer than an hour, a deployment of a live client has not expired, at any moment and with any retention.

use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use crate::cancel::CancelToken;
use crate::ledger::Ledger;
use crate::log::Channel;
use crate::provider::CloudFunction;

/// How often a live client renews.
const EVERY: Duration = Duration::from_hours(1);

/// How soon it tries again when that failed.
const AGAIN: Duration = Duration::from_mins(5);

/// A century: no clock and no tag holds an endless retention.
const LONGEST: Duration = Duration::from_hours(24 * 36_525);

/// Until when a deployment that is alive at `now` is nobody's to collect: its retention, and the time until the next
/// renewal at least twice, so that one that fails does no harm.
pub(super) fn until(now: SystemTime, retention: Duration) -> SystemTime {
    now + retention.clamp(EVERY, LONGEST) + EVERY
}

/// Time, as the loop needs it.
pub(super) trait Clock: Send {
    fn now(&self) -> SystemTime;
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;
}

/// The system's, on the deployment's runtime.
pub(super) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }
}

/// What is renewed.
pub(super) struct Renewal {
    pub(super) retention: Duration,
    pub(super) ledger: Arc<Ledger>,
}

impl Renewal {
    /// Renews until the cleanup begins or the function is gone.
    pub(super) async fn run(self, function: Weak<dyn CloudFunction>, abort: CancelToken, clock: impl Clock) {
        let mut wait = EVERY;
        loop {
            tokio::select! {
                // The end comes first when both are there: a renewal after a cleanup would bring nothing back, but fail.
                biased;
                () = abort.canceled() => return,
                () = clock.sleep(wait) => {}
            }
            let Some(function) = function.upgrade() else { return };
            wait = match self.renew(&*function, clock.now()).await {
                Ok(()) => EVERY,
                Err(error) => {
                    crate::log!(Channel::Warning, "the deployment could not be renewed: {error}");
                    AGAIN
                }
            };
        }
    }

    async fn renew(&self, function: &dyn CloudFunction, now: SystemTime) -> crate::Result<()> {
        crate::log!(Channel::Provider, "renewing the deployment");
        let until = until(now, self.retention);
        function.renew(until).await?;
        self.ledger.renewed(until);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
