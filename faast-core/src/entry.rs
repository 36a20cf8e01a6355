//! How a program ends by Ctrl-C: every deployment is cleaned up first.
//!
//! Signals are listened to where the user asked for it, by `#[faast::main]` on an async `main` or by
//! [`Builder::on_signal`](crate::Builder::on_signal), and nowhere else. The first Ctrl-C cleans up, the second ends the
//! program at once. Neither waits for a `main` that is in the middle of something that blocks.

use std::future::{Future, pending};
use std::process::exit;
use std::sync::Once;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::cloud::clean_up_all;
use crate::error::{Error, ErrorKind, Result};
use crate::log::Channel;
use crate::runtime::cores;
use crate::worker::fail;

/// What shells give for a program that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

/// An async `main` that does not take over within so long is blocked.
const TAKES_OVER_WITHIN: Duration = Duration::from_secs(1);

/// Where an async `main` is told of Ctrl-C; it says with what it gets that it takes over.
type Told = oneshot::Sender<oneshot::Sender<()>>;

/// Runs an async `main` on a tokio runtime of its own.
pub(crate) fn tokio_main<F: Future>(main: F) -> F::Output {
    match tokio::runtime::Builder::new_multi_thread().worker_threads(cores()).enable_all().build() {
        Ok(runtime) => runtime.block_on(async {
            let (tell, told) = oneshot::channel();
            // Where signals can't be had, they do what they always do.
            if let Ok(signal) = signal(SignalKind::interrupt()) {
                tokio::spawn(end_on(signal, Some(tell)));
            }
            let mut main = Box::pin(main);
            tokio::select! {
                biased;
                output = &mut main => output,
                Ok(taken) = told => {
                    let _ = taken.send(());
                    clean_up_all().await;
                    // What is being deployed is given up, and removed.
                    drop(main);
                    exit(INTERRUPTED)
                }
            }
        }),
        Err(error) => fail(&Error::new(ErrorKind::Io, "the async runtime can't start").with_source(error)),
    }
}

/// Listens to Ctrl-C on a thread of its own, from the first call on until the process ends.
///
/// # Errors
///
/// [`ErrorKind::Io`] when there is no thread or no signal to be had.
pub(crate) fn listen() -> Result<()> {
    static LISTENING: Once = Once::new();
    let mut outcome = Ok(());
    LISTENING.call_once(|| outcome = listen_elsewhere());
    outcome.map_err(|error| Error::new(ErrorKind::Io, "Ctrl-C can't be listened to").with_source(error))
}

fn listen_elsewhere() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signal = {
        let _entered = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    std::thread::Builder::new().name("faast-signal".into()).spawn(move || runtime.block_on(end_on(signal, None)))?;
    Ok(())
}

/// Ends the program at the first Ctrl-C, when everything is cleaned up, or at the second.
async fn end_on(mut signal: Signal, main: Option<Told>) {
    signal.recv().await;
    let clean = async {
        if let Some(main) = main
            && takes_over(main).await
        {
            pending::<()>().await;
        }
        clean_up_all().await;
    };
    tokio::select! {
        () = clean => {}
        _ = signal.recv() => crate::log!(
            Channel::Warning,
            "interrupted twice: `faast cleanup <provider>` finds what is left in a cloud"
        ),
    }
    exit(INTERRUPTED)
}

async fn takes_over(main: Told) -> bool {
    let (taken, answer) = oneshot::channel();
    main.send(taken).is_ok() && matches!(tokio::time::timeout(TAKES_OVER_WITHIN, answer).await, Ok(Ok(())))
}
