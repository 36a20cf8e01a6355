//! HTTP/1.1 to the Runtime API: one connection that is kept, one request at a time, blocking.
//!
//! No time limits: between an answer and the next event the process is frozen, and that may take hours.

use std::fmt::Write as _;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::TcpStream;

use bytes::{Buf as _, Bytes, BytesMut};

/// Headers that an answer has at most.
const HEADERS: usize = 64;

/// What is read at a time.
const READ: usize = 16 * 1024;

/// An answer of the Runtime API.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Response {
    /// A header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(&header.1)
    }
}

/// A connection, opened when it is first needed.
#[derive(Debug)]
pub(super) struct Connection {
    api: String,
    stream: Option<TcpStream>,
    /// What was read and is not yet used.
    buffer: BytesMut,
}

impl Connection {
    /// To `host:port`.
    pub(super) fn new(api: &str) -> Self {
        Self { api: api.into(), stream: None, buffer: BytesMut::new() }
    }

    /// The beginning of a request: its line and the host.
    pub(super) fn head(&self, method: &str, path: &str) -> String {
        format!("{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: {}\r\n", self.api)
    }

    fn stream(&mut self) -> io::Result<&mut TcpStream> {
        match &mut self.stream {
            Some(stream) => Ok(stream),
            none => {
                self.buffer.clear();
                let stream = TcpStream::connect(&self.api)?;
                stream.set_nodelay(true)?;
                Ok(none.insert(stream))
            }
        }
    }

    /// Asks for something; on a new connection if the one there is was closed meanwhile.
    pub(super) fn get(&mut self, path: &str) -> io::Result<Response> {
        let mut head = self.head("GET", path);
        head.push_str("\r\n");
        let reused = self.stream.is_some();
        match self.exchange(head.as_bytes()) {
            // Closed before it said anything, so that nothing was lost.
            Err(_) if reused && self.buffer.is_empty() => {
                self.stream = None;
                self.exchange(head.as_bytes())
            }
            result => result,
        }
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<Response> {
        self.stream()?.write_all(request)?;
        self.response()
    }

    /// Posts a body. `headers` end in a line end each.
    pub(super) fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> io::Result<Response> {
        let mut head = self.head("POST", path);
        // Writing to a string can't fail.
        let _ = write!(head, "{headers}Content-Length: {}\r\n\r\n", body.len());
        let stream = self.stream()?;
        write_both(stream, head.as_bytes(), body)?;
        self.response()
    }

    /// Begins a post whose body comes in chunks.
    pub(super) fn begin_chunks(&mut self, path: &str, headers: &str) -> io::Result<()> {
        let mut head = self.head("POST", path);
        let _ = write!(head, "{headers}Transfer-Encoding: chunked\r\n\r\n");
        self.stream()?.write_all(head.as_bytes())
    }

    /// Writes one chunk, in one piece.
    pub(super) fn chunk(&mut self, parts: [&[u8]; 2]) -> io::Result<()> {
        let length = parts[0].len() + parts[1].len();
        let mut head = format!("{length:x}\r\n").into_bytes();
        head.extend_from_slice(parts[0]);
        let mut rest = Vec::with_capacity(parts[1].len() + 2);
        rest.extend_from_slice(parts[1]);
        rest.extend_from_slice(b"\r\n");
        write_both(self.stream()?, &head, &rest)
    }

    /// Ends the chunks; `trailers` end in a line end each.
    pub(super) fn end_chunks(&mut self, trailers: &str) -> io::Result<Response> {
        let end = format!("0\r\n{trailers}\r\n");
        self.stream()?.write_all(end.as_bytes())?;
        self.response()
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut piece = [0; READ];
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        match stream.read(&mut piece)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.buffer.extend_from_slice(&piece[..read]);
                Ok(())
            }
        }
    }

    fn response(&mut self) -> io::Result<Response> {
        let mut response = loop {
            if let Some((length, response)) = parse_head(&self.buffer)? {
                self.buffer.advance(length);
                if !(100..200).contains(&response.status) {
                    break response;
                }
            } else {
                self.fill()?;
            }
        };
        let chunked = response.header("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked"));
        response.body = if chunked {
            self.chunks()?
        } else {
            let length = response.header("content-length").map_or(Ok(0), str::parse);
            let length: usize = length.map_err(io::Error::other)?;
            self.take(length)?
        };
        if response.header("connection").is_some_and(|it| it.eq_ignore_ascii_case("close")) {
            self.stream = None;
        }
        Ok(response)
    }

    fn take(&mut self, length: usize) -> io::Result<Bytes> {
        self.buffer.reserve(length.saturating_sub(self.buffer.len()).min(8 << 20));
        while self.buffer.len() < length {
            self.fill()?;
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    fn line(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer.split_to(end).freeze();
                self.buffer.advance(2);
                return Ok(line);
            }
            self.fill()?;
        }
    }

    fn chunks(&mut self) -> io::Result<Bytes> {
        let mut body = BytesMut::new();
        loop {
            let line = self.line()?;
            let size = std::str::from_utf8(&line).map_err(io::Error::other)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            if size == 0 {
                // Trailers, and an empty line.
                while !self.line()?.is_empty() {}
                return Ok(body.freeze());
            }
            body.extend_from_slice(&self.take(size)?);
            self.line()?;
        }
    }
}

