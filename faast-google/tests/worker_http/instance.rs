//! An instance with one worker, which is this test binary, and a client of our own that talks to it as Cloud Run does.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};

use faast_core::provider::{CallFrame, Event};
use faast_core::wire::sealed;
use faast_core::worker::{Mark, launch_args};
use faast_testkit::frame;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

pub(crate) const SERVICE: &str = "faast-6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11";

/// An instance.
pub(crate) struct Instance {
    child: Child,
    port: u16,
}

/// What a worker answered.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The connection ended in the middle of it.
    pub(crate) cut: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The events, as far as they came.
    pub(crate) fn events(&self) -> Vec<Event> {
        frame::streamed(&self.body)
    }
}

/// A sealed request.
pub(crate) fn request(calls: Vec<CallFrame>) -> Vec<u8> {
    sealed::seal(frame::encoded(&frame::request(calls))).unwrap()
}

impl Instance {
    /// Starts the worker with faast's mark.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        Self::with_mark(&Mark::for_child("google").to_string(), variables)
    }

    pub(crate) fn with_mark(mark: &str, variables: &[(&str, &str)]) -> Self {
        // Free a moment ago; the platform says the port too.
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(launch_args())
            .arg(mark)
            .env_clear()
            .env("PORT", port.to_string())
            .env("K_SERVICE", SERVICE)
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    /// A connection, as soon as the worker listens.
    pub(crate) fn connect(&self) -> Connection {
        loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                return Connection(BufReader::new(stream));
            }
            std::thread::yield_now();
        }
    }

    /// One request on a connection of its own.
    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Answer {
        let mut connection = self.connect();
        connection.send("POST", path, &[], body);
        connection.answer()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Whether it is well.
    pub(crate) fn get(&self) -> Answer {
        let mut connection = self.connect();
        connection.send("GET", "/", &[], b"");
        connection.answer()
    }

    /// Lets it have so many descriptors from now on; gives how many there were.
    pub(crate) fn descriptors(&self, most: Option<u64>) -> Option<u64> {
        let maximum = getrlimit(Resource::Nofile).maximum;
        prlimit(Some(self.pid()), Resource::Nofile, Rlimit { current: most, maximum }).unwrap().current
    }

    fn pid(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap()
    }

    /// Waits for the end of the worker.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Gone already, where a test has seen its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection to a worker.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let stream = self.0.get_mut();
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        stream.write_all(body).unwrap();
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap_or(0);
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The head of the next answer.
    pub(crate) fn head(&mut self) -> Answer {
        let mut answer = Answer::default();
        let Some(line) = self.line() else { return Answer { cut: true, ..answer } };
        answer.status = line.split(' ').nth(1).unwrap().parse().unwrap();
        while let Some(line) = self.line().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            answer.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        answer
    }

    /// The next chunk; `None` at the end, or where the connection ends.
    pub(crate) fn chunk(&mut self, answer: &mut Answer) -> Option<()> {
        let Some(line) = self.line() else {
            answer.cut = true;
            return None;
        };
        let mut chunk = vec![0; usize::from_str_radix(&line, 16).unwrap() + 2];
        if self.0.read_exact(&mut chunk).is_err() {
            answer.cut = true;
            return None;
        }
        chunk.truncate(chunk.len() - 2);
        answer.body.extend_from_slice(&chunk);
        (!chunk.is_empty()).then_some(())
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        if let Some(length) = answer.header("content-length") {
            answer.body.resize(length.parse().unwrap(), 0);
            answer.cut = self.0.read_exact(&mut answer.body).is_err();
        } else if !answer.cut {
            while self.chunk(&mut answer).is_some() {}
        }
        answer
    }
}
