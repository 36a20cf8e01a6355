//! A port of this machine with a thread and a runtime of its own behind it. What answers there is the emulator's matter.
//!
//! The invariant: once a [`Host`] is dropped, its port is closed and its emulator has ended all that it started.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::runtime;
use tokio::sync::oneshot;

/// What a host runs.
pub(crate) trait Emulated: Send + Sync + 'static {
    /// Answers on a listener until it is aborted.
    fn serve(self: Arc<Self>, listener: TcpListener) -> impl Future<Output = ()> + Send;

    /// Ends every process that was started, and waits until none is left.
    fn end(&self) -> impl Future<Output = ()> + Send;
}

/// A running emulator's port and thread. Dropping it ends both.
#[derive(Debug)]
pub(crate) struct Host {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Starts what `new` makes for its endpoint; port 0 is a free one.
    ///
    /// # Panics
    ///
    /// If the port is taken or no thread can be started.
    #[expect(clippy::expect_used, reason = "a test that can't start its emulator has nothing to go on with")]
    pub(crate) fn start<E: Emulated>(name: &str, port: u16, new: impl FnOnce(String) -> E) -> (Arc<E>, Self) {
        raise_file_limit();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
        listener.set_nonblocking(true).expect("a listener can be non-blocking");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(name)
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let emulated = Arc::new(new(address(port)));
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let emulator = Arc::clone(&emulated);
        let serve = move || {
            let _context = runtime.enter();
            runtime.block_on(async {
                let serving = tokio::spawn(Arc::clone(&emulator).serve(listener));
                // Nobody waits if `start` itself panicked.
                let _ = ready.send(());
                // The sender is never used: it is dropped with the host.
                let _ = stopped.await;
                serving.abort();
                emulator.end().await;
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        };
        let thread = thread::Builder::new().name(name.into()).spawn(serve).expect("a thread can be started");
        is_ready.recv().expect("the emulator's thread runs");
        (emulated, Self { port, stop: Some(stop), thread: Some(thread) })
    }

    /// `http://127.0.0.1:<port>`.
    pub(crate) fn endpoint(&self) -> String {
        address(self.port)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there was printed when it happened.
            let _ = thread.join();
        }
    }
}

fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// A thousand instances have several connections each.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Without it, tests with fewer instances work all the same.
    let _ = setrlimit(Resource::Nofile, limit);
}
