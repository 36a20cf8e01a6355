//! Panics of user code: message and place are caught in a hook, so that they survive even `panic = "abort"`.
//!
//! The hook keeps the last panic of the thread for [`take`]; unwinding then reaches the serve loop. Where panics abort,
//! nothing unwinds: the hook itself reports the running call before the process ends.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

use super::watch::Watch;
use crate::error::ErrorKind;
use crate::provider::Failure;

thread_local! {
    static LAST: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// Serving loops whose running calls end when a panic aborts the process. One in a worker process, several where
/// workers are threads; each is there until its loop has ended.
static SERVING: Mutex<Vec<Weak<Watch>>> = Mutex::new(Vec::new());
static INSTALLED: Once = Once::new();

/// Reports panics to this loop, by a hook in front of the one that is there, installed once per process.
pub(super) fn install(watch: &Arc<Watch>) {
    {
        let mut serving = SERVING.lock().unwrap_or_else(PoisonError::into_inner);
        serving.retain(|other| other.strong_count() > 0);
        serving.push(Arc::downgrade(watch));
    }
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            before(info);
            let failure = describe(info);
            if cfg!(panic = "abort") {
                let serving = SERVING.lock().unwrap_or_else(PoisonError::into_inner).clone();
                for watch in serving.iter().filter_map(Weak::upgrade) {
                    watch.end_current(failure.clone());
                }
            } else {
                LAST.set(Some(failure));
            }
        }));
    });
}

fn describe(info: &PanicHookInfo<'_>) -> Failure {
    let mut failure = Failure::new(ErrorKind::Panic, format!("panicked: {}", message(info.payload())));
    failure.location = info.location().map(ToString::to_string);
    failure
}

fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a value that is no text"
    }
}

/// Forgets the panics so far: a function may catch its own.
pub(super) fn forget() {
    LAST.set(None);
}

/// The failure for a panic that was caught on this thread.
pub(super) fn take(payload: &(dyn Any + Send)) -> Failure {
    let message = format!("panicked: {}", message(payload));
    // A panic that comes from another thread, by `resume_unwind`, has not passed the hook on this one.
    LAST.take().filter(|last| last.message == message).unwrap_or_else(|| Failure::new(ErrorKind::Panic, message))
}
