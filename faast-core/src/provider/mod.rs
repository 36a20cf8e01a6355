//! The provider contract: what a cloud has to do for faast, and nothing else.
//!
//! A provider implements [`CloudProvider`] (deploy, find strays, delete) and [`CloudFunction`] (invoke, clean up) on the
//! client's side, and [`WorkerTransport`] with [`EventSink`] on the worker's side; it submits one [`ProviderEntry`].
//! Admission, retries, hedging, deadlines, panics, spilling and statistics are core's and written once. What differs
//! between providers is data ([`Capabilities`]), checked by core before anything is sent.

mod answer;
mod blob;
mod capability;
mod context;
mod entry;
mod event;
mod request;
mod resource;
mod tools;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use futures_core::Stream;
use futures_core::stream::BoxStream;

pub use self::answer::{Incoming, answered};
pub use self::blob::{BlobKey, BlobRef, BlobStore};
pub use self::capability::{CancelSupport, Capabilities, Defaults, Limits, MemoryLimit, Mode, Ramp};
pub use self::context::{DeployContext, DeploySpec};
pub use self::entry::{ProviderEntry, WorkerStart, by_name};
pub use self::event::{Event, Failure, InvokeError, Metering, Outcome, Ran, RetryClass};
pub use self::request::{
    CallFrame, CallId, DeploymentId, ExecutionId, FunctionId, InstanceId, Payload, Request, TraceContext,
};
pub use self::resource::{CleanupReport, Deleted, Resource, StrayScope};
pub use self::tools::{Checkup, Finding, ProviderTools, Verdict};
use crate::cost::{PriceTable, Usage};
pub use crate::env::{endpoint_url, variable};
use crate::error::Result;
pub use crate::runtime::{Runtime, cores};
use crate::worker::WorkerControl;

/// A cloud that functions can be deployed to.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use faast_core::{Error, ErrorKind, Result, cost::{PriceTable, Quantity, Usage}, provider::*};
/// # use futures_core::stream::BoxStream;
/// /// A list of prices: nothing is deployed there, and `Builder::priced_as` says what a run would have cost.
/// struct Rented;
///
/// #[async_trait::async_trait]
/// impl CloudProvider for Rented {
///     fn name(&self) -> &'static str {
///         "rented"
///     }
///     fn capabilities(&self, mode: Mode) -> Capabilities {
///         if mode == Mode::Https { Capabilities::new() } else { Capabilities::unsupported() }
///     }
///     async fn deploy(&self, _: &DeploySpec, _: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
///         Err(Error::new(ErrorKind::Unsupported, "only the prices are known").with_hint("use `priced_as`"))
///     }
///     fn stray(&self, _: &StrayScope) -> BoxStream<'static, Result<Resource>> {
///         no_strays()
///     }
///     async fn delete(&self, _: &Resource) -> Result<Deleted> {
///         Ok(Deleted::Before)
///     }
///     fn usage_of(&self, _: &DeploySpec, ran: Duration) -> Usage {
///         [Quantity { metric: "time".into(), amount: ran.as_secs_f64(), measured: false }].into_iter().collect()
///     }
///     async fn prices(&self, _: &str) -> Result<PriceTable> {
///         Ok(PriceTable::of_list(&[("time", "second", 0.25)], |_, listed| (listed, "list of 2026".into())))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let used = Rented.usage_of(&DeploySpec::new(DeploymentId::random()), Duration::from_secs(6));
/// assert_eq!(Rented.prices("").await?.total_usd(&used), 1.5);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait CloudProvider: Send + Sync + 'static {
    /// The provider's short name, as in `faast::provider("aws")` and `~/.faast/aws`.
    fn name(&self) -> &'static str;

    /// What this provider can do in a mode. Pure: known before anything is deployed.
    fn capabilities(&self, mode: Mode) -> Capabilities;

    /// Makes the function exist and ready to be invoked.
    ///
    /// Every resource is recorded in `cx.ledger` before the call that creates it. When `cx.abort` fires, or when an
    /// error is returned, the provider has removed what it made, or the ledger and tags say what is left.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Deploy`](crate::ErrorKind::Deploy) or a more specific kind, with what the user has to do as the hint.
    async fn deploy(&self, spec: &DeploySpec, cx: &DeployContext) -> Result<Arc<dyn CloudFunction>>;

    /// The resources that faast made in this account and that lie within `scope`, found by their tags.
    fn stray(&self, scope: &StrayScope) -> BoxStream<'static, Result<Resource>>;

    /// The resource as it is at this moment, or `None` if it is not there: for what only the ledger of a dead client
    /// knows, which may have died before it was made, or before it was tagged. Tags that can't be read leave
    /// [`Resource::expires`] empty.
    ///
    /// A provider that can't tell believes the ledger: deleting what is not there is a success anyway.
    ///
    /// # Errors
    ///
    /// When the service can't be asked, which keeps the resource.
    async fn look_up(&self, resource: &Resource) -> Result<Option<Resource>> {
        Ok(Some(resource.clone()))
    }

    /// Deletes one resource that [`stray`](Self::stray) or the ledger found. Deleting what is gone already is a success.
    ///
    /// # Errors
    ///
    /// When the resource is still there afterwards, or may be.
    async fn delete(&self, resource: &Resource) -> Result<Deleted>;

    /// What one call costs at the very most, in the units of the price table, if that is known before deploying: then a
    /// budget that is too small for it is refused before anything is made. [`CloudFunction::worst_case`] says it again.
    fn worst_case(&self, spec: &DeploySpec) -> Option<Usage> {
        let _ = spec;
        None
    }

    /// What a call that ran for so long elsewhere would use here, by an estimate: for
    /// [`Builder::priced_as`](crate::Builder::priced_as). Nothing, where nothing costs.
    fn usage_of(&self, spec: &DeploySpec, ran: std::time::Duration) -> Usage {
        let _ = (spec, ran);
        Usage::default()
    }

    /// The unit prices in a region. A provider without prices returns an empty table.
    ///
    /// # Errors
    ///
    /// When neither the service nor the built-in table has prices for the region.
    async fn prices(&self, region: &str) -> Result<PriceTable>;

    /// What `faast doctor` and `faast policy` show, if there is something to show.
    fn tools(&self) -> Option<&dyn ProviderTools> {
        None
    }
}

