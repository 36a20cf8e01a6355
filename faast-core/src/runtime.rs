//! The runtime that faast owns: one thread for each deployment, so that a cloud can be used from any runtime, or none.
//!
//! Everybody else holds a [`Runtime`], never tokio's own handle: a handle keeps the runtime's descriptors open, and after
//! a cleanup nothing may be left.

use std::future::Future;
use std::io;
use std::num::NonZero;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// Cores that this process may use.
///
/// Asked once: the answer is in the files of its control group, which are slow to read.
pub fn cores() -> usize {
    static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));
    *CORES
}

/// A deployment's runtime. Cheap to clone; ends with the deployment's cleanup.
///
/// ```
/// # use std::{sync::mpsc, time::Duration};
/// # use faast_core::provider::Runtime;
/// let runtime = Runtime::start()?;
/// let (tell, told) = mpsc::channel();
/// let task = runtime.spawn(async move {
///     tokio::time::sleep(Duration::from_millis(1)).await; // timers and sockets work in here
///     tell.send("done").unwrap();
/// });
/// assert!(task.is_some()); // `None` after the cleanup
/// assert_eq!(told.recv(), Ok("done"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Runtime(Arc<Mutex<Option<Running>>>);

#[derive(Debug)]
struct Running {
    handle: Handle,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Runtime {
    /// Starts the thread. For core, and for tests of providers.
    ///
    /// # Errors
    ///
    /// When the system gives no thread or no descriptors.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("faast-runtime".into()).spawn(move || {
            // Ends when told, or when nobody is left who could tell.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Self(Arc::new(Mutex::new(Some(Running { handle, stop, thread })))))
    }

    /// The runtime's handle, to enter it or to spawn; `None` after the cleanup. Use it and let it go.
    pub fn handle(&self) -> Option<Handle> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|running| running.handle.clone())
    }

    /// Runs a future on the runtime; `None` if it has ended.
    pub fn spawn<F>(&self, future: F) -> Option<AbortHandle>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Some(self.handle()?.spawn(future).abort_handle())
    }

    /// Ends the thread and waits for it; from the thread itself, it only tells it to end.
    pub(crate) fn stop(&self) {
        let Some(running) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let _ = running.stop.send(());
        if running.thread.thread().id() != thread::current().id() {
            // A panic on it has been printed; its tasks have reported to whoever waited for them.
            let _ = running.thread.join();
        }
    }
}
