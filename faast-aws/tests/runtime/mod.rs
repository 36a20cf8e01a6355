//! A Runtime API of our own, for one worker: what Lambda says to it, and what it answers.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use faast_core::provider::{CallFrame, Event};
use faast_core::worker::{Mark, launch_args};
use faast_testkit::{frame, watch};
use rustix::process::{Pid, Signal, kill_process};

pub(crate) const INVOCATION: &str = "the-invocation";

/// A sandbox with one worker, which is this test binary.
pub(crate) struct Sandbox {
    listener: TcpListener,
    child: Child,
    connection: Option<BufReader<TcpStream>>,
    /// How often the worker has connected.
    pub(crate) connections: usize,
    events: u32,
}

/// What a worker posted.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    pub(crate) path: String,
    headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Behind a body in chunks.
    pub(crate) trailers: BTreeMap<String, String>,
    /// The connection ended in the middle of it.
    pub(crate) cut: bool,
}

impl Posted {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The events of a unary answer.
    pub(crate) fn events(&self) -> Vec<Event> {
        let text: String = serde_json::from_slice(&self.body).unwrap();
        frame::opened(&STANDARD.decode(text).unwrap())
    }

    /// The events of a streamed answer, as far as they came.
    pub(crate) fn streamed(&self) -> Vec<Event> {
        frame::streamed(&self.body)
    }
}

/// The event that asks for calls.
pub(crate) fn event(calls: Vec<CallFrame>) -> String {
    format!("\"{}\"", STANDARD.encode(frame::encoded(&frame::request(calls))))
}

/// The same in queue mode: request 17, with so many bytes in all that its answer finds as little room as that leaves.
pub(crate) fn queued(calls: Vec<CallFrame>, bytes: usize) -> String {
    let event = format!("{{\"id\":17,\"request\":{}}}", event(calls));
    let space = " ".repeat(bytes.saturating_sub(event.len()));
    event + &space
}

impl Sandbox {
    /// Starts the worker with a handler of faast and so much memory.
    pub(crate) fn start(memory_mb: u32) -> Self {
        Self::with_handler(&Mark::for_child("aws").to_string(), memory_mb)
    }

    pub(crate) fn with_handler(handler: &str, memory_mb: u32) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(launch_args())
            .env_clear()
            .env("_HANDLER", handler)
            .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().unwrap().to_string())
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_mb.to_string())
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "the-stream")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { listener, child, connection: None, connections: 0, events: 0 }
    }

    fn connection(&mut self) -> &mut BufReader<TcpStream> {
        if self.connection.is_none() {
            let (stream, _) = self.listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            self.connections += 1;
            self.connection = Some(BufReader::new(stream));
        }
        self.connection.as_mut().unwrap()
    }

    /// Waits until the worker asks for an event.
    pub(crate) fn wait_for_next(&mut self) {
        let (line, _) = self.head().unwrap();
        assert_eq!(line, "GET /2018-06-01/runtime/invocation/next HTTP/1.1");
    }

    /// Gives an event to the worker that waits for one.
    pub(crate) fn give(&mut self, event: &str, deadline: Duration) {
        self.events += 1;
        let deadline = (SystemTime::now() + deadline).duration_since(UNIX_EPOCH).unwrap().as_millis();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: request-{}\r\n\
             Lambda-Runtime-Deadline-Ms: {deadline}\r\nLambda-Runtime-Invocation-Id: {INVOCATION}\r\n\
             Content-Length: {}\r\n\r\n",
            self.events,
            event.len()
        );
        let stream = self.connection().get_mut();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(event.as_bytes()).unwrap();
    }

    /// Waits for what the worker posts, and answers with a status.
    pub(crate) fn take(&mut self, status: &str) -> Posted {
        let posted = self.posted();
        if !posted.cut {
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}");
            self.connection().get_mut().write_all(answer.as_bytes()).unwrap();
        }
        posted
    }

    /// One whole turn: an event, and what is posted for it.
    pub(crate) fn turn(&mut self, event: &str) -> Posted {
        self.wait_for_next();
        self.give(event, Duration::from_mins(1));
        self.take("202 Accepted")
    }

    fn head(&mut self) -> Option<(String, BTreeMap<String, String>)> {
        let reader = self.connection();
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Some((lines[0].clone(), headers))
    }

    fn posted(&mut self) -> Posted {
        let Some((line, headers)) = self.head() else { return Posted { cut: true, ..Posted::default() } };
        let path = line.strip_prefix("POST /2018-06-01/runtime/").unwrap().trim_end_matches(" HTTP/1.1").to_owned();
        let mut posted = Posted { path, headers, ..Posted::default() };
        let reader = self.connection();
        if let Some(length) = posted.header("content-length") {
            posted.body.resize(length.parse().unwrap(), 0);
            posted.cut = reader.read_exact(&mut posted.body).is_err();
            return posted;
        }
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                posted.cut = true;
                return posted;
            }
            let length = usize::from_str_radix(line.trim(), 16).unwrap();
            if length == 0 {
                break;
            }
            let mut chunk = vec![0; length + 2];
            if reader.read_exact(&mut chunk).is_err() {
                posted.cut = true;
                return posted;
            }
            posted.body.extend_from_slice(&chunk[..length]);
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { return posted };
            posted.trailers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }

    /// Stops the process, as the platform does between events.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        watch::until(|| watch::state_of(self.child.id()) == Some('T'));
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Closes the Runtime API's side.
    pub(crate) fn hang_up(&mut self) {
        self.connection = None;
        // A worker that tries again must not wait in line.
        self.listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    }

    /// Waits for the end of the worker.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Gone already, where a test has seen its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
