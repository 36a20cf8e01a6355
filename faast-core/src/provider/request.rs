//! What is sent: a request of one to n call frames, and the ids that name things on both sides.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::BlobRef;
use crate::function::FunctionEntry;

/// A deployment, unique in the world; resources carry it in their names and tags.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeploymentId(Arc<str>);

impl DeploymentId {
    /// A fresh one.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string().into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for DeploymentId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A call within its deployment. Retries and hedges of a call keep its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The worker that ran a call, as the provider names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InstanceId(pub Arc<str>);

/// One execution, as the provider's logs name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExecutionId(pub Arc<str>);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A function on the wire: its registered name and the hash of its signature.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FunctionId {
    /// `module::path::name`, or what `name = ".."` says.
    pub name: Cow<'static, str>,
    /// Changes when parameters or result change.
    pub signature: u64,
}

/// Bytes that were encoded by faast's wire format, here or by reference.
///
/// ```
/// # use bytes::Bytes;
/// # use faast_core::provider::{BlobKey, BlobRef, Payload};
/// assert_eq!(Payload::Inline(Bytes::from_static(b"small")).inline_len(), 5);
///
/// let blob = BlobRef::new(BlobKey("results/7".into()), &[0; 10_000]);
/// assert_eq!(Payload::Blob(Box::new(blob)).inline_len(), 0); // only the reference travels
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// The bytes themselves.
    Inline(Bytes),
    /// The bytes lie in the deployment's store. Boxed, because it is rare and events are moved often.
    Blob(Box<BlobRef>),
}

impl Payload {
    /// Bytes that travel with the request or event itself.
    pub fn inline_len(&self) -> usize {
        match self {
            Self::Inline(bytes) => bytes.len(),
            Self::Blob(_) => 0,
        }
    }
}

/// W3C trace context, carried so that a worker's spans belong to the caller's trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext(pub String);

/// One call as it is sent. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFrame {
    /// Which call.
    pub id: CallId,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Which function.
    pub function: FunctionId,
    /// Time the attempt may take from its start; a duration because clocks differ.
    pub timeout: Duration,
    /// The encoded arguments.
    pub args: Payload,
    /// The caller's trace, if there is one.
    pub trace: Option<TraceContext>,
}

/// One to n calls for one worker, which answers them in order.
///
/// ```
/// # use std::time::Duration;
/// # use bytes::Bytes;
/// # use faast_core::{provider::{CallFrame, CallId, FunctionId, Payload, Request}, wire::frame};
/// let call = |id| CallFrame {
///     id: CallId(id),
///     attempt: 1,
///     function: FunctionId { name: "lab::weigh".into(), signature: 1 },
///     timeout: Duration::from_mins(1),
///     args: Payload::Inline(Bytes::from_static(b"\x90")),
///     trace: None,
/// };
/// let request = Request { deployment: "d1".into(), build: 0, calls: vec![call(1), call(2)] };
///
/// let mut bytes = Vec::new();
/// frame::encode_request(&request, &mut bytes);
/// assert_eq!(frame::decode_request(bytes.into())?, request);
/// assert!(!request.streams()); // as far as this program knows, which has no such function
/// # Ok::<(), faast_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The deployment that the calls belong to.
    pub deployment: DeploymentId,
    /// Fingerprint of the client's build; a worker of another build refuses.
    pub build: u64,
    /// The calls, never empty.
    pub calls: Vec<CallFrame>,
}

impl Request {
    /// Whether a call of it is a generator, whose items are wanted as they are made.
    ///
    /// For transports that have another form of answer for them; functions that this program does not have count as
    /// ordinary ones.
    pub fn streams(&self) -> bool {
        let streams =
            |call: &CallFrame| crate::function::lookup(&call.function.name).is_some_and(FunctionEntry::streams);
        self.calls.iter().any(streams)
    }

    /// What is left when a request has been handed on.
    pub(crate) fn empty() -> Self {
        Self { deployment: DeploymentId::from(""), build: 0, calls: Vec::new() }
    }
}
