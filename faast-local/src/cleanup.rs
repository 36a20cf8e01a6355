//! Leaving no trace: ends all workers, joins all threads, removes the logs; and finds what dead clients left behind.
//!
//! Only log folders outlive a client: its workers see the end of their sockets and end by themselves.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use faast_core::cache::CacheFolder;
use faast_core::provider::{CleanupReport, Deleted, Resource, StrayScope};
use faast_core::{Error, ErrorKind, Result};
use futures_core::stream::BoxStream;
use futures_util::stream;

use crate::classify;
use crate::config::{KILL_AFTER, NAME};
use crate::logs;
use crate::pool::{Pool, State};

/// A killed process is reaped within so long, or the machine is in trouble.
const REAPED_WITHIN: Duration = Duration::from_secs(10);

/// What [`stray`] finds.
const LOG_FOLDER: &str = "log folder";

/// Ends everything, on a thread of its own so that no runtime is blocked meanwhile.
pub(crate) async fn close_elsewhere(pool: &Arc<Pool>, keep_logs: bool) -> CleanupReport {
    let (done, report) = tokio::sync::oneshot::channel();
    let elsewhere = Arc::clone(pool);
    let closer = thread::Builder::new().name("faast-local-cleanup".into()).spawn(move || {
        // The receiver is gone if the cleanup was dropped; it is done all the same.
        let _ = done.send(close(&elsewhere, keep_logs));
    });
    match closer {
        Ok(closer) => {
            let report = report.await;
            // It has sent its report and ends; only so do the threads number what they did before.
            let _ = closer.join();
            report.unwrap_or_default()
        }
        Err(_) => close(pool, keep_logs),
    }
}

/// Ends everything when the last handle is gone.
///
/// Readers poll streams, so that may happen on one of them, which can't wait for its own end; then another thread does,
/// and nobody waits for it.
pub(crate) fn close_on_drop(pool: &Arc<Pool>, keep_logs: bool) {
    let here = thread::current().id();
    if pool.lock().readers.iter().any(|reader| reader.thread().id() == here) {
        let pool = Arc::clone(pool);
        // Without a thread to be had, the process is at its end anyway, and its workers see that.
        let _ = thread::Builder::new().name("faast-local-cleanup".into()).spawn(move || close(&pool, keep_logs));
    } else {
        close(pool, keep_logs);
    }
}

/// Ends everything, blocking, bounded. Doing it twice does no harm.
pub(crate) fn close(pool: &Arc<Pool>, keep_logs: bool) -> CleanupReport {
    let mut report = CleanupReport::default();
    let (peers, waiting) = {
        let mut state = pool.lock();
        state.closed = true;
        (state.peers.clone(), std::mem::take(&mut state.waiting))
    };
    for job in waiting {
        job.fail(classify::canceled());
    }
    for peer in &peers {
        let job = peer.lock().running.as_ref().map(|running| Arc::clone(&running.job));
        peer.end();
        if let Some(job) = job {
            job.fail(classify::canceled());
        }
    }
    drop(peers);
    let mut state = wait_for_none(pool, pool.lock(), KILL_AFTER);
    for peer in &state.peers {
        peer.process.kill();
    }
    state = wait_for_none(pool, state, REAPED_WITHIN);
    for peer in &state.peers {
        report.left.push((Resource::new("process", peer.process.pid().to_string()), "it can't be killed".into()));
    }
    state.forget_all_idle();
    let readers = std::mem::take(&mut state.readers);
    let all_gone = state.alive == 0;
    drop(state);
    for reader in readers {
        if all_gone {
            // A panic in there has been printed.
            let _ = reader.join();
        }
    }
    if keep_logs {
        pool.logs.keep();
    } else if let Some(folder) = pool.logs.folder() {
        let resource = Resource::new(LOG_FOLDER, folder.display().to_string());
        match remove(folder) {
            Ok(_) => report.deleted.push(resource),
            Err(error) => report.left.push((resource, error.to_string())),
        }
    }
    report
}

fn wait_for_none<'a>(pool: &'a Pool, mut state: MutexGuard<'a, State>, within: Duration) -> MutexGuard<'a, State> {
    let until = Instant::now() + within;
    while state.alive > 0 {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        state = pool.reaped.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    state
}

fn remove(folder: &Path) -> io::Result<Deleted> {
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(Deleted::Now),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Deleted::Before),
        Err(error) => Err(error),
    }
}

/// The log folders of deployments whose client is gone.
pub(crate) fn stray(scope: &StrayScope) -> BoxStream<'static, Result<Resource>> {
    let found = find(&CacheFolder::open(NAME), scope.include_live, SystemTime::now());
    Box::pin(stream::iter(found.map_or_else(|error| vec![Err(error)], |found| found.into_iter().map(Ok).collect())))
}

