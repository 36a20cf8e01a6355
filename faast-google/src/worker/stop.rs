//! The platform's word that this instance ends: SIGTERM, and ten seconds later the end.
//!
//! As the first process of its container a worker that does not listen for it would not even end when it is idle.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::answer::Sink;

/// How long the running call is waited for. The platform waits ten seconds, and the rest is for saying so.
const PATIENCE: Duration = Duration::from_secs(8);

const STACK: usize = 128 * 1024;

/// Listens on a thread of its own, from now on until the process ends.
pub(super) fn listen(sink: &Arc<Sink>) {
    let sink = Arc::clone(sink);
    let (ready, is_ready) = mpsc::channel();
    // Without the thread the platform ends the process, a little later and without a word to the client.
    let thread = thread::Builder::new().name("faast-stop".into()).stack_size(STACK);
    let _ = thread.spawn(move || {
        let Ok(runtime) = Builder::new_current_thread().enable_io().build() else { return };
        let told = runtime.block_on(async move {
            let mut signal = signal(SignalKind::terminate()).ok()?;
            // Somebody waits for it.
            let _ = ready.send(());
            signal.recv().await
        });
        if told.is_some() {
            sink.stop(PATIENCE);
        }
    });
    // The end is an answer too.
    let _ = is_ready.recv();
}