/// One deployed function: the client's end of every invocation.
///
/// ```
/// # use faast_core::provider::{CallId, CloudFunction, Event, Request};
/// # use futures_util::StreamExt as _;
/// /// Sends a request, and gives the calls of which nothing is known at its end.
/// async fn lost(function: &dyn CloudFunction, request: Request) -> Vec<CallId> {
///     let mut open: Vec<_> = request.calls.iter().map(|call| call.id).collect();
///     let mut events = function.invoke(request);
///     while let Some(event) = events.next().await {
///         match event {
///             Ok(Event::Done { call, .. } | Event::Returned { call }) => open.retain(|id| *id != call),
///             Ok(_) => {}      // it has started, or has made an item
///             Err(_) => break, // for all that are open
///         }
///     }
///     open
/// }
/// ```
#[async_trait]
pub trait CloudFunction: Send + Sync + 'static {
    /// Sends a request of one to n calls and yields what the worker says about them.
    ///
    /// The request starts when the stream is first polled; core polls it at once. Dropping the stream cancels the
    /// request as far as [`Capabilities::cancel`] goes. The stream ends after every call has had its
    /// [`Event::Done`] or [`Event::Returned`], or with one `Err`, which stands for every call that has had neither.
    /// It is polled by one thread at a time, but by any thread, with faast's runtime entered; it may be dropped on any
    /// thread too. What waits for sockets or timers belongs into a task on [`DeployContext::runtime`].
    ///
    /// There is no retry in here: failures are classified (`classify.rs`) and core decides.
    fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>>;

    /// Limits that are known only after deploying, such as the account's concurrency.
    fn limits(&self) -> Limits;

    /// The store for arguments and results above the transport's limit, if the provider has one.
    fn store(&self) -> Option<Arc<dyn BlobStore>> {
        None
    }

    /// Moves the `expires` tag of this deployment's resources to `until`. Core calls it while the client lives.
    ///
    /// # Errors
    ///
    /// When the tag could not be moved; core reports it and tries again.
    async fn renew(&self, until: SystemTime) -> Result<()>;

    /// The account that the deployment is in, with its region where an account has several: garbage collection looks
    /// into each once a day. Empty where there is only one, such as this machine.
    fn account(&self) -> String {
        String::new()
    }

    /// Where the logs of this function, or of one execution of it, can be read.
    fn log_url(&self, execution: Option<&ExecutionId>) -> String;

    /// What was used beyond the calls themselves (queues, storage, transfer), for the cost table.
    async fn usage(&self) -> Usage;

    /// Answers that came when their request was no longer waited for: the platform ran or delivered it twice, or core had
    /// given it up. They are dropped, and counted in [`Stats::duplicates`](crate::Stats).
    fn duplicates(&self) -> u64 {
        0
    }

    /// What one call costs at the very most, in the units of the price table: the budget's worst case.
    fn worst_case(&self, timeout: std::time::Duration) -> Usage {
        let _ = timeout;
        Usage::default()
    }

    /// Removes everything that [`CloudProvider::deploy`] made. Idempotent; the discoverable root goes last.
    async fn cleanup(&self) -> CleanupReport;
}

