//! What a failed invocation means: its class, its kind, whether the function may have run, and words for the user.
//!
//! A worker reports errors, panics, time-outs and memory itself, and says that a call starts before it starts. What is read
//! here are a connection that fails, an answer that breaks off, and the front end of Cloud Run, which says in a status and
//! a few words what became of an instance. `invoke/message.rs` has what only the queue can tell.

mod message;

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use faast_core::control::chain;
use faast_core::provider::{InvokeError, Ran, RetryClass};
use faast_core::{Error, ErrorKind};

pub(crate) use self::message::{dead, never_begun, queue_lost, unpublished, unread};

/// When a service that is not known everywhere yet is asked again.
const NOT_KNOWN: Duration = Duration::from_secs(1);

/// Bytes of a request that Cloud Run takes over HTTP/1.1.
pub(crate) const MOST_REQUEST: usize = 32 << 20;

/// What the platform, or a worker that does not take a request, said instead of an answer.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: u16,
    /// It is a worker's own, and not the platform's.
    pub(crate) of_worker: bool,
    /// The token that was refused is out of date, and another one can be had.
    pub(crate) is_stale: bool,
    pub(crate) text: String,
    /// When to ask again.
    pub(crate) retry_after: Option<Duration>,
}

impl Refusal {
    /// The text of a body; of pages, what stands between the tags.
    pub(crate) fn words(body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        let mut words = String::new();
        let mut in_tag = false;
        for letter in text.chars() {
            match letter {
                '<' => in_tag = true,
                '>' => {
                    in_tag = false;
                    words.push(' ');
                }
                _ if !in_tag => words.push(letter),
                _ => {}
            }
        }
        let words: Vec<_> = words.split_whitespace().collect();
        words.join(" ").chars().take(300).collect()
    }
}

/// What a refusal means. A service that was made so lately is not `settled` may not be known everywhere.
pub(crate) fn refused(refusal: &Refusal, service: &str, settled: bool) -> InvokeError {
    let Refusal { status, of_worker, is_stale, text, retry_after } = refusal;
    let says = |words: &str| text.to_ascii_lowercase().contains(words);
    let permanent = |kind, words: String| InvokeError::new(RetryClass::Permanent, Ran::No, words).kind(kind);
    if *of_worker {
        return match status {
            401 => permanent(ErrorKind::Denied, format!("the worker refused the request: {text}")),
            _ => permanent(ErrorKind::StaleBuild, format!("the worker does not take the request ({status}): {text}")),
        };
    }
    let no_instance = says("no available instance");
    if *status == 429 || no_instance {
        let words = format!("Cloud Run had no instance for it ({status}): {text}");
        let error = InvokeError::new(RetryClass::Throttled, Ran::No, words);
        return match retry_after {
            Some(after) => error.retry_after(*after),
            None => error,
        };
    }
    match status {
        401 if *is_stale => {
            InvokeError::new(RetryClass::Transient, Ran::No, format!("the identity token was out of date: {text}"))
        }
        401 => permanent(ErrorKind::Denied, format!("Cloud Run does not accept the identity token: {text}"))
            .hint("check this machine's clock and the credentials, or call `.invoker_secret()`"),
        403 | 404 if !settled => {
            let words = format!("the service `{service}` is not known everywhere yet ({status}): {text}");
            let error = InvokeError::new(RetryClass::Throttled, Ran::No, words).kind(ErrorKind::Unavailable);
            error.retry_after(NOT_KNOWN)
        }
        403 => permanent(ErrorKind::Denied, format!("Google denied `run.routes.invoke` on `{service}`: {text}"))
            .hint("give the caller the role `roles/run.invoker`, or call `.invoker_secret()`"),
        404 => {
            let words = format!("the service `{service}` is gone: it was deleted while it was in use ({text})");
            permanent(ErrorKind::Unavailable, words)
        }
        413 => permanent(
            ErrorKind::TooLarge,
            format!("the arguments are larger than the {MOST_REQUEST} bytes that Cloud Run takes: {text}"),
        ),
        504 => {
            let words = format!("took longer than the service may: {text}");
            InvokeError::new(RetryClass::Timeout, Ran::Yes, words)
        }
        503 if says("memory limit") => {
            let words = format!("needed more memory than the instance has: {text}");
            InvokeError::new(RetryClass::OutOfMemory, Ran::Maybe, words)
        }
        503 if says("malformed") || says("connection to the instance") => {
            let words = format!("the instance ended before it took the call: {text}");
            InvokeError::new(RetryClass::WorkerLost, Ran::Maybe, words)
        }
        408 | 500..=599 => {
            let words = format!("Cloud Run failed in passing ({status}): {text}");
            let error = InvokeError::new(RetryClass::Transient, Ran::Maybe, words);
            match retry_after {
                Some(after) => error.retry_after(*after),
                None => error,
            }
        }
        200..=299 => permanent(ErrorKind::Unavailable, format!("something else than the service answered: {text}"))
            .hint("a proxy or a gateway between here and Cloud Run answers in its place"),
        _ => permanent(ErrorKind::Internal, format!("Cloud Run refused the request ({status}): {text}")),
    }
}

/// There is no connection, so that nothing was sent.
pub(crate) fn not_connected(error: io::Error) -> InvokeError {
    faast_http::not_connected("Cloud Run", error)
}

/// An answer that broke off. In the middle of a call, an end that is no error of the network's is the end of the worker.
pub(crate) fn broken_off(error: hyper::Error, started: bool) -> InvokeError {
    if ended_early(&error) { ended(started) } else { broken(error, started) }
}