fn find(cache: &CacheFolder, include_live: bool, now: SystemTime) -> Result<Vec<Resource>> {
    let folders = cache
        .entries_older_than(CacheFolder::LOGS, Duration::ZERO, now)
        .map_err(|error| Error::new(ErrorKind::Io, "the log folders can't be listed").with_source(error))?;
    let found = folders.into_iter().filter_map(|folder| log_folder(&folder));
    let expired = |resource: &Resource| resource.expires.is_some_and(|expires| expires <= now);
    Ok(found.filter(|resource| include_live || expired(resource)).collect())
}

/// A log folder as a resource, if faast made it.
fn log_folder(folder: &Path) -> Option<Resource> {
    let name = folder.file_name()?.to_str()?;
    let made = fs::metadata(folder).and_then(|data| data.modified()).ok()?;
    let mut resource = Resource::new(LOG_FOLDER, folder.display().to_string());
    resource.deployment = Some(name.into());
    resource.created = Some(made);
    resource.expires = match logs::owner(folder) {
        // It is needed as long as its client lives, and nobody knows how long that is.
        Some(client) if is_alive(client) => None,
        Some(_) => Some(logs::expires(folder).unwrap_or(made)),
        // Its client was killed before it wrote into it, or is about to; anything else was not made by faast.
        None if fs::read_dir(folder).ok()?.next().is_none() => made.checked_add(CacheFolder::MAX_AGE),
        None => return None,
    };
    Some(resource)
}

fn is_alive(process: u32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

/// Deletes what [`stray`] found.
pub(crate) fn delete(resource: &Resource) -> Result<Deleted> {
    let folder = Path::new(&resource.id);
    // Never anything but a folder among the logs.
    let logs = CacheFolder::open(NAME).root().join(CacheFolder::LOGS);
    if resource.kind != LOG_FOLDER || folder.parent() != Some(&logs) {
        return Err(Error::new(ErrorKind::Cleanup, format!("{resource} is not of the local provider")));
    }
    remove(folder)
        .map_err(|error| Error::new(ErrorKind::Cleanup, format!("{resource} can't be removed")).with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_dead_clients_are_stray() {
        let home = tempfile::tempdir().unwrap();
        let cache = CacheFolder::at(home.path().join("local"));
        let folder = |name: &str, owner: Option<String>| {
            let folder = cache.folder(&format!("logs/{name}")).unwrap();
            if let Some(pid) = owner {
                fs::write(folder.join("client.pid"), pid).unwrap();
            }
            folder.display().to_string()
        };
        let live = folder("live", Some(std::process::id().to_string()));
        // Above the system's largest process id.
        let dead = folder("dead", Some("999999999".into()));
        let nobodys = folder("nobodys", None);
        let later = SystemTime::now() + Duration::from_secs(1);
        let found = |include_live, now| -> Vec<_> {
            find(&cache, include_live, now).unwrap().into_iter().map(|found| (found.id, found.expires)).collect()
        };
        let foreign = folder("foreign", None);
        fs::write(Path::new(&foreign).join("notes.txt"), "mine").unwrap();
        let made = |folder: &str| fs::metadata(folder).unwrap().modified().unwrap();
        let empty = (nobodys.clone(), Some(made(&nobodys) + CacheFolder::MAX_AGE));
        assert_eq!(found(false, later), [(dead.clone(), Some(made(&dead)))]);
        assert_eq!(found(true, later), [(dead.clone(), Some(made(&dead))), (live, None), empty.clone()]);
        assert_eq!(found(false, later + CacheFolder::MAX_AGE), [(dead.clone(), Some(made(&dead))), empty]);
    }

    #[test]
    fn logs_of_a_dead_client_are_kept_as_long_as_it_said_and_for_ever_if_they_are_to_be_kept() {
        let home = tempfile::tempdir().unwrap();
        let cache = CacheFolder::at(home.path().join("local"));
        let expires = SystemTime::now() + Duration::from_hours(25);
        let logs = logs::Logs::create(&cache, &"dead".into(), SystemTime::now());
        logs.renew(expires).unwrap();
        let folder = logs.folder().unwrap().to_owned();
        fs::write(folder.join("worker-0.log"), "words").unwrap();
        fs::write(folder.join("client.pid"), "999999999").unwrap();
        let found = |now| find(&cache, false, now).unwrap().len();
        assert_eq!(found(expires - Duration::from_hours(1)), 0);
        assert_eq!(found(expires), 1);
        logs.keep();
        assert_eq!(found(expires + Duration::from_hours(10_000)), 0);
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "the log alone");
    }

    #[test]
    fn nothing_else_is_ever_deleted() {
        let home = tempfile::tempdir().unwrap();
        for kind in [LOG_FOLDER, "bucket"] {
            let error = delete(&Resource::new(kind, home.path().display().to_string())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cleanup);
        }
        assert!(home.path().exists());
    }
}
