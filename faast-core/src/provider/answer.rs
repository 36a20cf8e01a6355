//! The answer to a request as a stream: what every provider does whose answers come in parts.

use std::future::{self, Future};

use futures_core::Stream;
use futures_util::{FutureExt as _, StreamExt as _, stream};

use super::{Event, InvokeError};

/// An answer that comes in.
pub trait Incoming: Send + 'static {
    /// What comes next; `None` when everything has come.
    fn next(&mut self) -> impl Future<Output = Option<Result<Event, InvokeError>>> + Send;
}

/// The events of a request that is sent when the stream is first polled. An error is its end.
///
/// ```
/// # use std::collections::VecDeque;
/// # use faast_core::provider::{CallId, Event, Incoming, InvokeError, Ran, RetryClass, answered};
/// # use futures_util::StreamExt as _;
/// /// What has been heard of a request, and is handed on one by one.
/// struct Heard(VecDeque<Event>);
///
/// impl Incoming for Heard {
///     async fn next(&mut self) -> Option<Result<Event, InvokeError>> {
///         self.0.pop_front().map(Ok)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let heard = Heard([1, 2].map(|id| Event::Returned { call: CallId(id) }).into());
/// let events: Vec<_> = answered(async { Ok(heard) }).collect().await;
/// assert_eq!(events.len(), 2);
///
/// // A request that can't be sent is one error.
/// let busy = async { Err(InvokeError::new(RetryClass::Throttled, Ran::No, "the service is busy")) };
/// let events: Vec<_> = answered::<Heard>(busy).collect().await;
/// assert!(matches!(&events[..], [Err(why)] if why.class == RetryClass::Throttled));
/// # }
/// ```
pub fn answered<A: Incoming>(
    send: impl Future<Output = Result<A, InvokeError>> + Send + 'static,
) -> impl Stream<Item = Result<Event, InvokeError>> + Send + 'static {
    let events = |answer: A| {
        stream::unfold(Some(Box::new(answer)), async |answer| {
            let mut answer = answer?;
            let item = answer.next().await?;
            let rest = item.is_ok().then_some(answer);
            Some((item, rest))
        })
    };
    send.map(move |sent| match sent {
        Ok(answer) => events(answer).left_stream(),
        Err(error) => stream::once(future::ready(Err(error))).right_stream(),
    })
    .flatten_stream()
}
