//! A request's way into an instance and its answer's way out: what the front end adds, takes away and limits.

use std::pin::Pin;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, Response};
use futures_util::{Stream, StreamExt as _, stream};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

use super::super::logging::Log;
use super::super::protocol::{ApiError, ApiRequest, Reply};
use super::fleet::Lease;
use super::{answer_too_large, broken, timed_out};

/// The longest answer that says its length before; streamed ones have no limit.
const ANSWER_LIMIT: u64 = 32 << 20;

/// Headers that concern one connection only.
const OF_CONNECTION: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// The task of a connection to an instance. Dropping it closes the connection.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A request on its way.
struct Call {
    lease: Lease,
    connection: Connection,
    begun: Instant,
    deadline: Instant,
    trace: String,
}

pub(super) async fn forward(lease: Lease, request: &ApiRequest) -> Result<Reply, ApiError> {
    let begun = Instant::now();
    let timeout = lease.fleet.revision().template.timeout;
    let (deadline, trace) = (begun + timeout, trace(request));
    let Some(address) = lease.instance().map(|it| it.address) else { return Err(broken()) };
    lease.emulator.state().bill.requests += 1;
    let answered = async {
        let stream = TcpStream::connect(address).await.ok()?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        let connection = Connection(tokio::spawn(async move { drop(connection.await) }));
        let response = sender.send_request(inner(request, &trace)).await.ok()?;
        Some((response, connection))
    };
    match timeout_at(deadline.into(), answered).await {
        Ok(Some((response, connection))) => {
            let call = Call { lease, connection, begun, deadline, trace };
            answer(call, &request.method, response)
        }
        Ok(None) => {
            let text = "The request failed because either the HTTP response was malformed or connection to the instance had \
                        an error.";
            record(&lease, &trace, begun, 503, text);
            Err(broken())
        }
        Err(_) => {
            let text = "The request has been terminated because it has reached the maximum request timeout. To change this \
                        limit, see https://cloud.google.com/run/docs/configuring/request-timeout";
            record(&lease, &trace, begun, 504, text);
            Err(timed_out())
        }
    }
}

/// The request as the instance sees it.
fn inner(request: &ApiRequest, trace: &str) -> Request<Body> {
    let path = &request.route.rest;
    let path = request.query_string.as_ref().map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    let mut inner = Request::new(Body::from(request.body.clone()));
    *inner.method_mut() = request.method.clone();
    if let Ok(uri) = path.parse() {
        *inner.uri_mut() = uri;
    }
    let headers = inner.headers_mut();
    for (name, value) in &request.headers {
        if !OF_CONNECTION.contains(&name.as_str()) && name != "content-length" {
            headers.append(name.clone(), value.clone());
        }
    }
    // Who could verify it must not be able to use it.
    if let Some(token) = request.bearer("authorization").filter(|it| it.matches('.').count() == 2) {
        let unsigned = token.rsplit_once('.').map_or("", |(unsigned, _)| unsigned);
        put(headers, "authorization", &format!("Bearer {unsigned}.SIGNATURE_REMOVED_BY_GOOGLE"));
    }
    let (trace_id, span) = trace.split_once('/').unwrap_or((trace, "1"));
    put(headers, "host", &format!("{}.a.run.app", request.route.name));
    put(headers, "x-cloud-trace-context", &format!("{trace_id}/{span};o=1"));
    put(headers, "traceparent", &format!("00-{trace_id}-{:016x}-01", span.parse::<u64>().unwrap_or(1)));
    put(headers, "x-forwarded-for", "127.0.0.1");
    put(headers, "x-forwarded-proto", "https");
    put(headers, "forwarded", "for=\"127.0.0.1\";proto=https");
    if request.method != Method::GET && request.method != Method::HEAD {
        put(headers, "content-length", &request.body.len().to_string());
    }
    inner
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = value.parse() {
        headers.insert(name, value);
    }
}

