//! The worker's side: an HTTP server of one thread, which runs the functions too.
//!
//! The only place that reads the environment and standard input. A request is answered by chunks, each of them one
//! event, written when it happens: a crash then loses only the call that ran. The worker ends with its client, whose end
//! of standard input closes.

use std::collections::VecDeque;
use std::env;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;
use faast_core::provider::{
    CallId, Event, EventSink, ExecutionId, InstanceId, Request, SendError, WorkerStart, WorkerTransport,
};
use faast_core::wire::frame;
use faast_core::worker::Mark;

use crate::NAME;

/// Set for workers: what this one is called in logs and details.
pub(crate) const WORKER_NAME: &str = "HTTP_POOL_WORKER_NAME";

/// What a worker prints before the address that it listens on.
pub(crate) const ANNOUNCEMENT: &str = "http-pool worker listens on ";

/// Bytes of the length in front of each event.
pub(crate) const LENGTH: usize = 4;

/// Headers that a request has at most.
const HEADERS: usize = 16;

/// The transport, if this process was started by this provider, by a client that still is its parent.
pub(crate) fn transport(start: &WorkerStart) -> Option<Box<dyn WorkerTransport>> {
    let mark = Mark::find(start).filter(|mark| mark.provider == NAME)?;
    if mark.client != std::os::unix::process::parent_id() {
        return None;
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).ok()?;
    let address = listener.local_addr().ok()?;
    thread::Builder::new().name("http-pool-client".into()).spawn(end_with_client).ok()?;
    // On a line of its own: libtest has begun one with the name of the test.
    println!("\n{ANNOUNCEMENT}{address}");
    let name = env::var(WORKER_NAME).unwrap_or_default();
    let sink = Arc::new(HttpSink { name, state: Mutex::default() });
    Some(Box::new(HttpTransport { listener, sink }))
}

/// Waits for the end of standard input, which the client holds open while it lives.
fn end_with_client() {
    // Nothing is ever written to it; an error is an end too.
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    process::exit(0);
}

struct HttpTransport {
    listener: TcpListener,
    sink: Arc<HttpSink>,
}

impl WorkerTransport for HttpTransport {
    fn next(&mut self) -> Option<Request> {
        loop {
            let (mut stream, _) = self.listener.accept().ok()?;
            match read_request(&mut stream) {
                Ok(request) if self.sink.begin(stream, &request).is_ok() => return Some(request),
                // Whoever sent that has gone or is no client of ours.
                _ => {}
            }
        }
    }

    fn events(&self) -> Arc<dyn EventSink> {
        Arc::clone(&self.sink) as _
    }
}

/// Reads one `POST`, or answers with an error.
fn read_request(stream: &mut TcpStream) -> io::Result<Request> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        if let Ok(httparse::Status::Complete(head)) = request.parse(&bytes) {
            if (request.method, request.path) != (Some("POST"), Some("/invoke")) {
                return Err(refuse(stream, "404 Not Found"));
            }
            let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
            let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
            break (head, length.unwrap_or(0));
        }
        let mut more = [0; 4096];
        match stream.read(&mut more)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&more[..read]),
        }
    };
    let mut body = bytes.split_off(head);
    let rest = usize::saturating_sub(length, body.len()) as u64;
    stream.take(rest).read_to_end(&mut body)?;
    frame::decode_request(Bytes::from(body)).map_err(|_| refuse(stream, "400 Bad Request"))
}

fn refuse(stream: &mut TcpStream, status: &str) -> io::Error {
    // The error is the caller's in any case.
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    io::Error::other(format!("refused with {status}"))
}

/// Writes events as chunks of the answer that is open. Shared by the thread that runs functions and the one that
/// watches their time.
struct HttpSink {
    name: String,
    state: Mutex<Answer>,
}

#[derive(Default)]
struct Answer {
    /// Open until every call is answered.
    stream: Option<TcpStream>,
    pending: VecDeque<CallId>,
}

impl HttpSink {
    fn lock(&self) -> MutexGuard<'_, Answer> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the answer to a request.
    fn begin(&self, mut stream: TcpStream, request: &Request) -> Result<(), SendError> {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
        stream.write_all(head).map_err(|_| SendError::Closed)?;
        let pending = request.calls.iter().map(|frame| frame.id).collect();
        let mut answer = self.lock();
        *answer = Answer { stream: Some(stream), pending };
        self.started(&mut answer)
    }

    /// Says that the next call starts, so that a crash is known to be its own.
    fn started(&self, answer: &mut Answer) -> Result<(), SendError> {
        let Some(call) = answer.pending.front().copied() else { return Ok(()) };
        let instance = InstanceId(self.name.as_str().into());
        let execution = Some(ExecutionId(self.name.as_str().into()));
        answer.write(&Event::Started { call, instance, execution })
    }
}

impl Answer {
    fn write(&mut self, event: &Event) -> Result<(), SendError> {
        let stream = self.stream.as_mut().ok_or(SendError::Closed)?;
        let mut encoded = vec![0; LENGTH];
        frame::encode_event(event, &mut encoded);
        let length = (encoded.len() - LENGTH) as u64;
        let limit = u64::from(u32::MAX);
        let fits = u32::try_from(length).map_err(|_| SendError::TooLarge { size: length, limit })?;
        encoded[..LENGTH].copy_from_slice(&fits.to_le_bytes());
        let mut chunk = format!("{:x}\r\n", encoded.len()).into_bytes();
        chunk.append(&mut encoded);
        chunk.extend_from_slice(b"\r\n");
        stream.write_all(&chunk).map_err(|_| SendError::Closed)
    }

    /// Ends the answer when every call has had its own.
    fn end(&mut self) -> Result<(), SendError> {
        match self.stream.take_if(|_| self.pending.is_empty()) {
            Some(mut stream) => stream.write_all(b"0\r\n\r\n").map_err(|_| SendError::Closed),
            None => Ok(()),
        }
    }
}

impl EventSink for HttpSink {
    fn send(&self, event: &mut Event, _: usize) -> Result<(), SendError> {
        let mut answer = self.lock();
        answer.write(event)?;
        if let Event::Done { call, .. } | Event::Returned { call } = event {
            answer.pending.retain(|other| other != call);
            answer.end()?;
        }
        if matches!(event, Event::Done { .. }) { self.started(&mut answer) } else { Ok(()) }
    }

    fn flush(&self) -> Result<(), SendError> {
        // Nothing is held back.
        Ok(())
    }

    fn terminate(&self) {
        process::exit(1);
    }
}
