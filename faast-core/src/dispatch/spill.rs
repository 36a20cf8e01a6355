//! Spilling on the client's side: arguments above the transport's limit go to the store before the request, results
//! that were spilled are fetched before anybody sees them, and both are deleted as soon as they have been read.

use std::sync::Arc;

use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};

use crate::error::{Error, Result};
use crate::provider::{
    BlobKey, BlobRef, BlobStore, CloudFunction, Event, InvokeError, Outcome, Payload, Ran, Request, RetryClass,
};

/// Invokes a function whose arguments or results may need the store.
pub(super) fn invoke(
    function: &Arc<dyn CloudFunction>,
    store: &Arc<dyn BlobStore>,
    limit: u64,
    request: Request,
) -> BoxStream<'static, Result<Event, InvokeError>> {
    let (function, store) = (Arc::clone(function), Arc::clone(store));
    let started = async move {
        match spill_arguments(&store, limit, request).await {
            Ok((request, spilled)) => receive(function.invoke(request), store, spilled),
            Err(failure) => stream::iter([Err(failure)]).boxed(),
        }
    };
    stream::once(started).flatten().boxed()
}

async fn spill_arguments(
    store: &Arc<dyn BlobStore>,
    limit: u64,
    mut request: Request,
) -> Result<(Request, Vec<BlobKey>), InvokeError> {
    let mut spilled = Vec::new();
    let mut total: u64 = request.calls.iter().map(|call| call.args.inline_len() as u64).sum();
    for call in &mut request.calls {
        let Payload::Inline(bytes) = &call.args else { continue };
        if total <= limit {
            break;
        }
        total -= bytes.len() as u64;
        let key = BlobKey(format!("{}/arguments-{}-{}", request.deployment, call.id, call.attempt));
        let blob = BlobRef::new(key, bytes);
        if let Err(error) = store.put(&blob.key, bytes.clone()).await {
            return Err(refused(&error, bytes, limit));
        }
        spilled.push(blob.key.clone());
        call.args = Payload::Blob(Box::new(blob));
    }
    Ok((request, spilled))
}

fn refused(error: &Error, bytes: &Bytes, limit: u64) -> InvokeError {
    let message = format!(
        "the arguments have {} bytes, the transport carries {limit}, and the store took nothing: {}",
        bytes.len(),
        error.message()
    );
    let class = match error.kind().retry_class() {
        RetryClass::Transient => RetryClass::Transient,
        _ => RetryClass::Permanent,
    };
    InvokeError::new(class, Ran::No, message).kind(error.kind())
}

fn receive(
    events: BoxStream<'static, Result<Event, InvokeError>>,
    store: Arc<dyn BlobStore>,
    spilled: Vec<BlobKey>,
) -> BoxStream<'static, Result<Event, InvokeError>> {
    let reading = Arc::clone(&store);
    let fetched = events.then(move |event| fetch(Arc::clone(&reading), event));
    // The arguments are needed until the last event; what this misses, the cleanup of the deployment finds.
    let tidied = stream::once(async move {
        for key in &spilled {
            let _ = store.delete(key).await;
        }
    });
    fetched.map(Some).chain(tidied.map(|()| None)).filter_map(std::future::ready).boxed()
}

async fn fetch(store: Arc<dyn BlobStore>, event: Result<Event, InvokeError>) -> Result<Event, InvokeError> {
    Ok(match event? {
        Event::Done { call, outcome: Outcome::Ok(Payload::Blob(blob)), metering } => {
            let outcome = Outcome::Ok(Payload::Inline(read(&store, &blob).await?));
            Event::Done { call, outcome, metering }
        }
        Event::Item { call, seq, body: Payload::Blob(blob) } => {
            Event::Item { call, seq, body: Payload::Inline(read(&store, &blob).await?) }
        }
        event => event,
    })
}

async fn read(store: &Arc<dyn BlobStore>, blob: &BlobRef) -> Result<Bytes, InvokeError> {
    let fetched = async {
        let bytes = store.get(&blob.key).await?;
        blob.verify(&bytes)?;
        Ok::<_, Error>(bytes)
    };
    let bytes = fetched.await.map_err(|error| {
        let message = format!("the result ({} bytes) can't be read from the store: {}", blob.len, error.message());
        InvokeError::new(RetryClass::Transient, Ran::Yes, message).kind(error.kind())
    })?;
    let _ = store.delete(&blob.key).await;
    Ok(bytes)
}
