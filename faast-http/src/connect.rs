//! Opening a connection to the service: name, TCP, a proxy if there is one, TLS, HTTP/1.1.
//!
//! Addresses are looked up once and used in turn: a thousand connections at once must not be a thousand lookups. Silent
//! connections are probed, because a network in between forgets those that are silent for some minutes, and an
//! execution may be silent for fifteen.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tunnel::Proxy;

/// All of it together: a thousand handshakes at once take seconds on a small machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Silence after which a connection is probed.
const KEEPALIVE: Duration = Duration::from_mins(1);

/// How long addresses are used before they are looked up again.
const ADDRESSES_FOR: Duration = Duration::from_secs(30);

/// What requests are sent on.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// Where the service is.
#[derive(Debug)]
pub(super) struct Connector {
    tls: bool,
    host: String,
    port: u16,
    /// What is in between.
    proxy: Option<Proxy>,
    /// Of the proxy, or else of the service.
    addresses: Mutex<Option<(Instant, Arc<[SocketAddr]>)>>,
    /// Held by the one that looks the name up.
    looking: tokio::sync::Mutex<()>,
    /// Turns through the addresses.
    turn: AtomicUsize,
}

impl Connector {
    /// For the scheme, host and port of an endpoint; `None` if it has no host.
    pub(super) fn new(endpoint: &Uri, proxy: Option<Proxy>) -> Option<Self> {
        let tls = endpoint.scheme_str() == Some("https");
        Some(Self {
            tls,
            host: endpoint.host()?.trim_matches(['[', ']']).to_owned(),
            port: endpoint.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            proxy,
            addresses: Mutex::new(None),
            looking: tokio::sync::Mutex::new(()),
            turn: AtomicUsize::new(0),
        })
    }

    /// Opens a connection and leaves it to a task on this runtime, which ends with it.
    pub(super) async fn connect(&self) -> io::Result<Sender> {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, self.open());
        let result = connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if result.is_err() {
            // It may have moved.
            *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        result
    }

    async fn open(&self) -> io::Result<Sender> {
        let Some(proxy) = &self.proxy else {
            return self.secure(self.tcp(&self.host, self.port).await?).await;
        };
        let stream = self.tcp(&proxy.host, proxy.port).await;
        let mut stream = stream.map_err(|error| proxy.failed(&error))?;
        if !proxy.tls {
            proxy.tunnel(&mut stream, &self.host, self.port).await?;
            return self.secure(stream).await;
        }
        let mut stream = tls(&proxy.host, stream).await.map_err(|error| proxy.failed(&error))?;
        proxy.tunnel(&mut stream, &self.host, self.port).await?;
        self.secure(stream).await
    }

    /// On a stream that leads to the service.
    async fn secure<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S) -> io::Result<Sender> {
        if self.tls { handshake(tls(&self.host, stream).await?).await } else { handshake(stream).await }
    }

    async fn tcp(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let addresses = self.addresses(host, port).await?;
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut failed = io::Error::new(io::ErrorKind::NotFound, format!("`{host}` has no address"));
        for turn in 0..addresses.len() {
            match TcpStream::connect(addresses[first.wrapping_add(turn) % addresses.len()]).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    sockopt::set_socket_keepalive(&stream, true)?;
                    sockopt::set_tcp_keepidle(&stream, KEEPALIVE)?;
                    return Ok(stream);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn known(&self) -> Option<Arc<[SocketAddr]>> {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.as_ref().filter(|(at, _)| at.elapsed() < ADDRESSES_FOR).map(|(_, addresses)| Arc::clone(addresses))
    }

    async fn addresses(&self, host: &str, port: u16) -> io::Result<Arc<[SocketAddr]>> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let _looking = self.looking.lock().await;
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let found: Arc<[SocketAddr]> = tokio::net::lookup_host((host, port)).await?.collect();
        let kept = (Instant::now(), Arc::clone(&found));
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(found)
    }
}

async fn tls<S: AsyncRead + AsyncWrite + Unpin>(host: &str, stream: S) -> io::Result<TlsStream<S>> {
    // Reading the system's certificates takes longer than a connection may hold up the others.
    let tls = tokio::task::spawn_blocking(|| TLS.clone()).await?.map_err(io::Error::other)?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(tls).connect(name, stream).await
}

async fn handshake<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> io::Result<Sender> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        // Its error is also that of the request that is on it.
        let _ = connection.await;
    });
    Ok(sender)
}

/// Shared by all clients of the process, with the sessions that it resumes.
static TLS: LazyLock<Result<Arc<ClientConfig>, rustls::Error>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    // Certificates that can't be read are left out; if none is left, the handshake says so.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    // Named, because a program may have another provider linked as well.
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
});