/// The answer ended where none can end. The front end of Cloud Run closes the connection when the instance has ended.
fn ended(started: bool) -> InvokeError {
    if started {
        let message = "the process ended in the middle of the call";
        return InvokeError::new(RetryClass::Crash, Ran::Yes, message);
    }
    InvokeError::new(RetryClass::WorkerLost, Ran::Maybe, "the process ended before the call began")
}

/// The connection broke after the request was sent.
pub(crate) fn broken(error: hyper::Error, started: bool) -> InvokeError {
    let ran = if started { Ran::Yes } else { Ran::Maybe };
    let message = format!("the connection to Cloud Run broke after the request was sent: {}", chain(&error));
    InvokeError::new(RetryClass::Transient, ran, message).source(error)
}

/// Whether the other side ended its answer before the end, in an orderly way.
fn ended_early(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() == io::ErrorKind::UnexpectedEof;
        }
        cause = error.source();
    }
    false
}

/// The answer is not what a worker of ours says.
pub(crate) fn undecodable(error: Error) -> InvokeError {
    InvokeError::new(RetryClass::Permanent, Ran::Yes, format!("the worker's answer can't be decoded: {error}"))
        .kind(error.kind())
        .source(error)
}

/// The answer ended well, and did not say what became of a call.
pub(crate) fn unanswered() -> InvokeError {
    let message = "the worker ended its answer without one for this call";
    InvokeError::new(RetryClass::WorkerLost, Ran::Maybe, message)
}

/// The request can't be made into bytes.
pub(crate) fn unsendable(error: impl Into<Box<dyn StdError + Send + Sync>>) -> InvokeError {
    InvokeError::new(RetryClass::Permanent, Ran::No, "the request can't be put together")
        .kind(ErrorKind::Encode)
        .source(error)
}

/// Larger than the service takes; known before anything is sent.
pub(crate) fn argument_too_large(size: usize, most: usize) -> InvokeError {
    let message = format!("the arguments have {size} bytes, encoded, and at most {most} bytes are taken for a call");
    InvokeError::new(RetryClass::Permanent, Ran::No, message)
        .kind(ErrorKind::TooLarge)
        .hint("send less in one call, or a reference to where it lies")
}

/// A call may take longer than its service.
pub(crate) fn timeout_not_deployed(asked: Duration, deployed: Duration) -> InvokeError {
    let message = format!("the call has a time-out of {asked:?}, and its service was deployed for {deployed:?}");
    InvokeError::new(RetryClass::Permanent, Ran::No, message)
        .kind(ErrorKind::Config)
        .hint("set `.timeout(..)` on the builder to the longest one that is needed")
}

/// There is no token. Where it comes from may be out of reach for a moment, and then for all calls alike.
pub(crate) fn no_token(error: Error) -> InvokeError {
    let passing = error.kind() == ErrorKind::Unavailable;
    let class = if passing { RetryClass::Unreachable } else { RetryClass::Permanent };
    let message = format!("no token says who calls: {}", chain(&error));
    InvokeError::new(class, Ran::No, message).kind(error.kind()).source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_platform(status: u16, text: &str) -> Refusal {
        Refusal { status, text: text.into(), ..Refusal::default() }
    }

    #[test]
    fn a_page_is_read_as_its_words() {
        let page = b"<html><head><title>500 Server Error</title></head><body text=#000000>\n<h1>Error:  Server Error</h1></body>";
        assert_eq!(Refusal::words(page), "500 Server Error Error: Server Error");
        assert_eq!(Refusal::words(b"Rate exceeded."), "Rate exceeded.");
        assert_eq!(Refusal::words(&b"x".repeat(5000)).len(), 300);
        let _ = Refusal::words(&[0xff, b'<', 0xfe]);
    }

    #[test]
    fn no_available_instance_is_a_limit_whatever_its_status() {
        for status in [429, 500, 503] {
            let text = "The request was aborted because there was no available instance.";
            let error = refused(&of_platform(status, text), "faast-x", true);
            assert_eq!((error.class, error.ran), (RetryClass::Throttled, Ran::No), "{status}");
        }
    }

    #[test]
    fn a_service_that_is_new_may_not_be_known_everywhere() {
        for status in [403, 404] {
            let new = refused(&of_platform(status, "no"), "faast-x", false);
            assert_eq!((new.class, new.kind, new.ran), (RetryClass::Throttled, ErrorKind::Unavailable, Ran::No));
            assert_eq!(new.retry_after, Some(NOT_KNOWN));
            let old = refused(&of_platform(status, "no"), "faast-x", true);
            assert_eq!((old.class, old.ran), (RetryClass::Permanent, Ran::No));
        }
    }

    #[test]
    fn an_orderly_end_in_the_middle_of_a_call_is_a_crash_and_a_reset_is_not() {
        let wrapped = |kind: io::ErrorKind| io::Error::other(io::Error::from(kind));
        let inner = |kind| ended_early(wrapped(kind).get_ref().map_or_else(|| unreachable!(), |error| error as _));
        assert!(inner(io::ErrorKind::UnexpectedEof));
        assert!(!inner(io::ErrorKind::ConnectionReset));
        assert_eq!((ended(true).class, ended(true).ran), (RetryClass::Crash, Ran::Yes));
        assert_eq!(ended(false).class, RetryClass::WorkerLost);
    }
}
