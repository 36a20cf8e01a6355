//! The record of requests, and the hooks that see each before and after it is carried out.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A request that was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiCall {
    /// As in the scope of a signature, or as Google calls it: `lambda`, `iam`, `run`.
    pub service: &'static str,
    /// The operation: `CreateFunction`.
    pub action: String,
    /// Of the caller in AWS, of the request in Google.
    pub region: String,
    /// Which function, or other resource with a name, if it is about one.
    pub function: Option<String>,
    /// Unix time in milliseconds, by the emulator's clock.
    pub at_ms: u64,
    /// Of the answer, once there is one.
    pub status: Option<u16>,
    /// The code of the error, if it was one.
    pub error: Option<String>,
}

/// A permission that a request needed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permission {
    /// Who asked: an ARN, or the address of an account.
    pub caller: String,
    /// As policies name it: `lambda:CreateFunction`, `run.services.create`.
    pub action: String,
    /// The ARN or name of what it was about, or `*`.
    pub resource: String,
    /// Whether the request went on; always true where permissions are not enforced.
    pub granted: bool,
}

/// When a hook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// The request is read and nothing has happened.
    Before,
    /// It is carried out and nothing is answered.
    After,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Then {
    /// The request goes on.
    Go,
    /// The connection is closed without an answer.
    Drop,
}

type Hook = dyn Fn(&ApiCall, Moment) -> Then + Send + Sync;

/// Written by every request, read by tests; it ends with the emulator.
#[derive(Default)]
pub(crate) struct Calls {
    record: Mutex<Vec<ApiCall>>,
    permissions: Mutex<Vec<Permission>>,
    hooks: RwLock<Vec<Arc<Hook>>>,
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

impl Calls {
    pub(crate) fn all(&self) -> Vec<ApiCall> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn permissions(&self) -> Vec<Permission> {
        self.permissions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records a permission that a request needs.
    pub(crate) fn asked(&self, permission: Permission) {
        self.permissions.lock().unwrap_or_else(PoisonError::into_inner).push(permission);
    }

    pub(crate) fn add_hook(&self, hook: impl Fn(&ApiCall, Moment) -> Then + Send + Sync + 'static) {
        self.hooks.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(hook));
    }

    /// Records a request before it is carried out; the answer is its place.
    pub(crate) fn begin(&self, call: ApiCall) -> usize {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.push(call);
        record.len() - 1
    }

    /// Notes how a recorded request ended.
    pub(crate) fn end(&self, place: usize, status: u16, error: Option<String>) {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = record.get_mut(place) {
            (call.status, call.error) = (Some(status), error);
        }
    }

    /// Asks the hooks; one that wants the connection dropped is enough.
    pub(crate) fn ask(&self, place: usize, moment: Moment) -> Then {
        let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner).clone();
        if hooks.is_empty() {
            return Then::Go;
        }
        let call = self.record.lock().unwrap_or_else(PoisonError::into_inner)[place].clone();
        let drops = hooks.iter().filter(|hook| hook(&call, moment) == Then::Drop).count();
        if drops > 0 { Then::Drop } else { Then::Go }
    }
}
