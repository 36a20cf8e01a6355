//! Spilling on the client's side: arguments above the transport's limit go to the store before the request, results
//! that were spilled are fetched before anybody sees them, and both are deleted when they have been read.
//!
//! What is stored for a request belongs to that request alone ([`BlobKey::fresh`]), so that its end, however it comes, is
//! the end of its arguments: no other attempt reads them. Results of calls that nobody waits for any more are deleted
//! unread. What this misses, because a worker was never heard of again, goes with the deployment's cleanup.

use std::sync::Arc;

use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::future::try_join_all;
use futures_util::{StreamExt, stream};

use crate::error::{Error, ErrorKind};
use crate::provider::{
    BlobKey, BlobRef, BlobStore, CallId, CloudFunction, Event, Failure, InvokeError, Outcome, Payload, Ran, Request,
};
use crate::runtime::Runtime;
use crate::wire::frame;

/// Where payloads above a limit go.
pub(super) struct Spill {
    pub(super) store: Arc<dyn BlobStore>,
    /// Bytes of an encoded request at most.
    pub(super) limit: u64,
    pub(super) runtime: Runtime,
}

/// The dispatcher's books, as far as one request's transfers are concerned.
pub(super) trait Books: Send + Sync + 'static {
    /// A transfer begins or ends. Meanwhile the network is what is waited for, not the function.
    fn transferring(&self, busy: bool);

    /// Whether anybody still waits for a call of the request.
    fn waits_for(&self, call: CallId) -> bool;
}

/// The events of a request, whose arguments or results may need the store.
pub(super) fn invoke(
    spill: &Arc<Spill>,
    function: &Arc<dyn CloudFunction>,
    books: impl Books,
    request: Request,
) -> BoxStream<'static, Result<Event, InvokeError>> {
    let oversized = !surely_fits(&request, spill.limit);
    let (spill, books) = (Arc::clone(spill), Arc::new(books));
    if !oversized {
        return receive(function.invoke(request), spill, books, None);
    }
    let function = Arc::clone(function);
    let started = async move {
        books.transferring(true);
        let stored = store_arguments(&spill, request).await;
        books.transferring(false);
        match stored {
            Ok((request, stored)) => receive(function.invoke(request), spill, books, Some(stored)),
            Err(failure) => stream::iter([Err(failure)]).boxed(),
        }
    };
    stream::once(started).flatten().boxed()
}

/// Bytes that a call takes in a request beside its arguments, the function's name and the trace; rather too many.
const CALL_BYTES: usize = 96;

/// Bytes that a request takes beside its calls; rather too many.
const REQUEST_BYTES: usize = 128;

/// A cheap look that is enough for nearly all requests.
fn surely_fits(request: &Request, limit: u64) -> bool {
    let calls = request.calls.iter().map(|call| {
        let trace = call.trace.as_ref().map_or(0, |trace| trace.0.len());
        CALL_BYTES + call.args.inline_len() + call.function.name.len() + trace
    });
    (REQUEST_BYTES + calls.sum::<usize>()) as u64 <= limit
}

/// Takes arguments out of a request, the largest first, until the rest fits.
fn oversized(request: &mut Request, limit: u64) -> Vec<(usize, Bytes)> {
    /// A length, which the empty arguments that are measured have not.
    const LENGTH: u64 = 8;
    let nothing = || Payload::Inline(Bytes::new());
    let mut args: Vec<_> = request.calls.iter_mut().map(|call| std::mem::replace(&mut call.args, nothing())).collect();
    let mut encoded = Vec::new();
    frame::encode_request(request, &mut encoded);
    let mut size = encoded.len() as u64 + args.iter().map(|args| args.inline_len() as u64 + LENGTH).sum::<u64>();
    let mut by_size: Vec<usize> = (0..args.len()).collect();
    by_size.sort_by_key(|at| std::cmp::Reverse(args[*at].inline_len()));
    let mut taken = Vec::new();
    for at in by_size {
        let reference = reference_bytes(request.calls[at].id);
        if size <= limit || args[at].inline_len() as u64 <= reference {
            break;
        }
        if let Payload::Inline(bytes) = std::mem::replace(&mut args[at], nothing()) {
            size = size - bytes.len() as u64 + reference;
            taken.push((at, bytes));
        }
    }
    for (call, args) in request.calls.iter_mut().zip(args) {
        call.args = args;
    }
    taken
}

/// Bytes that a reference to stored arguments takes.
fn reference_bytes(call: CallId) -> u64 {
    /// Hash, lengths and marks.
    const REST: usize = 64;
    (BlobKey::fresh(ARGUMENTS, call).0.len() + REST) as u64
}

const ARGUMENTS: &str = "arguments";

