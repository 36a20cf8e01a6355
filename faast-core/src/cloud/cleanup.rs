//! Cleaning up: once for each deployment, whoever asks first, and to its end even if nobody waits for it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::bill;
use super::deploy::{Deployment, remove_staged};
use crate::error::{Error, ErrorKind, Result};
use crate::leak::Counts;
use crate::log::Channel;
use crate::provider::CleanupReport;

/// How long dropping the last handle waits for the cleanup.
const DROP_WAITS: Duration = Duration::from_secs(30);

/// Live deployments, for a signal that ends the program.
static LIVE: Mutex<Vec<Weak<Deployment>>> = Mutex::new(Vec::new());

pub(super) fn register(deployment: &Arc<Deployment>) {
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|known| known.strong_count() > 0);
    live.push(Arc::downgrade(deployment));
}

/// Cleans every live deployment up, all at once.
///
/// Results that have arrived are in their journals first: the map that waits for them may not be polled again.
pub(crate) async fn clean_up_all() {
    crate::journal::flush_all();
    let live: Vec<_> = LIVE.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
    let cleanups = live.iter().filter_map(Weak::upgrade).map(|deployment| async move {
        if let Err(error) = deployment.cleanup().await {
            crate::log!(Channel::Warning, "{error}");
        }
    });
    futures_util::future::join_all(cleanups).await;
    crate::progress::end();
}

/// How far the cleanup is.
#[derive(Debug)]
pub(super) struct Phase {
    begun: Mutex<bool>,
    /// The report, once there is one.
    done: watch::Sender<Option<CleanupReport>>,
}

impl Default for Phase {
    fn default() -> Self {
        Self { begun: Mutex::new(false), done: watch::Sender::new(None) }
    }
}

impl Phase {
    /// Whether the caller is the first.
    fn begin(&self) -> bool {
        !std::mem::replace(&mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner), true)
    }
}

impl Deployment {
    /// Starts the cleanup unless somebody has, and waits for its end.
    pub(super) async fn cleanup(&self) -> Result<()> {
        let mut done = self.phase.done.subscribe();
        self.begin_cleanup();
        let report = match done.wait_for(Option::is_some).await {
            Ok(report) => report.clone().unwrap_or_default(),
            Err(_) => return Err(Error::new(ErrorKind::Cleanup, "the cleanup was cut short")),
        };
        self.runtime.stop();
        self.look_for_leaks();
        outcome(&report)
    }

    fn begin_cleanup(&self) {
        if !self.phase.begin() {
            return;
        }
        self.abort.cancel();
        self.dispatcher.close();
        let (function, phase, staged) = (Arc::clone(&self.function), Arc::clone(&self.phase), self.staged.clone());
        let (id, dispatcher) = (self.id.clone(), Arc::clone(&self.dispatcher));
        let recording = self.recording.clone();
        self.runtime.spawn(async move {
            crate::log!(Channel::Provider, "cleaning {id} up");
            if let Some(recording) = recording {
                recording.finish(&bill(&function, &dispatcher).await);
            }
            let report = function.cleanup().await;
            crate::log!(
                Channel::Provider,
                "cleaned {id} up: {} deleted, {} left",
                report.deleted.len(),
                report.left.len()
            );
            remove_staged(staged.as_ref());
            dispatcher.end_events();
            phase.done.send_replace(Some(report));
        });
    }

    /// Compares what the process holds with what it held before; only where somebody asked for it, because the rest of
    /// the program opens and closes things too.
    fn look_for_leaks(&self) {
        let growth = self.before.and_then(|before| Counts::now()?.difference(before));
        if let Some(growth) = growth {
            crate::log!(Channel::Leaks, "after the cleanup of {} the process has {growth} more than before", self.id);
        }
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        let done = self.phase.done.subscribe();
        self.begin_cleanup();
        let waited = wait(done);
        self.runtime.stop();
        let Some(report) = waited else {
            crate::log!(Channel::Warning, "the cleanup of {} took longer than {DROP_WAITS:?}", self.id);
            return;
        };
        if let Err(error) = outcome(&report) {
            crate::log!(Channel::Warning, "{error}");
        }
    }
}

/// Waits on a plain thread, because a runtime's thread may not block on its own tasks.
pub(super) fn wait(mut done: watch::Receiver<Option<CleanupReport>>) -> Option<CleanupReport> {
    if let Some(report) = done.borrow_and_update().clone() {
        return Some(report);
    }
    let (tell, told) = std::sync::mpsc::channel();
    let waiting = std::thread::Builder::new().name("faast-drop".into()).spawn(move || {
        let report = crate::worker::block_on(async {
            done.wait_for(Option::is_some).await.ok().and_then(|report| report.clone())
        });
        let _ = tell.send(report);
    });
    let waiting = waiting.ok()?;
    let report = told.recv_timeout(DROP_WAITS).ok().flatten();
    if report.is_some() {
        // It has told and ends; only so are there as many threads as before.
        let _ = waiting.join();
    }
    report
}

fn outcome(report: &CleanupReport) -> Result<()> {
    for note in &report.notes {
        crate::log!(Channel::Info, "{note}");
    }
    if report.is_clean() {
        return Ok(());
    }
    let left: Vec<_> = report.left.iter().map(|(resource, why)| format!("{resource} ({why})")).collect();
    Err(Error::new(ErrorKind::Cleanup, format!("left behind: {}", left.join(", ")))
        .with_hint("run `faast cleanup` later, or delete it by hand"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Resource;

    #[test]
    fn what_is_left_is_an_error_that_names_it() {
        let mut report = CleanupReport::default();
        report.deleted.push(Resource::new("queue", "faast-1"));
        assert!(outcome(&report).is_ok());
        report.left.push((Resource::new("role", "faast-1"), "it is in use".into()));
        let error = outcome(&report).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Cleanup, "left behind: role `faast-1` (it is in use)"));
        assert_eq!(error.hint(), Some("run `faast cleanup` later, or delete it by hand"));
    }
}