/// The worker's source of requests.
///
/// Driven by core's serve loop on a plain thread, outside any async runtime.
///
/// The worker's side is blocking on purpose: the thread that reads a request also runs the function and writes the
/// answer, so that no call pays for a hand-over between threads, and a transport needs no async runtime to start.
///
/// ```
/// # use std::{sync::{Arc, Mutex}, time::Duration};
/// # use faast_core::{ErrorKind, function::build_fingerprint, provider::*, worker};
/// # #[derive(Default)]
/// # struct Seen(Mutex<Vec<Event>>);
/// # impl EventSink for Seen {
/// #     fn send(&self, event: &mut Event, _: usize) -> Result<(), SendError> {
/// #         self.0.lock().unwrap().push(event.clone());
/// #         Ok(())
/// #     }
/// #     fn flush(&self) -> Result<(), SendError> {
/// #         Ok(())
/// #     }
/// #     fn terminate(&self) {}
/// # }
/// /// A worker that is started for one request.
/// struct Single {
///     request: Option<Request>,
///     events: Arc<Seen>, // an `EventSink`
/// }
///
/// impl WorkerTransport for Single {
///     fn next(&mut self) -> Option<Request> {
///         self.request.take()
///     }
///     fn events(&self) -> Arc<dyn EventSink> {
///         Arc::clone(&self.events) as _
///     }
/// }
///
/// // Its call is of a function that this program does not have: that is an answer, and not the worker's end.
/// # let function = FunctionId { name: "lab::weigh".into(), signature: 1 };
/// # let (id, timeout, args) = (CallId(7), Duration::from_secs(1), Payload::Inline(bytes::Bytes::new()));
/// # let calls = vec![CallFrame { id, attempt: 1, function, timeout, args, trace: None }];
/// # let request = Some(Request { deployment: "d1".into(), build: build_fingerprint(), calls });
/// let events = Arc::<Seen>::default();
/// worker::serve(Box::new(Single { request, events: Arc::clone(&events) }));
/// let seen = events.0.lock().unwrap();
/// let [Event::Done { outcome: Outcome::Err(failure), .. }] = &seen[..] else { panic!("{seen:?}") };
/// assert_eq!(failure.kind, ErrorKind::UnknownFunction);
/// ```
pub trait WorkerTransport: Send + 'static {
    /// Waits for the next request; `None` ends the worker in an orderly way.
    fn next(&mut self) -> Option<Request>;

    /// Where events go. Shared with the thread that watches deadlines while a function runs.
    fn events(&self) -> Arc<dyn EventSink>;

    /// The store for results above the transport's limit, if the provider has one.
    fn store(&self) -> Option<Arc<dyn BlobStore>> {
        None
    }

    /// The memory above which a call fails as out of memory, in bytes, if core is to watch it.
    fn memory_limit(&self) -> Option<u64> {
        None
    }

    /// How many workers stand above this one, itself included, where no argument of the process says it (see
    /// [`Mark`](crate::worker::Mark)): an end to a job that deploys itself.
    fn depth(&self) -> u32 {
        0
    }

    /// Called once before the first `next`: how the transport tells running functions that nobody waits for them.
    fn attach(&mut self, control: WorkerControl) {
        let _ = control;
    }
}