/// The head of an answer and its length, if it is there as a whole.
fn parse_head(bytes: &[u8]) -> io::Result<Option<(usize, Response)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(bytes).map_err(io::Error::other)? else { return Ok(None) };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = head.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
    Ok(Some((length, Response { status: head.code.unwrap_or_default(), headers, body: Bytes::new() })))
}

/// Writes two pieces with as few system calls as it takes.
fn write_both(stream: &mut TcpStream, mut first: &[u8], mut second: &[u8]) -> io::Result<()> {
    while !first.is_empty() {
        match stream.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                let of_first = written.min(first.len());
                first = &first[of_first..];
                second = &second[written - of_first..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    stream.write_all(second)
}

#[cfg(test)]
mod tests {
    use std::io::BufRead as _;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that gives these answers, each to one request without a body; `None` closes the connection.
    fn server(answers: Vec<Option<&'static str>>) -> (String, thread::JoinHandle<usize>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = thread::spawn(move || {
            let (mut connections, mut open) = (0, None);
            for answer in answers {
                let mut stream = open.take().unwrap_or_else(|| {
                    connections += 1;
                    io::BufReader::new(listener.accept().unwrap().0)
                });
                let Some(answer) = answer else { continue };
                let mut line = String::new();
                while line != "\r\n" {
                    line.clear();
                    assert!(stream.read_line(&mut line).unwrap() > 0);
                }
                // In pieces, so that every boundary is met.
                for piece in answer.as_bytes().chunks(3) {
                    stream.get_mut().write_all(piece).unwrap();
                }
                open = Some(stream);
            }
            connections
        });
        (address, serving)
    }

    #[test]
    fn bodies_with_a_length_and_in_chunks_are_read_on_one_connection() {
        let (address, serving) = server(vec![
            Some("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLambda-Runtime-Aws-Request-Id: x\r\n\r\nhello"),
            Some(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nT: 1\r\n\r\n",
            ),
            Some("HTTP/1.1 202 Accepted\r\n\r\n"),
        ]);
        let mut connection = Connection::new(&address);
        let first = connection.get("invocation/next").unwrap();
        assert_eq!((first.status, &first.body[..]), (200, &b"hello"[..]));
        assert_eq!(first.header("lambda-runtime-aws-request-id"), Some("x"));
        assert_eq!(&connection.get("invocation/next").unwrap().body[..], b"hello");
        assert_eq!(connection.get("invocation/next").unwrap().status, 202);
        assert_eq!(serving.join().unwrap(), 1);
    }

    #[test]
    fn a_connection_that_was_closed_is_opened_again() {
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let close = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let (address, serving) = server(vec![Some(ok), None, Some(close), None, Some(ok)]);
        let mut connection = Connection::new(&address);
        for _ in 0..3 {
            assert_eq!(connection.get("invocation/next").unwrap().status, 200);
        }
        assert_eq!(serving.join().unwrap(), 3);
    }

    #[test]
    fn damaged_answers_are_errors_or_answers_and_no_room_is_made_for_a_lie() {
        let valid: [&[u8]; 2] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLambda-Runtime-Deadline-Ms: 1700000000000\r\n\r\nhello",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\n\r\n",
        ];
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        for seed in 0..2_000 {
            let damaged = faast_testkit::hostile::text(seed, valid[usize::from(seed % 2 == 0)]);
            let mut connection = Connection::new(&address);
            connection.stream().unwrap();
            let mut server = listener.accept().unwrap().0;
            server.write_all(&damaged).unwrap();
            drop(server);
            if let Ok(response) = connection.response() {
                assert!(response.body.len() <= damaged.len(), "seed {seed}");
            }
            assert!(connection.buffer.capacity() <= 9 << 20, "seed {seed}: {}", connection.buffer.capacity());
        }
    }

    #[test]
    fn what_is_no_http_is_an_error() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut connection = Connection::new(&listener.local_addr().unwrap().to_string());
        connection.stream().unwrap();
        listener.accept().unwrap().0.write_all(b"hello\r\n\r\n").unwrap();
        assert!(connection.response().is_err());
    }
}
