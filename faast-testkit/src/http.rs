//! HTTP by hand: a request as it is written, and its answer as it arrives.
//!
//! For tests of servers that no library should judge, and of answers that break off. Responsible for one request on one
//! connection; it neither follows nor repeats.

#![expect(clippy::missing_panics_doc, clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request.
///
/// Its length, its host unless it is among the headers, and that the connection ends with it are added.
///
/// ```
/// use faast_testkit::http::Ask;
/// # let (listener, body) = (std::net::TcpListener::bind("127.0.0.1:0")?, b"HTTP/1.1 200 OK\r\n\r\n7");
/// # let endpoint = format!("http://{}", listener.local_addr()?);
/// # std::thread::spawn(move || {
/// #     let mut stream = listener.accept().unwrap().0;
/// #     // All of the request, or closing the connection would reset it.
/// #     let mut request = Vec::new();
/// #     while !request.ends_with(b"\r\n\r\n") {
/// #         let mut byte = [0];
/// #         std::io::Read::read_exact(&mut stream, &mut byte).unwrap();
/// #         request.extend(byte);
/// #     }
/// #     std::io::Write::write_all(&mut stream, body).unwrap();
/// # });
///
/// let answer = Ask { method: "GET", path: "/seven", headers: &[("accept", "text/plain")], body: b"" }.answer(&endpoint)?;
/// assert_eq!((answer.status, answer.text()), (200, "7".to_owned()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// `GET`, `POST`.
    pub method: &'a str,
    /// With the query.
    pub path: &'a str,
    /// Names and values.
    pub headers: &'a [(&'a str, &'a str)],
    /// All of it.
    pub body: &'a [u8],
}

impl Ask<'_> {
    /// Sends it to `http://<host>:<port>`.
    pub fn send(&self, endpoint: &str) -> Pending {
        let address = endpoint.trim_start_matches("http://");
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let Self { method, path, headers, body } = self;
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            head.extend(["host: ", address, "\r\n"]);
        }
        for (name, value) in *headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.extend(["content-length: ", &body.len().to_string(), "\r\nconnection: close\r\n\r\n"]);
        let mut writer = &stream;
        writer.write_all(head.as_bytes()).unwrap();
        // A refused request may not be read to its end.
        let _ = writer.write_all(body);
        Pending(BufReader::new(stream))
    }

    /// Sends it, and waits for the whole answer.
    ///
    /// # Errors
    ///
    /// As of [`Pending::answer`].
    pub fn answer(&self, endpoint: &str) -> io::Result<Answer> {
        self.send(endpoint).answer()
    }
}

/// A connection with a request sent. Dropping it closes the connection.
#[derive(Debug)]
pub struct Pending(BufReader<TcpStream>);

impl Pending {
    /// Reads status and headers.
    ///
    /// # Errors
    ///
    /// When the connection ends before them.
    pub fn head(&mut self) -> io::Result<Answer> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines[1..].iter().map(|it| it.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Ok(Answer { status, headers, body: Vec::new() })
    }

    /// The next piece of a chunked body; nothing at its end.
    ///
    /// # Errors
    ///
    /// When the connection ends before that.
    pub fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut chunk = vec![0; usize::from_str_radix(&self.line()?, 16).unwrap()];
        self.0.read_exact(&mut chunk)?;
        self.line()?;
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    /// Reads everything.
    ///
    /// # Errors
    ///
    /// When the connection ends, or breaks, before the end of the answer.
    pub fn answer(mut self) -> io::Result<Answer> {
        let mut answer = self.head()?;
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk()? {
                answer.body.extend(chunk);
            }
        } else {
            self.0.read_to_end(&mut answer.body)?;
        }
        Ok(answer)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The code: 200.
    pub status: u16,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// As far as it was read.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header; its name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// The body as a text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, which it has to be.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The JSON of a request that went well, which it has to have.
    pub fn ok(&self) -> Value {
        assert!(self.status < 300, "{}: {}", self.status, self.text());
        self.json()
    }
}