async fn store_arguments(spill: &Arc<Spill>, mut request: Request) -> Result<(Request, Stored), InvokeError> {
    let mut stored = Stored { spill: Arc::clone(spill), keys: Vec::new() };
    let taken = oversized(&mut request, spill.limit);
    let mut uploads = Vec::with_capacity(taken.len());
    for (at, bytes) in taken {
        let call = &mut request.calls[at];
        let blob = BlobRef::new(BlobKey::fresh(ARGUMENTS, call.id), &bytes);
        stored.keys.push(blob.key.clone());
        let (key, store) = (blob.key.clone(), &spill.store);
        uploads.push(async move {
            let len = bytes.len();
            store.put(&key, bytes).await.map_err(|error| refused(error, len, spill.limit))
        });
        call.args = Payload::Blob(Box::new(blob));
    }
    try_join_all(uploads).await?;
    Ok((request, stored))
}

fn refused(error: Error, len: usize, limit: u64) -> InvokeError {
    let message = format!(
        "the arguments have {len} bytes, the transport carries {limit}, and they can't be stored: {}",
        error.message()
    );
    // It has not run, and may be throttled like any request.
    let failure = InvokeError::new(error.kind().retry_class(), Ran::No, message).kind(error.kind());
    match error.hint().map(str::to_owned) {
        Some(hint) => failure.hint(hint).source(error),
        None => failure.source(error),
    }
}

/// What lies in the store for one request or one event. Deleted when it is dropped.
struct Stored {
    spill: Arc<Spill>,
    keys: Vec<BlobKey>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        let (store, keys) = (Arc::clone(&self.spill.store), std::mem::take(&mut self.keys));
        // Nobody waits for it. Without a runtime the cleanup is over, and has taken them along.
        self.spill.runtime.spawn(async move {
            for key in keys {
                if let Err(error) = store.delete(&key).await {
                    crate::log!(crate::log::Channel::Provider, "`{}` stays until the cleanup: {error}", key.0);
                }
            }
        });
    }
}

/// Passes events on, with what they refer to. The arguments are kept until the stream ends or is dropped.
fn receive<B: Books>(
    events: BoxStream<'static, Result<Event, InvokeError>>,
    spill: Arc<Spill>,
    books: Arc<B>,
    arguments: Option<Stored>,
) -> BoxStream<'static, Result<Event, InvokeError>> {
    events
        .then(move |event| {
            let _until_the_end = &arguments;
            let (spill, books) = (Arc::clone(&spill), Arc::clone(&books));
            async move { fetch(&spill, &*books, event).await }
        })
        .boxed()
}

async fn fetch(
    spill: &Arc<Spill>,
    books: &impl Books,
    event: Result<Event, InvokeError>,
) -> Result<Event, InvokeError> {
    let event = event?;
    let Some(blob) = event.blob().cloned() else { return Ok(event) };
    let _read_or_not = Stored { spill: Arc::clone(spill), keys: vec![blob.key.clone()] };
    if !books.waits_for(event.call()) {
        return Ok(event);
    }
    books.transferring(true);
    let read = read(spill, &blob).await;
    books.transferring(false);
    Ok(match (event, read) {
        (Event::Done { call, metering, .. }, Ok(bytes)) => {
            Event::Done { call, outcome: Outcome::Ok(Payload::Inline(bytes)), metering }
        }
        // It stands for its own call: the others of the request, and the bill, are not touched.
        (Event::Done { call, metering, .. }, Err(error)) => {
            Event::Done { call, outcome: Outcome::Err(Box::new(unreadable(&error, blob.len))), metering }
        }
        (Event::Item { call, seq, .. }, Ok(bytes)) => Event::Item { call, seq, body: Payload::Inline(bytes) },
        (event, Ok(_)) => event,
        // Without one of its items a generator is not what it was.
        (_, Err(error)) => return Err(of_request(unreadable(&error, blob.len))),
    })
}

/// A failure of one call as that of its request.
fn of_request(failure: Failure) -> InvokeError {
    let Failure { kind, message, mut chain, .. } = failure;
    let error = InvokeError::new(kind.retry_class(), Ran::Yes, message).kind(kind);
    match chain.pop() {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

async fn read(spill: &Arc<Spill>, blob: &BlobRef) -> Result<Bytes, Error> {
    let bytes = spill.store.get(blob).await?;
    blob.verify(&bytes)?;
    Ok(bytes)
}

/// A result that has been made and can't be had.
fn unreadable(error: &Error, len: u64) -> Failure {
    let message = format!("the result ({len} bytes) can't be read from the store: {}", error.message());
    // Its call has run; so much for throttling.
    let kind = if error.kind() == ErrorKind::Throttled { ErrorKind::Unavailable } else { error.kind() };
    Failure { chain: error.hint().map(str::to_owned).into_iter().collect(), ..Failure::new(kind, message) }
}

#[cfg(test)]
mod tests;
