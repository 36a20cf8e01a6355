//! HTTP/1.1 as a server: requests off a connection, whole, and the heads of answers. Blocking.
//!
//! No time limits: between two requests the process is stopped, and that may take hours. What is read is bounded.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes, BytesMut};

/// Headers that a request has at most; the platform adds a dozen.
const HEADERS: usize = 100;

/// Bytes of a request's head at most.
const MOST_HEAD: usize = 64 * 1024;

/// Bytes of a body at most: the platform takes 32 MiB, and a pushed message in base64 is smaller.
const MOST_BODY: usize = 33 << 20;

/// What is read at a time.
const READ: usize = 64 * 1024;

/// One request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Incoming {
    pub(super) method: String,
    /// Without the query.
    pub(super) path: String,
    headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Incoming {
    /// A header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(&header.1)
    }
}

/// Why there is no next request.
#[derive(Debug)]
pub(super) enum Broken {
    /// The other side is gone.
    Closed,
    /// What came is no request that is taken: the status that says so.
    Refused(u16),
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// Reads requests one after the other.
#[derive(Debug)]
pub(super) struct Reader<S> {
    stream: S,
    /// What was read and is not yet used.
    buffer: BytesMut,
}

impl<S: Read + Write> Reader<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// Waits for the next request and reads it whole; `None` when the other side has closed the connection between two.
    pub(super) fn next(&mut self) -> Result<Option<Incoming>, Broken> {
        let (length, mut request) = loop {
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
            if self.buffer.len() > MOST_HEAD {
                return Err(Broken::Refused(431));
            }
            if !self.fill()? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(Broken::Closed) };
            }
        };
        self.buffer.advance(length);
        if request.header("expect").is_some_and(|it| it.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        request.body = match request.header("transfer-encoding") {
            Some(coding) if coding.eq_ignore_ascii_case("chunked") => self.chunks()?,
            Some(_) => return Err(Broken::Refused(501)),
            None => {
                let length = request.header("content-length").map_or(Ok(0), str::parse);
                self.take(length.map_err(|_| Broken::Refused(400))?)?
            }
        };
        Ok(Some(request))
    }

    fn fill(&mut self) -> io::Result<bool> {
        let before = self.buffer.len();
        self.buffer.resize(before + READ, 0);
        let read = loop {
            match self.stream.read(&mut self.buffer[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }

    fn more(&mut self) -> Result<(), Broken> {
        if self.fill()? { Ok(()) } else { Err(Broken::Closed) }
    }

    fn take(&mut self, length: usize) -> Result<Bytes, Broken> {
        if length > MOST_BODY {
            return Err(Broken::Refused(413));
        }
        self.buffer.reserve(length.saturating_sub(self.buffer.len()));
        while self.buffer.len() < length {
            self.more()?;
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    fn line(&mut self) -> Result<Bytes, Broken> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer.split_to(end).freeze();
                self.buffer.advance(2);
                return Ok(line);
            }
            if self.buffer.len() > MOST_HEAD {
                return Err(Broken::Refused(400));
            }
            self.more()?;
        }
    }

    fn chunks(&mut self) -> Result<Bytes, Broken> {
        let mut body = BytesMut::new();
        loop {
            let line = self.line()?;
            let size = std::str::from_utf8(&line).ok().and_then(|line| line.split(';').next());
            let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
            let size = size.ok_or(Broken::Refused(400))?;
            if size == 0 {
                // Trailers, and an empty line.
                while !self.line()?.is_empty() {}
                return Ok(body.freeze());
            }
            if size > MOST_BODY - body.len() {
                return Err(Broken::Refused(413));
            }
            body.extend_from_slice(&self.take(size)?);
            if !self.line()?.is_empty() {
                return Err(Broken::Refused(400));
            }
        }
    }
}

/// The head of a request and its length, if it is there as a whole.
fn parse_head(bytes: &[u8]) -> Result<Option<(usize, Incoming)>, Broken> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Broken::Refused(431)),
        Err(_) => return Err(Broken::Refused(400)),
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let path = head.path.unwrap_or_default().split('?').next().unwrap_or_default();
    let request = Incoming {
        method: head.method.unwrap_or_default().into(),
        path: path.into(),
        headers: head.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect(),
        body: Bytes::new(),
    };
    Ok(Some((length, request)))
}

/// A whole answer with a text. The header says that a worker of faast has answered, and not the platform.
pub(super) fn answer(status: u16, text: &str) -> String {
    let length = text.len();
    format!(
        "HTTP/1.1 {status} {}\r\nfaast: 1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\r\n{text}",
        reason(status)
    )
}

