//! What comes back: events of a request, outcomes of calls, and failures of the transport.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;

use super::{BlobRef, CallId, ExecutionId, InstanceId, Payload};
use crate::cost::Quantity;
use crate::error::ErrorKind;

/// What a worker says about a call.
///
/// ```
/// # use bytes::Bytes;
/// # use faast_core::provider::{CallId, Event, InstanceId, Metering, Outcome, Payload};
/// let call = CallId(7);
/// let (instance, execution) = (InstanceId("worker-1".into()), None);
/// let body = Payload::Inline(Bytes::from_static(b"\x2a"));
/// let (outcome, metering) = (Outcome::Ok(Payload::Inline(Bytes::new())), Metering::default());
/// // The events of a generator that makes one item.
/// let events = [
///     Event::Started { call, instance, execution },
///     Event::Item { call, seq: 0, body },
///     Event::Done { call, outcome, metering },
/// ];
/// assert!(events.iter().all(|event| event.call() == call));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The call runs from now on. Optional before a `Done`, which implies it; sent where it says more.
    Started {
        /// Which call.
        call: CallId,
        /// The worker.
        instance: InstanceId,
        /// The execution, as the logs name it.
        execution: Option<ExecutionId>,
    },
    /// A generator made an item.
    Item {
        /// Which call.
        call: CallId,
        /// 0, 1, 2, ..
        seq: u64,
        /// The encoded item.
        body: Payload,
    },
    /// The call has ended.
    Done {
        /// Which call.
        call: CallId,
        /// How.
        outcome: Outcome,
        /// What it took.
        metering: Metering,
    },
    /// The worker gives a call back that it did not start; it uses no attempt.
    Returned {
        /// Which call.
        call: CallId,
    },
}

impl Event {
    /// What lies in the store for it.
    pub(crate) fn blob(&self) -> Option<&BlobRef> {
        match self {
            Self::Done { outcome: Outcome::Ok(Payload::Blob(blob)), .. }
            | Self::Item { body: Payload::Blob(blob), .. } => Some(blob),
            _ => None,
        }
    }

    /// The call that the event is about.
    pub fn call(&self) -> CallId {
        match self {
            Self::Started { call, .. }
            | Self::Item { call, .. }
            | Self::Done { call, .. }
            | Self::Returned { call } => *call,
        }
    }
}

/// How a call ended in the worker.
///
/// ```
/// # use faast_core::{ErrorKind, provider::{Failure, Outcome, Payload}, wire};
/// fn outcome(result: Result<u64, String>) -> faast_core::Result<Outcome> {
///     let mut bytes = Vec::new();
///     Ok(match result {
///         Ok(value) => {
///             wire::encode_value(&value, &mut bytes)?;
///             Outcome::Ok(Payload::Inline(bytes.into()))
///         }
///         Err(why) => Outcome::Err(Box::new(Failure::new(ErrorKind::User, why))),
///     })
/// }
///
/// assert_eq!(outcome(Ok(42))?, Outcome::Ok(Payload::Inline(vec![42].into())));
/// assert!(matches!(outcome(Err("no scales".into()))?, Outcome::Err(why) if why.message == "no scales"));
/// # Ok::<(), faast_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// With a value, encoded. A generator ends with an empty payload.
    Ok(Payload),
    /// Without one.
    Err(Box<Failure>),
}

/// Why a call failed in the worker, in a form that crosses the wire.
///
/// ```
/// # use faast_core::{ErrorKind, provider::{CallId, Event, Failure, Metering, Outcome}, wire::frame};
/// let failure = Failure {
///     chain: vec!["the file is empty".into()],
///     location: Some("src/tiles.rs:7:5".into()),
///     ..Failure::new(ErrorKind::User, "there is no tile 7")
/// };
/// let (outcome, metering) = (Outcome::Err(Box::new(failure)), Metering::default());
/// let done = Event::Done { call: CallId(1), outcome, metering };
///
/// // All of it arrives at the client.
/// let mut bytes = Vec::new();
/// frame::encode_event(&done, &mut bytes);
/// assert_eq!(frame::decode_events(bytes.into()).collect::<Result<Vec<_>, _>>()?, [done]);
/// # Ok::<(), faast_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// This level's message.
    pub message: String,
    /// Messages of the error's sources, outermost first.
    pub chain: Vec<String>,
    /// Where it happened, as `file:line:column`, if known.
    pub location: Option<String>,
    /// The user's own error, encoded, if its type crosses the wire.
    pub value: Option<Bytes>,
}

impl Failure {
    /// A failure with only a kind and a message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), chain: Vec::new(), location: None, value: None }
    }
}

/// What a call took, as the worker or the platform measured it.
///
/// ```
/// # use std::time::Duration;
/// # use faast_core::{cost::{PriceTable, Quantity, Usage}, provider::Metering};
/// let billed = |metric: &'static str, amount| Quantity { metric: metric.into(), amount, measured: true };
/// let metering = Metering {
///     duration: Duration::from_millis(380),
///     billed: Some(Duration::from_millis(400)),
///     quantities: vec![billed("requests", 1.0), billed("duration", 0.5 * 0.4)], // half a GB for 0.4 s
///     ..Metering::default()
/// };
///
/// let list = [("requests", "request", 0.000_000_2), ("duration", "GB-second", 0.000_02)];
/// let prices = PriceTable::of_list(&list, |_, listed| (listed, "list of 2026".into()));
/// let usage: Usage = metering.quantities.into_iter().collect();
/// assert!((prices.total_usd(&usage) - 0.000_004_2).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metering {
    /// Time in the function.
    pub duration: Duration,
    /// Time that is billed, where the platform says so exactly.
    pub billed: Option<Duration>,
    /// Peak resident memory of the worker in bytes.
    pub peak_memory: Option<u64>,
    /// What is billed for this call, in the units of the provider's price table.
    pub quantities: Vec<Quantity>,
}

