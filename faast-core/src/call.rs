//! Calls: a function with its arguments, encoded, ready to be run on a cloud as often as it takes.
//!
//! Arguments are encoded when the call is made, so that they may be borrowed and that what can't be encoded fails in
//! the caller. A call is lazy: nothing happens until it is given to a [`Cloud`](crate::Cloud).

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::function::FunctionEntry;
use crate::wire::{self, Wire};

/// Decides whether a failed call is tried again; see [`Call::retry_if`].
pub(crate) type RetryIf = Arc<dyn Fn(&Error) -> bool + Send + Sync>;

/// What may be set for one call alone.
#[derive(Clone, Default)]
pub(crate) struct CallOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: Option<u32>,
    pub(crate) retry_if: Option<RetryIf>,
    pub(crate) label: Option<Arc<str>>,
}

/// A call without its result type.
pub(crate) struct RawCall {
    pub(crate) entry: &'static FunctionEntry,
    pub(crate) args: Result<Bytes>,
    pub(crate) options: Option<Box<CallOptions>>,
}

impl RawCall {
    fn options(&mut self) -> &mut CallOptions {
        self.options.get_or_insert_default()
    }

    /// No time at all is a mistake, which the call ends with like one whose arguments can't be encoded.
    fn set_timeout(&mut self, timeout: Duration) {
        self.options().timeout = Some(timeout);
        if timeout.is_zero() && self.args.is_ok() {
            let wrong = Error::new(ErrorKind::Config, "the call's `timeout` must be above zero");
            self.args = Err(wrong.with_function(self.entry.name).with_hint("leave it out for the deployment's"));
        }
    }
}

/// A decoder with what [`Call::map`] does to the value.
type Mapped<T> = Box<dyn FnOnce(&Bytes) -> Result<T> + Send>;

/// Turns the bytes of a result into its value.
pub(crate) enum Decoder<T> {
    /// The function's own result type.
    Plain(fn(&Bytes) -> Result<T>),
    /// Changed by [`Call::map`].
    Mapped(Mapped<T>),
}

impl<T> Decoder<T> {
    pub(crate) fn decode(self, bytes: &Bytes) -> Result<T> {
        match self {
            Self::Plain(decode) => decode(bytes),
            Self::Mapped(decode) => decode(bytes),
        }
    }
}

impl RawCall {
    fn new(entry: &'static FunctionEntry, args: Result<Vec<u8>>) -> Self {
        let args = args.map(Bytes::from).map_err(|error| error.with_function(entry.name));
        Self { entry, args, options: None }
    }
}

/// A call that gives one value. Made by `function::call(..)`.
///
/// ```
/// # mod square { pub use faast_testkit::probe::identity as call; }
/// # async fn example(cloud: faast_core::Cloud) -> faast_core::Result<()> {
/// // #[faast::function] fn square(n: u64) -> u64
/// let call = square::call(7).label("seven").retries(5).retry_if(|error| error.is_panic());
/// let text: String = cloud.run(call.map(|n| n.to_string())).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a call does nothing until it is given to a cloud: `cloud.run(call)`"]
pub struct Call<T> {
    pub(crate) raw: RawCall,
    pub(crate) decoder: Decoder<T>,
}

impl<T> Call<T> {
    /// Used by `#[faast::function]`.
    #[doc(hidden)]
    pub fn new(entry: &'static FunctionEntry, args: Result<Vec<u8>>) -> Self
    where
        T: Wire + 'static,
    {
        let raw = RawCall::new(entry, args);
        Self { raw, decoder: Decoder::Plain(|bytes| wire::decode_all(bytes)) }
    }

    /// Changes the result, in the client, when it has arrived. So one map can mix functions.
    pub fn map<U>(self, f: impl FnOnce(T) -> U + Send + 'static) -> Call<U>
    where
        T: 'static,
    {
        let decoder = Decoder::Mapped(Box::new(move |bytes| self.decoder.decode(bytes).map(f)));
        Call { raw: self.raw, decoder }
    }

    /// The registered name of the function.
    pub fn function(&self) -> &'static str {
        self.raw.entry.name
    }

    /// Start to reply of one attempt, instead of the deployment's `timeout`. Zero fails the call with
    /// [`ErrorKind::Config`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.raw.set_timeout(timeout);
        self
    }

    /// Attempts after the first, instead of the deployment's `retries`.
    pub fn retries(mut self, retries: u32) -> Self {
        self.raw.options().retries = Some(retries);
        self
    }

    /// Tries again after failures that are not retried by themselves, if `wanted` says so.
    ///
    /// Those are the user's error, a panic, a crash, a time-out, and out of memory. It needs attempts that are left.
    /// `wanted` is asked on a thread of faast's and must not block; a panic of it counts as no.
    pub fn retry_if(mut self, wanted: impl Fn(&Error) -> bool + Send + Sync + 'static) -> Self {
        self.raw.options().retry_if = Some(Arc::new(wanted));
        self
    }

    /// A name for this call in errors, events and logs.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.raw.options().label = Some(label.into());
        self
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.raw.args.as_ref().map(Bytes::len).map_err(Error::kind);
        f.debug_struct("Call")
            .field("function", &self.raw.entry.name)
            .field("arg_bytes", &bytes)
            .finish_non_exhaustive()
    }
}

/// A call that gives the items of a generator function. Made by `function::call(..)`.
///
/// See [`Cloud::stream`](crate::Cloud::stream).
#[must_use = "a call does nothing until it is given to a cloud: `cloud.stream(call)`"]
pub struct StreamCall<T> {
    pub(crate) raw: RawCall,
    item: PhantomData<fn() -> T>,
}

impl<T: Wire> StreamCall<T> {
    /// Used by `#[faast::function]`.
    #[doc(hidden)]
    pub fn new(entry: &'static FunctionEntry, args: Result<Vec<u8>>) -> Self {
        Self { raw: RawCall::new(entry, args), item: PhantomData }
    }

    /// The registered name of the function.
    pub fn function(&self) -> &'static str {
        self.raw.entry.name
    }

    /// The longest time between two items, instead of the deployment's `timeout`. Zero fails the call with
    /// [`ErrorKind::Config`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.raw.set_timeout(timeout);
        self
    }

    /// A name for this call in errors, events and logs.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.raw.options().label = Some(label.into());
        self
    }
}

impl<T> fmt::Debug for StreamCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamCall").field("function", &self.raw.entry.name).finish_non_exhaustive()
    }
}
