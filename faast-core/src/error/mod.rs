//! Errors: one opaque type, one word wide, whose kind says what a caller can do about it.
//!
//! `Display` says this level only; [`Error::hint`] says what to do; `source()` leads to the cause. Kind is not
//! retryability: retry classes are set by providers, and by the time a caller sees an error the policy has given up.

mod kind;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::kind::ErrorKind;
use crate::provider::{CallId, ExecutionId, Failure, InvokeError};

/// A result with faast's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a deployment, a call or a cleanup failed.
///
/// ```
/// # use faast_core::{Error, ErrorKind};
/// fn retry_by_hand(error: &Error) -> bool {
///     error.is_timeout() || error.kind() == ErrorKind::WorkerLost
/// }
/// # assert!(!retry_by_hand(&Error::new(ErrorKind::Config, "wrong")));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    location: Option<String>,
    value: Option<Bytes>,
    call: CallSite,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What is known of the call that an error is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallSite {
    pub(crate) function: Option<Arc<str>>,
    pub(crate) id: Option<CallId>,
    pub(crate) index: Option<u64>,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) provider: Option<&'static str>,
    pub(crate) log_url: Option<String>,
    pub(crate) execution: Option<ExecutionId>,
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
}

impl Error {
    /// An error of a kind; `message` is a lowercase fragment without a final period.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            hint: None,
            location: None,
            value: None,
            call: CallSite::default(),
            source: None,
        }))
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with_execution(mut self, execution: ExecutionId) -> Self {
        self.0.call.execution = Some(execution);
        self
    }

    pub(crate) fn with_call(mut self, call: CallSite) -> Self {
        self.0.call = call;
        self
    }

    /// For what goes wrong before there is a call.
    pub(crate) fn with_function(mut self, name: &'static str) -> Self {
        self.0.call.function = Some(name.into());
        self
    }

    pub(crate) fn with_index(mut self, index: u64) -> Self {
        self.0.call.index = Some(index);
        self
    }

    /// What a worker reported.
    pub(crate) fn from_failure(mut failure: Failure) -> Self {
        // The user's code has its sources there; what faast itself reports ends with what to do.
        let hint = if matches!(failure.kind, ErrorKind::User | ErrorKind::Panic) { None } else { failure.chain.pop() };
        let mut error = Self::new(failure.kind, failure.message);
        error.0.hint = hint;
        error.0.location = failure.location;
        error.0.value = failure.value;
        error.0.source = Remote::chain(failure.chain);
        error
    }

    /// What a transport reported.
    pub(crate) fn from_invoke(failure: InvokeError) -> Self {
        let mut error = Self::new(failure.kind, failure.message);
        error.0.call.execution = failure.execution;
        error.0.hint = failure.hint;
        error.0.source = failure.source;
        error
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// This level's message, without the function and the kind.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where a panic happened, as `file:line:column`.
    pub fn location(&self) -> Option<&str> {
        self.0.location.as_deref()
    }

    /// The registered name of the function that was called.
    pub fn function(&self) -> Option<&str> {
        self.0.call.function.as_deref()
    }

    /// The call.
    pub fn call_id(&self) -> Option<CallId> {
        self.0.call.id
    }

    /// The position of the call in its map's input.
    pub fn index(&self) -> Option<u64> {
        self.0.call.index
    }

    /// The call's label, if it was given one.
    pub fn label(&self) -> Option<&str> {
        self.0.call.label.as_deref()
    }

    /// The provider that ran the call.
    pub fn provider(&self) -> Option<&str> {
        self.0.call.provider
    }

    /// Where the logs of the call are.
    pub fn log_url(&self) -> Option<&str> {
        self.0.call.log_url.as_deref()
    }

    /// The execution, as the provider's logs name it.
    pub fn execution(&self) -> Option<&ExecutionId> {
        self.0.call.execution.as_ref()
    }

    /// Attempts that were made, the first one included; 0 if nothing was sent.
    pub fn attempts(&self) -> u32 {
        self.0.call.attempts
    }

    /// Time from the call's submission to its failure.
    pub fn elapsed(&self) -> Duration {
        self.0.call.elapsed
    }

    /// The user's own error, encoded. `<function>::error(&e)` decodes it.
    #[doc(hidden)]
    pub fn value(&self) -> Option<&Bytes> {
        self.0.value.as_ref()
    }

    /// Whether the function itself returned `Err`.
    pub fn is_user(&self) -> bool {
        self.kind() == ErrorKind::User
    }

    /// Whether an attempt took longer than its time-out, or the call longer than its deadline.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind(), ErrorKind::Timeout | ErrorKind::Deadline)
    }

    /// Whether the function panicked.
    pub fn is_panic(&self) -> bool {
        self.kind() == ErrorKind::Panic
    }

    /// Whether the worker needed more memory than it has.
    pub fn is_out_of_memory(&self) -> bool {
        self.kind() == ErrorKind::OutOfMemory
    }

    /// Whether the caller gave up: a dropped stream, `cleanup()` in the middle of a map.
    pub fn is_canceled(&self) -> bool {
        self.kind() == ErrorKind::Canceled
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(function) = &inner.call.function {
            write!(f, "`{function}`")?;
            match (&inner.call.label, inner.call.index) {
                (Some(label), _) => write!(f, " ({label})")?,
                (None, Some(index)) => write!(f, " (input {index})")?,
                (None, None) => {}
            }
            write!(f, ": ")?;
        }
        f.write_str(&inner.message)?;
        if let Some(location) = &inner.location {
            write!(f, " at {location}")?;
        }
        if inner.call.attempts > 1 {
            write!(f, " (after {} attempts in {:.1?})", inner.call.attempts, inner.call.elapsed)?;
        }
        Ok(())
    }
}

