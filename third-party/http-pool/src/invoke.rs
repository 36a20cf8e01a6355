//! One request: posted to a worker, answered by a chunked body of events while the calls run.
//!
//! Core polls the stream on whatever thread it likes, so the connection lives in a task on faast's runtime. Dropping the
//! stream ends the task, and with it the worker: that is how a call is canceled.

use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use faast_core::provider::{CallId, Event, ExecutionId, InvokeError, Ran, Request, Runtime};
use faast_core::wire::frame;
use futures_core::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::classify;
use crate::pool::{Pool, Worker};
use crate::worker::LENGTH;

/// Events that wait for a slow consumer before the connection, and with it the worker, is held back.
const ROOM: usize = 16;

type Item = Result<Event, InvokeError>;

/// Sends a request, when the stream is first polled.
pub(crate) fn invoke(pool: Arc<Pool>, runtime: Runtime, request: Request) -> BoxStream<'static, Item> {
    let start = async move {
        let (out, events) = mpsc::channel(ROOM);
        let task = runtime.spawn(async move {
            if let Err(error) = Exchange::new(pool, &request).run(&request, &out).await {
                // Nobody listens: then nobody wants to know.
                let _ = out.send(Err(error)).await;
            }
        });
        let answer = (events, EndOnDrop(task));
        stream::unfold(answer, async |(mut events, task)| Some((events.recv().await?, (events, task))))
    };
    start.flatten_stream().boxed()
}

/// The task of a request; `None` if faast's runtime has ended, and then there are no events either.
struct EndOnDrop(Option<AbortHandle>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// A request and what is known of its calls.
struct Exchange {
    pool: Arc<Pool>,
    /// Calls without an answer, in the order they run.
    pending: Vec<CallId>,
    /// Whether the first of `pending` has started.
    started: bool,
    /// Whether the worker can take another request afterwards.
    reusable: bool,
}

impl Exchange {
    fn new(pool: Arc<Pool>, request: &Request) -> Self {
        let pending = request.calls.iter().map(|frame| frame.id).collect();
        Self { pool, pending, started: false, reusable: true }
    }

    async fn run(mut self, request: &Request, out: &mpsc::Sender<Item>) -> Result<(), InvokeError> {
        let mut worker = self.pool.take().await.map_err(classify::not_started)?;
        let execution = ExecutionId(worker.name.as_str().into());
        let mut body = post(&worker, request).await.map_err(|error| error.execution(execution.clone()))?;
        let mut received = BytesMut::new();
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            received.extend_from_slice(&data);
            for event in frame::decode_events(whole_events(&mut received)) {
                let event = event.map_err(classify::undecodable)?;
                self.account(&event);
                if out.send(Ok(event)).await.is_err() {
                    return Ok(());
                }
            }
        }
        if !self.pending.is_empty() {
            let ran = if self.started { Ran::Yes } else { Ran::Maybe };
            return Err(classify::died(worker.ended().await, ran).execution(execution));
        }
        if self.reusable {
            self.pool.give_back(worker);
        }
        Ok(())
    }

    fn account(&mut self, event: &Event) {
        match event {
            Event::Done { call, .. } | Event::Returned { call } => {
                self.started &= self.pending.first() != Some(call);
                self.pending.retain(|other| other != call);
                self.reusable &= !classify::ends_worker(event);
            }
            event => self.started |= self.pending.first() == Some(&event.call()),
        }
    }
}

/// Takes the events off that have arrived as a whole: HTTP may cut chunks anywhere, so each event follows its length.
fn whole_events(received: &mut BytesMut) -> Bytes {
    let mut events = BytesMut::new();
    while let Some((length, rest)) = received.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        if rest.len() < length {
            break;
        }
        received.advance(LENGTH);
        events.unsplit(received.split_to(length));
    }
    events.freeze()
}

/// Posts a request; gives the body of the answer, which goes on while the calls run.
async fn post(worker: &Worker, request: &Request) -> Result<Incoming, InvokeError> {
    let stream = TcpStream::connect(worker.address).await.map_err(classify::not_sent)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(classify::not_sent)?;
    // Ends with the request; its error is also the body's.
    tokio::spawn(connection);
    let mut encoded = Vec::new();
    frame::encode_request(request, &mut encoded);
    let post = hyper::Request::post("/invoke")
        .header("host", worker.address.to_string())
        .header("connection", "close")
        .body(Full::new(Bytes::from(encoded)))
        .map_err(classify::not_sent)?;
    let response = sender.send_request(post).await.map_err(classify::not_sent)?;
    match response.status().as_u16() {
        200 => Ok(response.into_body()),
        status => Err(classify::refused(status)),
    }
}
