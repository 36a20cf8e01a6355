//! The instances of one revision: idle ones are used again, the last used first; new ones start up to the limit; requests
//! wait in between, but not for ever. An instance has one request at a time, even where the service would allow more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::super::protocol::ApiError;
use super::super::run::Revision;
use super::super::state::Shared;
use super::instance::Instance;
use super::{broken, rate_exceeded};
use crate::emulator::clock::as_ms;

/// How long an instance that lost its caller is left alone: it may be about to end.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// All instances of a revision. Written when requests take one and give it back; ends with its revision.
#[derive(Debug)]
pub(in super::super) struct Fleet {
    revision: Arc<Revision>,
    /// One for each instance that may have a request.
    permits: Arc<Semaphore>,
    inner: Mutex<Inner>,
    /// How long the last one took to start.
    startup_ms: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    /// With the number under which each became idle.
    idle: Vec<(u64, Instance)>,
    returns: u64,
    is_over: bool,
}

/// An instance with a request. Dropping it without [`finish`](Self::finish) leaves the request behind.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) fleet: Arc<Fleet>,
    pub(super) emulator: Shared,
    instance: Option<Instance>,
    permit: Option<OwnedSemaphorePermit>,
    begun: Instant,
}

impl Fleet {
    pub(in super::super) fn new(revision: Arc<Revision>) -> Arc<Self> {
        let instances = usize::try_from(revision.template.max_instances).unwrap_or(usize::MAX);
        let permits = Arc::new(Semaphore::new(instances.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { revision, permits, inner: Mutex::default(), startup_ms: AtomicU64::new(0) })
    }

    pub(in super::super) fn revision(&self) -> &Arc<Revision> {
        &self.revision
    }

    /// Starts the first instance, to see whether one can be started.
    pub(in super::super) async fn come_up(self: &Arc<Self>, emulator: &Shared) -> Result<(), ApiError> {
        self.take(emulator).await?.finish();
        Ok(())
    }

    /// An instance for one request.
    pub(super) async fn take(self: &Arc<Self>, emulator: &Shared) -> Result<Lease, ApiError> {
        // Ten seconds, or three and a half times what starting takes.
        let startup = Duration::from_millis(self.startup_ms.load(Ordering::Relaxed) * 7 / 2);
        let patience = emulator.settings.queue_limit.max(startup);
        let permit = timeout(patience, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit.ok().and_then(Result::ok).ok_or_else(rate_exceeded)?;
        let mut lease = Lease {
            fleet: Arc::clone(self),
            emulator: Arc::clone(emulator),
            instance: None,
            permit: Some(permit),
            begun: Instant::now(),
        };
        while let Some((_, instance)) = { self.lock().idle.pop() } {
            if instance.is_alive() {
                instance.wake();
                lease.instance = Some(instance);
                return Ok(lease);
            }
        }
        let instance = Instance::start(emulator, &self.revision).await.map_err(|_| broken())?;
        self.startup_ms.store(as_ms(lease.begun.elapsed()), Ordering::Relaxed);
        lease.instance = Some(instance);
        Ok(lease)
    }

    /// Ends all idle instances now, and busy ones when they are done.
    pub(in super::super) fn end(&self) {
        let idle = {
            let mut inner = self.lock();
            inner.is_over = true;
            std::mem::take(&mut inner.idle)
        };
        for (_, instance) in idle {
            retire(instance);
        }
    }

    /// Keeps an instance for the next request, for as long as idle ones are kept.
    fn give_back(self: &Arc<Self>, instance: Instance, idle_limit: Duration) {
        if !instance.is_alive() {
            return;
        }
        let mut inner = self.lock();
        if inner.is_over {
            drop(inner);
            return retire(instance);
        }
        instance.rest();
        inner.returns += 1;
        let number = inner.returns;
        inner.idle.push((number, instance));
        drop(inner);
        let fleet = Arc::downgrade(self);
        spawn(async move {
            sleep(idle_limit).await;
            let Some(fleet) = fleet.upgrade() else { return };
            let mut inner = fleet.lock();
            let place = inner.idle.iter().position(|(it, _)| *it == number);
            let unused = place.map(|place| inner.idle.remove(place));
            drop(inner);
            if let Some((_, instance)) = unused {
                retire(instance);
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    pub(super) fn instance(&self) -> Option<&Instance> {
        self.instance.as_ref()
    }

    /// The request is over, and the instance free again.
    pub(super) fn finish(mut self) {
        self.meter();
        if let Some(instance) = self.instance.take() {
            self.fleet.give_back(instance, self.emulator.settings.idle_limit);
        }
    }

    /// Adds the time since the instance was taken or begun to the bill.
    fn meter(&self) {
        let template = &self.fleet.revision.template;
        self.emulator.state().bill.add_span(self.begun.elapsed(), template.mcpu, template.memory_mib);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Without an instance it is finished, or nothing ever ran.
        let Some(mut instance) = self.instance.take() else { return };
        self.meter();
        let (fleet, permit) = (Arc::clone(&self.fleet), self.permit.take());
        let idle_limit = self.emulator.settings.idle_limit;
        spawn(async move {
            // Its request is none any more, but it does not know that yet; it is not given another one meanwhile.
            if !instance.ends_within(LAST_BREATH).await {
                fleet.give_back(instance, idle_limit);
            }
            drop(permit);
        });
    }
}

fn retire(instance: Instance) {
    spawn(instance.shut_down());
}

/// On the emulator's runtime; when that ends, so do all instances.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(task);
    }
}
