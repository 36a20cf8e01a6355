//! Connections for providers whose calls are requests of HTTP/1.1 to a cloud's front end, thousands of them at once.
//!
//! A [`Pool`] has a connection for each request in flight and keeps those that are warm. Connections have their tasks on
//! faast's runtime; a request waits on whatever thread polls it, and dropping it closes its connection. Nothing is retried,
//! but what was never written may be put on another connection.

#![forbid(unsafe_code)]

mod connect;
mod pool;
mod tunnel;

use std::io;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use faast_core::provider::{InvokeError, Ran, RetryClass};
use http::response::Parts;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

pub use self::pool::{Lease, Pool, descriptors};
use self::tunnel::ProxyRefusal;

/// Times a request is put on a connection that turns out to be closed before any of it is written.
pub const ATTEMPTS: usize = 4;

/// The head of an answer, and its body, which is still to be read.
#[derive(Debug)]
pub struct Reply {
    /// Status and headers.
    pub head: Parts,
    /// What follows.
    pub body: Incoming,
    /// When the request was sent.
    pub sent: Instant,
    /// Has to be given back when the body was read to its end.
    pub lease: Lease,
}

/// A request that has no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// The connection was closed before any of it was written.
    Unwritten(hyper::Error),
    /// The connection broke after it was sent.
    Broken {
        /// How.
        error: hyper::Error,
        /// When it was sent.
        sent: Instant,
    },
}

impl Lease {
    /// Sends a request and waits for the head of the answer. Dropped meanwhile, it closes the connection.
    ///
    /// # Errors
    ///
    /// [`Unanswered`], whose first kind may be sent again.
    pub async fn send(mut self, request: http::Request<Full<Bytes>>) -> Result<Reply, Unanswered> {
        let sent = Instant::now();
        match self.sender.try_send_request(request).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                Ok(Reply { head, body, sent, lease: self })
            }
            Err(mut error) => {
                let written = error.take_message().is_none();
                let error = error.into_error();
                Err(if written { Unanswered::Broken { error, sent } } else { Unanswered::Unwritten(error) })
            }
        }
    }
}

/// There is no connection to a service, so that nothing was sent.
pub fn not_connected(service: &str, error: io::Error) -> InvokeError {
    let message = format!("no connection to {service}: {error}");
    let proxy = error.get_ref().and_then(|error| error.downcast_ref::<ProxyRefusal>());
    match proxy.and_then(ProxyRefusal::permanent) {
        Some(kind) => InvokeError::new(RetryClass::Permanent, Ran::No, message).kind(kind).source(error),
        None => InvokeError::new(RetryClass::Transient, Ran::No, message).source(error),
    }
}

/// A body's bytes, of which there may be so many at most.
///
/// # Errors
///
/// There are more, or the connection broke.
pub async fn read_to_end(mut body: Incoming, limit: usize) -> io::Result<Bytes> {
    let mut first = Bytes::new();
    let mut all: Option<BytesMut> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(io::Error::other)?;
        let Ok(data) = frame.into_data() else { continue };
        let read = first.len() + all.as_ref().map_or(0, BytesMut::len) + data.len();
        if read > limit {
            return Err(io::Error::other(format!("the answer has more than {limit} bytes")));
        }
        // Most come in one piece, which then is not copied.
        match &mut all {
            Some(all) => all.extend_from_slice(&data),
            None if first.is_empty() => first = data,
            None => {
                let mut joined = BytesMut::with_capacity(read);
                joined.extend_from_slice(&std::mem::take(&mut first));
                joined.extend_from_slice(&data);
                all = Some(joined);
            }
        }
    }
    Ok(all.map_or(first, BytesMut::freeze))
}
