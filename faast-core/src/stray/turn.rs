//! Whose turn it is to collect: one process at a time, and once a day for each account, also between processes.
//!
//! Two files for an account below `~/.faast/<provider>/gc`: one says when a collection last came to its end, the other
//! is locked by whoever collects. The system lets go of the lock when its process dies, and nothing was written yet
//! then, so that the next deployment goes on with what is left. Both files may be deleted at any moment: then there is
//! one collection more. Reads no clock.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::cache::{CacheFolder, folder_name};

/// Time between two collections.
pub(super) const EVERY: Duration = Duration::from_hours(24);

/// The right to collect now; nobody else has it as long as this lives.
#[derive(Debug)]
pub(super) struct Turn {
    cache: Arc<CacheFolder>,
    done: PathBuf,
    /// Held for its lock alone. `None` where the file system has no locks: then two may collect at once, which does no
    /// harm.
    _lock: Option<File>,
}

/// Why it is nobody's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// A collection came to its end within the last day.
    Done,
    /// Another one is under way.
    Busy,
}

impl Turn {
    /// Takes the turn for an account, if it is time for it at `now`.
    pub(super) fn take(cache: &Arc<CacheFolder>, account: &str, now: SystemTime) -> io::Result<Result<Self, Wait>> {
        let account = folder_name(account);
        let done = PathBuf::from(CacheFolder::GC).join(&account);
        if !is_due(last(cache, &done), now) {
            return Ok(Err(Wait::Done));
        }
        let lock = cache.append(done.with_file_name(format!("{account}.lock")))?;
        let lock = match lock.try_lock() {
            Ok(()) => Some(lock),
            Err(TryLockError::WouldBlock) => return Ok(Err(Wait::Busy)),
            Err(TryLockError::Error(_)) => None,
        };
        // Another one may have come to its end between the look and the lock.
        if !is_due(last(cache, &done), now) {
            return Ok(Err(Wait::Done));
        }
        Ok(Ok(Self { cache: Arc::clone(cache), done, _lock: lock }))
    }

    /// Writes down that a collection that began at `now` has come to its end.
    pub(super) fn end(self, now: SystemTime) -> io::Result<()> {
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.cache.write(&self.done, seconds.to_string().as_bytes()).map(drop)
    }
}

/// When the last one was; what can't be read was never written.
fn last(cache: &CacheFolder, done: &PathBuf) -> Option<SystemTime> {
    let seconds = fs::read_to_string(cache.root().join(done)).ok()?.parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// One in the future, because a clock was set back, counts by its distance: it can't put collecting off for ever.
fn is_due(last: Option<SystemTime>, now: SystemTime) -> bool {
    let age = |last| now.duration_since(last).unwrap_or_else(|future| future.duration());
    last.is_none_or(|last| age(last) >= EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(500_000 + hour)
    }

    fn home() -> (tempfile::TempDir, Arc<CacheFolder>) {
        let home = tempfile::tempdir().unwrap();
        let cache = Arc::new(CacheFolder::at(home.path().join("test")));
        (home, cache)
    }

    #[test]
    fn the_turn_comes_once_a_day_and_for_each_account() {
        let (_home, cache) = home();
        let take = |account, hour| Turn::take(&cache, account, at(hour)).unwrap();
        take("1-here", 0).unwrap().end(at(0)).unwrap();
        for hour in 0..24 {
            assert_eq!(take("1-here", hour).unwrap_err(), Wait::Done, "{hour}");
        }
        take("1-there", 1).unwrap().end(at(1)).unwrap();
        take("1-here", 24).unwrap();
        assert_eq!(take("1-there", 24).unwrap_err(), Wait::Done);
    }

    #[test]
    fn only_one_has_the_turn_and_the_next_gets_it_if_it_was_not_ended() {
        let (_home, cache) = home();
        let first = Turn::take(&cache, "", at(0)).unwrap().unwrap();
        assert_eq!(Turn::take(&cache, "", at(0)).unwrap().unwrap_err(), Wait::Busy);
        drop(first);
        Turn::take(&cache, "", at(0)).unwrap().unwrap();
    }

    #[test]
    fn a_damaged_file_or_one_from_the_future_does_not_put_it_off_for_ever() {
        let (_home, cache) = home();
        Turn::take(&cache, "a", at(100)).unwrap().unwrap().end(at(100)).unwrap();
        assert_eq!(Turn::take(&cache, "a", at(90)).unwrap().unwrap_err(), Wait::Done);
        Turn::take(&cache, "a", at(10)).unwrap().unwrap();
        cache.write("gc/a", b"17995").unwrap();
        Turn::take(&cache, "a", at(100)).unwrap().unwrap();
        cache.write("gc/a", b"\0").unwrap();
        Turn::take(&cache, "a", at(100)).unwrap().unwrap();
    }
}
