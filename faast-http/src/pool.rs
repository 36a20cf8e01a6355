//! Connections to the service: as many as there are requests, used again while they are warm.
//!
//! A request holds a permit, so that there are never more connections than the process may open. It takes the connection
//! that became idle last, or waits for whichever comes first: a new one, or one that another request gives back.
//! Handshakes are done a few at a time, so that the first ones are not slowed down by all others.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use faast_core::log::Channel;
use faast_core::provider::Runtime;
use faast_core::{Error, ErrorKind, Result};
use http::Uri;

use rustix::process::{Resource, getrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::AbortHandle;

use super::connect::{Connector, Sender};
use super::tunnel::Proxy;

/// Idle connections are not used after so long: services close theirs without a word.
const IDLE_FOR: Duration = Duration::from_secs(20);

/// Handshakes at a time. A core does some hundreds of them in a second.
const HANDSHAKES: usize = 128;

/// Connections that are tried for one request, should the service close them at once.
const ATTEMPTS: usize = 8;

/// Descriptors that are left to the rest of the program.
const SPARE: usize = 32;

/// The connections of one client.
#[derive(Debug)]
pub struct Pool {
    connector: Connector,
    runtime: Runtime,
    requests: Arc<Semaphore>,
    size: usize,
    handshakes: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The one that became idle last is last.
    idle: Vec<(Instant, Sender)>,
    /// Requests that wait for a connection, in their order. One whose receiver is gone takes nothing.
    waiting: VecDeque<oneshot::Sender<io::Result<Sender>>>,
}

/// A connection in use. Dropped, it is closed; [`give_back`](Self::give_back) keeps it.
#[derive(Debug)]
pub struct Lease {
    pub(super) sender: Sender,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    /// For requests to an endpoint, so many at once as far as descriptors allow. Goes through the proxy that the environment
    /// names.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) for an endpoint without a host, or a proxy of a kind that can't be used.
    pub fn new(endpoint: &Uri, runtime: Runtime, concurrency: usize) -> Result<Arc<Self>> {
        let no_host = || Error::new(ErrorKind::Config, format!("the endpoint `{endpoint}` has no host"));
        let connector = Connector::new(endpoint, Proxy::from_env(endpoint)?).ok_or_else(no_host)?;
        let size = affordable(concurrency.max(1));
        Ok(Arc::new(Self {
            connector,
            runtime,
            requests: Arc::new(Semaphore::new(size)),
            size,
            handshakes: Semaphore::new(HANDSHAKES),
            state: Mutex::default(),
        }))
    }

    /// Requests that can be in flight at once.
    pub fn size(&self) -> usize {
        self.size
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a connection that is not needed yet.
    pub fn warm_up(self: &Arc<Self>) {
        // If the runtime has ended, nothing will be sent either.
        let _ = self.open();
    }

    /// A connection that is ready, as far as this side knows.
    ///
    /// # Errors
    ///
    /// There is none to be had: the name, the network, the proxy, TLS, or faast's runtime has ended.
    pub async fn take(self: &Arc<Self>) -> io::Result<Lease> {
        let permit = Arc::clone(&self.requests).acquire_owned().await.map_err(io::Error::other)?;
        for _ in 0..ATTEMPTS {
            let mut sender = match self.pop_idle(Instant::now()) {
                Some(idle) => idle,
                None => self.wait().await?,
            };
            if sender.ready().await.is_ok() {
                return Ok(Lease { sender, pool: Arc::clone(self), _permit: permit });
            }
        }
        Err(io::ErrorKind::ConnectionReset.into())
    }

    fn pop_idle(&self, now: Instant) -> Option<Sender> {
        let mut state = self.lock();
        let (since, sender) = state.idle.pop()?;
        if now.duration_since(since) < IDLE_FOR {
            return Some(sender);
        }
        // All others are idle for longer.
        state.idle.clear();
        None
    }

    /// Waits for whichever connection is free first.
    async fn wait(self: &Arc<Self>) -> io::Result<Sender> {
        let ended = || io::Error::other("faast's runtime has ended");
        let (tell, told) = oneshot::channel();
        self.lock().waiting.push_back(tell);
        self.open().ok_or_else(ended)?;
        told.await.map_err(|_| ended())?
    }

    /// `None` if the runtime has ended.
    fn open(self: &Arc<Self>) -> Option<AbortHandle> {
        let pool = Arc::clone(self);
        self.runtime.spawn(async move {
            let Ok(_turn) = pool.handshakes.acquire().await else { return };
            let opened = pool.connector.connect().await;
            pool.hand_on(opened);
        })
    }

    /// To the first that waits, or to the idle ones.
    fn hand_on(&self, mut sender: io::Result<Sender>) {
        let mut state = self.lock();
        while let Some(waiting) = state.waiting.pop_front() {
            match waiting.send(sender) {
                Ok(()) => return,
                Err(back) => sender = back,
            }
        }
        if let Ok(sender) = sender {
            state.idle.push((Instant::now(), sender));
        }
    }
}

impl Lease {
    /// Keeps the connection for other requests; its answer has been read to the end.
    pub fn give_back(self) {
        if !self.sender.is_closed() {
            self.pool.hand_on(Ok(self.sender));
        }
    }
}

/// Connections that the limit of open descriptors allows.
fn affordable(wanted: usize) -> usize {
    let Some(allowed) = descriptors() else { return wanted };
    if allowed < wanted {
        faast_core::log!(
            Channel::Warning,
            "the limit of open files allows for {allowed} calls in flight, not {wanted}; `ulimit -n` raises it"
        );
    }
    wanted.min(allowed)
}

/// Connections that this process may have open at once, beside what its other parts need; `None` without a limit.
pub fn descriptors() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok())?;
    Some(limit.saturating_sub(SPARE).max(1))
}