/// Prints as people want to read it when `main` returns an error: message, causes, hint and logs.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} [{}]", self.kind())?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, "\n  caused by: {error}")?;
            cause = error.source();
        }
        if let Some(hint) = self.hint() {
            write!(f, "\n  hint: {hint}")?;
        }
        if let Some(url) = self.log_url() {
            write!(f, "\n  logs: {url}")?;
            if is_gone(url) {
                f.write_str(" (went with its deployment; `.keep_logs()` keeps them)")?;
            }
        }
        Ok(())
    }
}

/// Whether it is a file of this machine that is not there any more.
fn is_gone(url: &str) -> bool {
    url.strip_prefix("file://").is_some_and(|path| !std::path::Path::new(path).exists())
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// An error of another process: only its words came back.
#[derive(Debug)]
struct Remote {
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Remote {
    fn chain(messages: Vec<String>) -> Option<Box<dyn StdError + Send + Sync>> {
        messages.into_iter().rev().fold(None, |source, message| Some(Box::new(Self { message, source })))
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Remote {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word_wide() {
        fn check<T: Send + Sync + 'static>() -> usize {
            size_of::<T>()
        }
        assert_eq!(check::<Error>(), size_of::<usize>());
    }

    #[test]
    fn an_error_says_what_it_was_made_of_and_nothing_else() {
        let error = Error::new(ErrorKind::Timeout, "took too long");
        assert_eq!(
            (error.kind(), error.message(), error.to_string()),
            (ErrorKind::Timeout, "took too long", "took too long".into())
        );
        assert_eq!((error.function(), error.log_url(), error.hint(), error.location()), (None, None, None, None));
        assert!(error.source().is_none() && error.value().is_none() && error.attempts() == 0);

        let mut error = error.with_source(std::io::Error::other("a closed door")).with_hint("knock");
        error.0.call.log_url = Some("https://log".into());
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("a closed door"));
        assert_eq!(
            format!("{error:?}"),
            "took too long [timeout]\n  caused by: a closed door\n  hint: knock\n  logs: https://log"
        );
    }

    #[test]
    fn logs_that_are_gone_are_said_to_be() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let url = format!("file://{}", file.path().display());
        let mut error = Error::new(ErrorKind::Panic, "panicked");
        error.0.call.log_url = Some(url.clone());
        assert_eq!(format!("{error:?}"), format!("panicked [panic]\n  logs: {url}"));
        file.close().unwrap();
        assert!(format!("{error:?}").ends_with("(went with its deployment; `.keep_logs()` keeps them)"), "{error:?}");
    }

    #[test]
    fn the_chain_of_a_remote_error_comes_back_in_order() {
        let failure = Failure { chain: vec!["outer".into(), "inner".into()], ..Failure::new(ErrorKind::User, "top") };
        let error = Error::from_failure(failure);
        let outer = error.source().unwrap();
        assert_eq!((error.to_string(), outer.to_string()), ("top".into(), "outer".into()));
        assert_eq!(outer.source().unwrap().to_string(), "inner");
    }
}