/// The head of an answer whose events come in chunks.
pub(super) const EVENTS: &str = "HTTP/1.1 200 OK\r\nfaast: 1\r\nContent-Type: application/octet-stream\r\n\
                                 Transfer-Encoding: chunked\r\n\r\n";

/// The end of an answer in chunks.
pub(super) const END: &[u8] = b"0\r\n\r\n";

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A connection that gives what it has in pieces of these sizes, in turn.
    struct Pieces {
        bytes: Vec<u8>,
        sizes: Vec<usize>,
        at: usize,
        written: Vec<u8>,
    }

    impl Pieces {
        fn new(bytes: Vec<u8>, sizes: Vec<usize>) -> Self {
            Self { bytes, sizes, at: 0, written: Vec::new() }
        }
    }

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let size = self.sizes.get(self.at % self.sizes.len().max(1)).copied().unwrap_or(usize::MAX);
            self.at += 1;
            let size = size.min(into.len()).min(self.bytes.len());
            into[..size].copy_from_slice(&self.bytes[..size]);
            self.bytes.drain(..size);
            Ok(size)
        }
    }

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn with_length(body: &[u8]) -> Vec<u8> {
        let mut bytes = format!(
            "POST /call?x=1 HTTP/1.1\r\nHost: h\r\nX-Faast-Secret: s\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    fn in_chunks(body: &[u8], size: usize) -> Vec<u8> {
        let mut bytes = b"POST /call HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in body.chunks(size) {
            bytes.extend_from_slice(format!("{:X};a=b\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\nT: 1\r\n\r\n");
        bytes
    }

    proptest! {
        #[test]
        fn requests_survive_being_cut_anywhere(
            body in prop::collection::vec(any::<u8>(), 0..3000),
            chunk in 1..400_usize,
            sizes in prop::collection::vec(1..200_usize, 1..20),
        ) {
            let mut bytes = with_length(&body);
            bytes.extend(in_chunks(&body, chunk));
            let mut reader = Reader::new(Pieces::new(bytes, sizes));
            let first = reader.next().unwrap().unwrap();
            prop_assert_eq!((&*first.method, &*first.path), ("POST", "/call"));
            prop_assert_eq!(first.header("x-faast-secret"), Some("s"));
            prop_assert_eq!(&first.body[..], &body[..]);
            prop_assert_eq!(&reader.next().unwrap().unwrap().body[..], &body[..]);
            prop_assert!(reader.next().unwrap().is_none());
        }

        #[test]
        fn any_bytes_are_requests_or_an_error_and_never_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..400), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut damaged = in_chunks(&bytes, 50);
            let at = at.index(damaged.len());
            damaged[at] = byte;
            for bytes in [bytes, damaged] {
                let mut reader = Reader::new(Pieces::new(bytes, vec![7]));
                while let Ok(Some(_)) = reader.next() {}
            }
        }

        #[test]
        fn a_request_that_breaks_off_is_no_request(body in prop::collection::vec(any::<u8>(), 1..300), cut in any::<prop::sample::Index>()) {
            for mut bytes in [with_length(&body), in_chunks(&body, 40)] {
                let cut = cut.index(bytes.len() - 1) + 1;
                bytes.truncate(cut);
                prop_assert!(!matches!(Reader::new(Pieces::new(bytes, vec![64])).next(), Ok(Some(_))));
            }
        }
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_read() {
        let refused = |bytes: &[u8]| match Reader::new(Pieces::new(bytes.to_vec(), vec![4096])).next() {
            Err(Broken::Refused(status)) => status,
            other => unreachable!("{other:?}"),
        };
        assert_eq!(refused(b"POST /call HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"), 413);
        assert_eq!(refused(b"POST /call HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n"), 413);
        assert_eq!(refused(b"POST /call HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"), 501);
        assert_eq!(refused(b"POST /call HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), 400);
        assert_eq!(refused("x: y\r\n".repeat(200).as_bytes()), 400);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(200));
        assert_eq!(refused(many.as_bytes()), 431);
        let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(200_000));
        assert_eq!(refused(long.as_bytes()), 431);
    }

    #[test]
    fn who_asks_first_is_told_to_go_on() {
        let bytes = b"POST /call HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi".to_vec();
        let mut reader = Reader::new(Pieces::new(bytes, vec![1000]));
        assert_eq!(&reader.next().unwrap().unwrap().body[..], b"hi");
        assert_eq!(reader.stream.written, b"HTTP/1.1 100 Continue\r\n\r\n");
    }
}