/// Where a worker's events go.
///
/// ```
/// # use std::sync::Mutex;
/// # use faast_core::provider::{CallId, Event, EventSink, Payload, SendError};
/// # use faast_core::wire::frame;
/// /// Collects what the platform takes as the answer: events of at most 64 bytes.
/// #[derive(Default)]
/// struct Answer(Mutex<Vec<u8>>);
///
/// impl EventSink for Answer {
///     fn send(&self, event: &mut Event, _: usize) -> Result<(), SendError> {
///         let mut bytes = Vec::new();
///         frame::encode_event(event, &mut bytes);
///         let (size, limit) = (bytes.len() as u64, 64);
///         if size > limit {
///             return Err(SendError::TooLarge { size, limit }); // core stores the payload, and sends again
///         }
///         self.0.lock().unwrap().append(&mut bytes);
///         Ok(())
///     }
///     fn flush(&self) -> Result<(), SendError> {
///         Ok(()) // nothing is held back
///     }
///     fn terminate(&self) {
///         std::process::exit(1)
///     }
/// }
///
/// let (sink, call) = (Answer::default(), CallId(7));
/// let mut large = Event::Item { call, seq: 0, body: Payload::Inline(vec![0; 100].into()) };
/// assert!(matches!(sink.send(&mut large, 1), Err(SendError::TooLarge { limit: 64, .. })));
/// assert_eq!(sink.send(&mut Event::Returned { call }, 0), Ok(()));
/// ```
pub trait EventSink: Send + Sync + 'static {
    /// Sends one event. While `remaining` (calls of this request that have not been answered yet) is above zero the
    /// sink may hold the event back for about a millisecond; at zero it goes out at once.
    ///
    /// It may take the payload out of the event, but not from one that it refuses.
    ///
    /// Blocks while the other side does not take more: that is the backpressure of generator functions.
    ///
    /// # Errors
    ///
    /// [`SendError::TooLarge`] makes core spill the payload through the store and send again.
    fn send(&self, event: &mut Event, remaining: usize) -> Result<(), SendError>;

    /// Sends what was held back.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] when nobody listens any more.
    fn flush(&self) -> Result<(), SendError>;

    /// Ends this worker because a call can't be stopped in any other way (time-out, memory). Does not return where the
    /// worker is a process of its own; where it is a thread of the client, the thread is abandoned.
    fn terminate(&self);
}

/// Why an event could not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The event is larger than the transport carries.
    #[error("the event has {size} bytes and the transport carries at most {limit}")]
    TooLarge {
        /// Bytes of the event as it would be sent.
        size: u64,
        /// Bytes that the transport carries at most.
        limit: u64,
    },
    /// The client does not listen any more: it broke the stream off, or it is gone.
    #[error("the other side does not listen any more")]
    Closed,
}

impl fmt::Debug for dyn CloudProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CloudProvider").field(&self.name()).finish()
    }
}

/// A provider chosen at run time.
#[async_trait]
impl CloudProvider for Box<dyn CloudProvider> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn capabilities(&self, mode: Mode) -> Capabilities {
        (**self).capabilities(mode)
    }

    async fn deploy(&self, spec: &DeploySpec, cx: &DeployContext) -> Result<Arc<dyn CloudFunction>> {
        (**self).deploy(spec, cx).await
    }

    fn stray(&self, scope: &StrayScope) -> BoxStream<'static, Result<Resource>> {
        (**self).stray(scope)
    }

    async fn look_up(&self, resource: &Resource) -> Result<Option<Resource>> {
        (**self).look_up(resource).await
    }

    async fn delete(&self, resource: &Resource) -> Result<Deleted> {
        (**self).delete(resource).await
    }

    fn worst_case(&self, spec: &DeploySpec) -> Option<Usage> {
        (**self).worst_case(spec)
    }

    fn usage_of(&self, spec: &DeploySpec, ran: std::time::Duration) -> Usage {
        (**self).usage_of(spec, ran)
    }

    async fn prices(&self, region: &str) -> Result<PriceTable> {
        (**self).prices(region).await
    }

    fn tools(&self) -> Option<&dyn ProviderTools> {
        (**self).tools()
    }
}

/// A stream of resources that is empty: for providers that leave nothing behind.
pub fn no_strays() -> BoxStream<'static, Result<Resource>> {
    struct Empty;
    impl Stream for Empty {
        type Item = Result<Resource>;
        fn poll_next(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            std::task::Poll::Ready(None)
        }
    }
    Box::pin(Empty)
}
