//! Through a proxy: which one the environment names, and the tunnel that it opens with `CONNECT`.
//!
//! The variables are those that the control plane's client follows, read by the same code: `HTTPS_PROXY`, `ALL_PROXY`,
//! `NO_PROXY`. Endpoints without TLS are reached directly: they are emulators on this machine or beside it, and a request
//! that a proxy could read and change has no place in production.

use std::error::Error as StdError;
use std::{fmt, io};

use faast_core::{Error, ErrorKind, Result};
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Bytes of the head of a proxy's answer at most.
const MAX_HEAD: usize = 8 * 1024;

/// Header lines in it at most.
const MAX_HEADERS: usize = 64;

/// A proxy between here and the service.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proxy {
    /// Whether the proxy itself is spoken to over TLS.
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// User and password of its URL. Marked as sensitive, so that it is never printed.
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// The proxy that the environment names for an endpoint.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) for a proxy of a kind that can't be used.
    pub(super) fn from_env(endpoint: &Uri) -> Result<Option<Self>> {
        Self::of(&Matcher::from_env(), endpoint)
    }

    fn of(matcher: &Matcher, endpoint: &Uri) -> Result<Option<Self>> {
        if endpoint.scheme_str() != Some("https") {
            return Ok(None);
        }
        let Some(found) = matcher.intercept(endpoint) else { return Ok(None) };
        let (tls, usual_port) = match found.uri().scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            other => {
                let other = other.unwrap_or_default();
                return Err(Error::new(ErrorKind::Config, format!("a proxy of the kind `{other}` can't be used"))
                    .with_hint(
                        "set `HTTPS_PROXY` to `http://<host>:<port>`, or `NO_PROXY` to what is reached directly",
                    ));
            }
        };
        let Some(host) = found.uri().host() else { return Ok(None) };
        Ok(Some(Self {
            tls,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: found.uri().port_u16().unwrap_or(usual_port),
            authorization: found.basic_auth().cloned(),
        }))
    }

    /// Host and port, as in a URL, and nothing secret.
    pub(super) fn name(&self) -> String {
        authority(&self.host, self.port)
    }

    /// Has the proxy connect a stream to a host. What is written afterwards goes there.
    ///
    /// # Errors
    ///
    /// A [`ProxyRefusal`] inside when the proxy says no.
    pub(super) async fn tunnel<S>(&self, stream: &mut S, host: &str, port: u16) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let result = self.ask(stream, &authority(host, port)).await;
        result.map_err(|error| match error.get_ref() {
            Some(inner) if inner.is::<ProxyRefusal>() => error,
            _ => self.failed(&error),
        })
    }

    /// Says that it was the proxy, and not the service, that could not be reached or understood.
    pub(super) fn failed(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("the proxy at `{}`: {error}", self.name()))
    }

    async fn ask<S>(&self, stream: &mut S, target: &str) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await?;
        stream.flush().await?;
        match status(stream).await? {
            200..300 => Ok(()),
            status => {
                let authorized = self.authorization.is_some();
                Err(io::Error::other(ProxyRefusal { proxy: self.name(), status, authorized }))
            }
        }
    }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Reads the head of the answer. What came behind it is dropped: behind a yes the other side of TLS waits to be spoken
/// to, and behind a no the connection ends.
async fn status<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<u16> {
    let mut head = vec![0; MAX_HEAD];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut head[filled..]).await?;
        if read == 0 {
            let why = if filled == MAX_HEAD { "its answer has no end" } else { "it closed the connection" };
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        filled += read;
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(&head[..filled]);
        let parsed = parsed.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "its answer is no HTTP"))?;
        if let (true, Some(status)) = (parsed.is_complete(), response.code) {
            return Ok(status);
        }
    }
}

/// A proxy's no.
#[derive(Debug)]
pub(super) struct ProxyRefusal {
    proxy: String,
    status: u16,
    /// Whether it was given user and password.
    authorized: bool,
}

impl ProxyRefusal {
    /// The kind of an error that asking again can't mend.
    pub(super) fn permanent(&self) -> Option<ErrorKind> {
        match self.status {
            407 => Some(ErrorKind::Denied),
            408 | 425 | 429 => None,
            400..500 => Some(ErrorKind::Config),
            _ => None,
        }
    }
}

impl fmt::Display for ProxyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, status, authorized } = self;
        match (status, authorized) {
            (407, false) => write!(
                f,
                "the proxy at `{proxy}` wants credentials (407): put them into `HTTPS_PROXY`, as \
                 `http://<user>:<password>@{proxy}`"
            ),
            (407, true) => write!(f, "the proxy at `{proxy}` does not take the credentials in `HTTPS_PROXY` (407)"),
            _ if self.permanent().is_some() => write!(
                f,
                "the proxy at `{proxy}` does not let this connection through ({status}): have the endpoint allowed there, \
                 or list it in `NO_PROXY` if it can be reached directly"
            ),
            _ => write!(f, "the proxy at `{proxy}` can't reach the service ({status})"),
        }
    }
}

impl StdError for ProxyRefusal {}

#[cfg(test)]
mod tests;
