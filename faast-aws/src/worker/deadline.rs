//! The platform's deadline for one execution. Core watches the time-out of each call; what this is for are generators
//! and batches, whose calls may each be in time, and all of them together too late.
//!
//! The platform ends a late worker without a word, and its answer is lost. So the worker says it itself, a moment before.
//! One thread, started when it is first needed, sleeps until the last deadline that it was told; finding that answer
//! given, it sleeps on.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use faast_core::provider::Request;

use super::answer::{Sink, out_of_time};

/// So long before the deadline the worker speaks.
const BEFORE: Duration = Duration::from_millis(750);

const STACK: usize = 64 * 1024;

/// Watches one worker's deadlines.
#[derive(Default)]
pub(super) struct Deadline(Option<Arc<Shared>>);

#[derive(Default)]
struct Shared {
    /// Written with each answer that is watched, taken when its time is over.
    due: Mutex<Option<Due>>,
    changed: Condvar,
}

struct Due {
    /// Of which answer.
    number: u64,
    at: Instant,
    after: Duration,
}

/// Whether a request can run into the deadline before a call of it runs into its own time-out.
pub(super) fn may_come_first(request: &Request, left: Duration) -> bool {
    let calls = request.calls.iter().map(|frame| frame.timeout).fold(Duration::ZERO, Duration::saturating_add);
    request.streams() || calls >= left.saturating_sub(BEFORE)
}

impl Deadline {
    /// Speaks for answer `number`, should it still be open when only a moment of what is `left` is left.
    pub(super) fn watch(&mut self, sink: &Arc<Sink>, number: u64, left: Duration) {
        let after = left.saturating_sub(BEFORE);
        let due = Due { number, at: Instant::now() + after, after };
        if let Some(shared) = &self.0 {
            *shared.due.lock().unwrap_or_else(PoisonError::into_inner) = Some(due);
            shared.changed.notify_one();
            return;
        }
        let shared = Arc::new(Shared { due: Mutex::new(Some(due)), changed: Condvar::new() });
        let (watched, sink) = (Arc::clone(&shared), Arc::downgrade(sink));
        let thread = thread::Builder::new().name("faast-deadline".into()).stack_size(STACK);
        // Without the thread the platform ends the worker, and the client learns of it from there.
        if thread.spawn(move || watched.run(&sink)).is_ok() {
            self.0 = Some(shared);
        }
    }
}

impl Shared {
    fn run(&self, sink: &Weak<Sink>) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = due.as_ref().map(|due| due.at.saturating_duration_since(Instant::now()));
            due = match left {
                None => self.changed.wait(due).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    let Some(over) = due.take() else { continue };
                    drop(due);
                    let Some(sink) = sink.upgrade() else { return };
                    sink.run_out(over.number, &out_of_time(over.after));
                    self.due.lock().unwrap_or_else(PoisonError::into_inner)
                }
                Some(left) => self.changed.wait_timeout(due, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use faast_core::provider::{CallFrame, CallId, DeploymentId, FunctionId, Payload};

    use super::*;

    fn request(timeouts: &[u64]) -> Request {
        let call = |seconds: &u64| CallFrame {
            id: CallId(1),
            attempt: 1,
            function: FunctionId { name: "no::such".into(), signature: 0 },
            timeout: Duration::from_secs(*seconds),
            args: Payload::Inline(bytes::Bytes::new()),
            trace: None,
        };
        Request { deployment: DeploymentId::from("x"), build: 0, calls: timeouts.iter().map(call).collect() }
    }

    #[test]
    fn calls_that_all_end_in_time_are_not_watched() {
        assert!(!may_come_first(&request(&[60]), Duration::from_secs(62)));
        assert!(!may_come_first(&request(&[20, 20, 20]), Duration::from_secs(62)));
        assert!(may_come_first(&request(&[20, 20, 25]), Duration::from_secs(62)));
        assert!(may_come_first(&request(&[60]), Duration::from_secs(3)));
    }
}