/// How a failure is treated. The closed table of what is retried is in [`crate::dispatch::retry`].
///
/// ```
/// # use faast_core::{ErrorKind, provider::{InvokeError, Ran, RetryClass}};
/// /// What the status of a refused request means.
/// fn class_of(status: u16) -> RetryClass {
///     match status {
///         429 => RetryClass::Throttled,   // goes again after a wait, and uses no attempt
///         500.. => RetryClass::Transient, // goes again while attempts are left
///         _ => RetryClass::Permanent,     // never goes again
///     }
/// }
///
/// let kinds = [429, 503, 403].map(|status| InvokeError::new(class_of(status), Ran::No, "it was refused").kind);
/// // What is permanent needs a kind from whoever knows more, such as `ErrorKind::Denied`.
/// assert_eq!(kinds, [ErrorKind::Throttled, ErrorKind::Unavailable, ErrorKind::Internal]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryClass {
    /// Did not run because of a limit: waits, uses no attempt, shrinks the window of concurrency.
    Throttled,
    /// The service could not be reached, so that nothing can be sent: waits until it can, uses no attempt, and ends by
    /// the call's deadline. Meanwhile nothing else is sent either. For modes whose running calls outlive a lost network.
    Unreachable,
    /// A passing fault of the platform.
    Transient,
    /// The worker ended by an outside cause.
    WorkerLost,
    /// The user's code ended the worker: exit, abort, segfault.
    Crash,
    /// The attempt took longer than its time-out.
    Timeout,
    /// The worker needed more memory than it has.
    OutOfMemory,
    /// The user's code panicked.
    Panic,
    /// The user's function returned an error.
    User,
    /// Trying again would fail again: denied, too large, undecodable, stale build, unsupported.
    Permanent,
    /// The caller gave up.
    Canceled,
}

/// Whether a call may have run when its request failed.
///
/// ```
/// # use faast_core::provider::Ran;
/// /// Of a request whose connection broke.
/// fn ran(was_sent: bool, has_started: bool) -> Ran {
///     match (was_sent, has_started) {
///         (false, _) => Ran::No,
///         (true, false) => Ran::Maybe, // from here on, a function with `idempotent = false` does not go again
///         (true, true) => Ran::Yes,
///     }
/// }
///
/// assert_eq!([ran(false, false), ran(true, false), ran(true, true)], [Ran::No, Ran::Maybe, Ran::Yes]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ran {
    /// It did not.
    No,
    /// Unknown.
    Maybe,
    /// It started.
    Yes,
}

/// A request failed: what happened to every call in it that has had no answer.
///
/// ```
/// # use std::time::Duration;
/// # use faast_core::{ErrorKind, provider::{ExecutionId, InvokeError, Ran, RetryClass}};
/// let error = InvokeError::new(RetryClass::Permanent, Ran::No, "`batch` may not invoke `faast-d1`")
///     .kind(ErrorKind::Denied)
///     .hint("grant it `lab:Invoke`")
///     .execution(ExecutionId("r-42".into()));
/// assert_eq!(error.to_string(), "`batch` may not invoke `faast-d1`"); // the hint stands apart
/// assert_eq!(error.hint.as_deref(), Some("grant it `lab:Invoke`"));
///
/// // Most classes bring their kind with them.
/// let full = InvokeError::new(RetryClass::Throttled, Ran::No, "no more room").retry_after(Duration::from_secs(2));
/// assert_eq!(full.kind, ErrorKind::Throttled);
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct InvokeError {
    /// How it is treated.
    pub class: RetryClass,
    /// What the caller sees.
    pub kind: ErrorKind,
    /// Whether the first unanswered call may have run. Calls behind it in the request have not.
    pub ran: Ran,
    /// What the failed attempt cost.
    pub metering: Metering,
    /// When the service asked to be left alone.
    pub retry_after: Option<Duration>,
    /// The execution, as the logs name it.
    pub execution: Option<ExecutionId>,
    /// A lowercase fragment that says what happened.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl InvokeError {
    /// A failure of a class, with the kind that the class usually has.
    pub fn new(class: RetryClass, ran: Ran, message: impl Into<String>) -> Self {
        Self {
            class,
            kind: ErrorKind::from_class(class),
            ran,
            metering: Metering::default(),
            retry_after: None,
            execution: None,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// Sets the kind that the caller sees.
    #[must_use]
    pub fn kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets what the attempt cost.
    #[must_use]
    pub fn metering(mut self, metering: Metering) -> Self {
        self.metering = metering;
        self
    }

    /// Sets when the service may be asked again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Sets the execution.
    #[must_use]
    pub fn execution(mut self, execution: ExecutionId) -> Self {
        self.execution = Some(execution);
        self
    }

    /// Sets what the user can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
