//! The environments of one version of a function: idle ones are used again, the last used first, and new ones start at
//! the rate that AWS allows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::limit::Bucket;
use super::super::protocol::ApiError;
use super::super::sandbox::{Call, Outcome, Sandbox};
use super::super::state::Shared;
use super::throttle;
use super::{Version, service_error};

/// All environments that are not busy. Written when an event takes one and gives it back; ends with its version.
#[derive(Debug)]
pub(super) struct Fleet {
    version: Arc<Version>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    idle: Vec<Sandbox>,
    starts: Bucket,
    is_over: bool,
}

impl Fleet {
    /// `scale_up` new environments may start in ten seconds.
    pub(super) fn new(version: &Arc<Version>, scale_up: u32) -> Arc<Self> {
        let starts = Bucket::new(f64::from(scale_up) / 10.0, scale_up);
        let inner = Inner { idle: Vec::new(), starts, is_over: false };
        Arc::new(Self { version: Arc::clone(version), inner: Mutex::new(inner) })
    }

    /// An environment for one event.
    pub(super) fn take(&self, emulator: &Shared) -> Result<Sandbox, ApiError> {
        {
            let mut inner = self.lock();
            if let Some(sandbox) = inner.idle.pop() {
                return Ok(sandbox);
            }
            if !inner.starts.take(emulator.clock.now_ms()) {
                return Err(throttle::refused("FunctionInvocationRateLimitExceeded"));
            }
        }
        Sandbox::new(emulator, &self.version).map_err(|error| service_error(&error.to_string()))
    }

    /// Carries an event out and keeps its environment for the next one.
    pub(super) async fn run(&self, mut sandbox: Sandbox, call: &Call) -> Outcome {
        let outcome = sandbox.run(call).await;
        let mut inner = self.lock();
        if !inner.is_over {
            inner.idle.push(sandbox);
        }
        outcome
    }

    /// Ends all idle environments now, and busy ones when they are done.
    pub(super) fn end(&self) {
        let idle = {
            let mut inner = self.lock();
            inner.is_over = true;
            std::mem::take(&mut inner.idle)
        };
        drop(idle);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
