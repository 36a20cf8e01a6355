//! What user code can ask about the call it runs in.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cancel::CancelToken;
use crate::provider::{CallFrame, CallId, DeploymentId};

thread_local! {
    /// Set by the serve loop around a function on the thread that runs it.
    static CURRENT: RefCell<Option<Context>> = const { RefCell::new(None) };
}

/// The call that is running.
///
/// Cheap to clone: hand it to spawned tasks and threads, which have none of their own.
///
/// ```
/// // In a function: goes on for as long as somebody waits for it.
/// let context = faast_core::context();
/// let mut rounds = 0;
/// while rounds < 1000 && !context.canceled().is_canceled() {
///     rounds += 1;
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Context(Option<Arc<Running>>);

#[derive(Debug)]
struct Running {
    deployment: DeploymentId,
    call: CallId,
    attempt: u32,
    deadline: Instant,
    canceled: CancelToken,
}

/// The call that this thread runs. Outside of a worker, an inert one: no deadline, never canceled.
///
/// ```
/// let context = faast_core::worker::context();
/// assert!(!context.is_worker());
/// ```
pub fn context() -> Context {
    CURRENT.with_borrow(Clone::clone).unwrap_or(Context(None))
}

impl Context {
    pub(super) fn new(deployment: &DeploymentId, frame: &CallFrame, started: Instant, canceled: CancelToken) -> Self {
        Self(Some(Arc::new(Running {
            deployment: deployment.clone(),
            call: frame.id,
            attempt: frame.attempt,
            deadline: started.checked_add(frame.timeout).unwrap_or(started + Duration::from_hours(24 * 365)),
            canceled,
        })))
    }

    pub(super) fn enter<R>(self, run: impl FnOnce() -> R) -> R {
        struct Leave(Option<Context>);
        impl Drop for Leave {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _leave = Leave(CURRENT.replace(Some(self)));
        run()
    }

    /// Whether this is a call in a worker.
    pub fn is_worker(&self) -> bool {
        self.0.is_some()
    }

    /// The call's id; the same for retries and hedges of it.
    pub fn call_id(&self) -> Option<CallId> {
        self.0.as_ref().map(|running| running.call)
    }

    /// 1 for the first attempt.
    pub fn attempt(&self) -> u32 {
        self.0.as_ref().map_or(1, |running| running.attempt)
    }

    /// Time until this attempt is ended; `None` outside of a worker.
    pub fn time_left(&self) -> Option<Duration> {
        self.0.as_ref().map(|running| running.deadline.saturating_duration_since(Instant::now()))
    }

    /// A key that is the same for every attempt of this call and for no other call in the world.
    pub fn idempotency_key(&self) -> Option<String> {
        self.0.as_ref().map(|running| format!("{}/{}", running.deployment, running.call))
    }

    /// Fires when nobody waits for the result any more.
    pub fn canceled(&self) -> CancelToken {
        self.0.as_ref().map_or_else(CancelToken::new, |running| running.canceled.clone())
    }
}