/// `trace/span`: the caller's own, or a new one.
fn trace(request: &ApiRequest) -> String {
    let given = request.header("x-cloud-trace-context").and_then(|it| it.split(['/', ';']).next());
    let parent = || request.header("traceparent").and_then(|it| it.split('-').nth(1));
    let is_good = |it: &&str| it.len() == 32 && it.bytes().all(|it| it.is_ascii_hexdigit());
    let id = given.filter(is_good).or_else(|| parent().filter(is_good));
    let id = id.map_or_else(|| format!("{:032x}", fastrand::u128(1..)), str::to_owned);
    format!("{id}/{}", fastrand::u64(1..))
}

/// The head of an answer, and its body as it comes.
fn answer(call: Call, method: &Method, response: Response<Incoming>) -> Result<Reply, ApiError> {
    let (parts, body) = response.into_parts();
    let length = parts.headers.get("content-length").and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|it| it > ANSWER_LIMIT) {
        record(&call.lease, &call.trace, call.begun, 500, "Response size was too large.");
        return Err(answer_too_large());
    }
    let status = parts.status.as_u16();
    let trace = call.trace.split('/').next().unwrap_or("").to_owned();
    let pieces: Pieces = Box::pin(Body::new(body).into_data_stream());
    // Nobody asks for a body after its last byte, so that its end has to be known before.
    let has_none = method == Method::HEAD || status == 204 || status == 304;
    let left = if has_none { Some(0) } else { length };
    let mut flow = Flow { call: Some(call), pieces, status, left };
    if left == Some(0) {
        flow.finish();
    }
    let mut reply = Reply::stream(status, Body::from_stream(stream::unfold(flow, next)));
    for (name, value) in &parts.headers {
        if let Ok(value) = value.to_str()
            && !OF_CONNECTION.contains(&name.as_str())
            && name != "date"
        {
            reply = reply.header(name.as_str(), value);
        }
    }
    Ok(reply.header("x-cloud-trace-context", format!("{trace};o=1")).header("server", "Google Frontend"))
}

type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, axum::Error>> + Send>>;

/// An answer's body. Dropped in the middle, it drops the call.
struct Flow {
    call: Option<Call>,
    pieces: Pieces,
    status: u16,
    /// Bytes to come, where the head says how many.
    left: Option<u64>,
}

impl Flow {
    /// The answer is whole, and the instance free again.
    fn finish(&mut self) {
        let Some(call) = self.call.take() else { return };
        record(&call.lease, &call.trace, call.begun, self.status, "");
        drop(call.connection);
        call.lease.finish();
    }
}

async fn next(mut flow: Flow) -> Option<(Result<Bytes, std::io::Error>, Flow)> {
    let call = flow.call.as_ref()?;
    match timeout_at(call.deadline.into(), flow.pieces.next()).await {
        Ok(Some(Ok(piece))) => {
            let bytes = piece.len() as u64;
            call.lease.emulator.state().bill.answer_bytes += bytes;
            flow.left = flow.left.map(|left| left.saturating_sub(bytes));
            if flow.left == Some(0) {
                flow.finish();
            }
            Some((Ok(piece), flow))
        }
        Ok(None) => {
            flow.finish();
            None
        }
        // The instance is gone, or too slow; the client's connection breaks.
        Ok(Some(Err(_))) | Err(_) => {
            let call = flow.call.take()?;
            record(&call.lease, &call.trace, call.begun, 503, "The request was aborted in the middle of its response.");
            Some((Err(std::io::ErrorKind::ConnectionReset.into()), flow))
        }
    }
}

/// Writes the entry of a request into the log.
fn record(lease: &Lease, trace: &str, begun: Instant, status: u16, text: &str) {
    let revision = lease.fleet.revision();
    let trace_id = trace.split('/').next().unwrap_or("");
    let severity = if status >= 500 { "ERROR" } else { "INFO" };
    let took = begun.elapsed().max(Duration::from_micros(1)).as_secs_f64();
    let mut more = json!({
        "trace": format!("projects/{}/traces/{trace_id}", revision.key.0),
        "httpRequest": { "status": status, "latency": format!("{took:.6}s") },
    });
    if !text.is_empty() {
        more["textPayload"] = json!(text);
    }
    let now_ms = lease.emulator.clock.now_ms();
    lease.emulator.state().logs.add(revision, Log::Requests, severity, now_ms, more);
}
