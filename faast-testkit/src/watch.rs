//! What a test sees from outside: that something has become so, and how a process is.
//!
//! Nobody tells: it is looked for again and again.

use std::fmt::Display;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a test waits for what has to come: on a machine that is busy, and not for ever.
const LIMIT: Duration = Duration::from_mins(5);

/// Waits until something is so.
///
/// # Panics
///
/// When it is not so after five minutes.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// use faast_testkit::watch::until;
///
/// static DONE: AtomicBool = AtomicBool::new(false);
/// std::thread::spawn(|| DONE.store(true, Ordering::Relaxed));
/// until(|| DONE.load(Ordering::Relaxed));
/// ```
#[track_caller]
pub fn until(mut so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < LIMIT, "it has not become so within {LIMIT:?}");
        sleep(Duration::from_millis(2));
    }
}

/// The state of a process, as the kernel writes it; `None` where there is no such process.
///
/// `R` runs, `S` sleeps, `T` is stopped, `Z` has ended and nobody has asked for its status.
pub fn state_of(pid: impl Display) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Whether a process exists, and has not ended.
pub fn is_alive(pid: impl Display) -> bool {
    state_of(pid).is_some_and(|state| !"ZX".contains(state))
}
