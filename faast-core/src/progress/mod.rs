//! Progress of maps, for people who watch: bars at the foot of a terminal, or now and then a line where there is none.
//!
//! Every map that shows its progress is an entry here, with those of other maps and deployments beside it. One thread
//! draws all of them, ten times a second; it lives as long as there are entries. Invariant: what the program prints
//! itself, on standard output or standard error, is never touched (`screen.rs` says how), and what was changed in the
//! terminal is undone before the last map is dropped.

mod screen;
mod view;

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use self::screen::Screen;
use self::view::{MapView, Rate};
use crate::dispatch::Dispatcher;
use crate::env::{self, Watch};

/// How often bars are drawn.
const FRAME: Duration = Duration::from_millis(100);

/// How often there is a line, where there are no bars.
const LINE: Duration = Duration::from_secs(10);

/// What is shown, and the thread that shows it. Everything is done under its lock, so that two never draw at once.
static DISPLAY: Display = Display {
    state: Mutex::new(State { entries: Vec::new(), screen: None, thread: None, generation: 0 }),
    changed: Condvar::new(),
};

struct Display {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    entries: Vec<Entry>,
    /// The foot of the terminal, while there are bars.
    screen: Option<Screen>,
    thread: Option<JoinHandle<()>>,
    /// Threads that were told to end: one may still be there when the next map is shown.
    generation: u64,
}

struct Entry {
    map: Arc<Tally>,
    rate: Rate,
    /// When the last line was printed.
    said: Instant,
}

/// What one map tells of itself. Written by the map, read by whoever draws.
#[derive(Debug)]
pub(crate) struct Tally {
    done: AtomicU64,
    failed: AtomicU64,
    /// All calls, once that is known; 0 before.
    total: AtomicU64,
    function: Mutex<&'static str>,
    since: Instant,
    dispatcher: Weak<Dispatcher>,
    provider: &'static str,
}

impl Tally {
    fn new(dispatcher: Weak<Dispatcher>, provider: &'static str) -> Self {
        Self {
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            total: AtomicU64::new(0),
            function: Mutex::new(""),
            since: Instant::now(),
            dispatcher,
            provider,
        }
    }
}

/// A map's place in the display; dropping it takes the map out.
#[derive(Debug)]
pub(crate) struct Shown(Arc<Tally>);

impl Shown {
    /// Shows a map; `None` where nobody wants to see it.
    pub(crate) fn new(dispatcher: &Arc<Dispatcher>, provider: &'static str) -> Option<Self> {
        let watch = env::progress();
        if watch == Watch::Never {
            return None;
        }
        Some(Self::among_others(Tally::new(Arc::downgrade(dispatcher), provider), watch))
    }

    fn among_others(tally: Tally, watch: Watch) -> Self {
        let tally = Arc::new(tally);
        let mut state = DISPLAY.lock();
        if state.screen.is_none() && watch == Watch::Auto && std::io::stderr().is_terminal() && !env::is_dumb_terminal()
        {
            state.screen = Some(Screen::default());
        }
        state.enter(&tally);
        if state.thread.is_none() {
            let (name, generation) = ("faast-progress", state.generation);
            // Without a thread there is no picture, and the run goes on.
            state.thread = std::thread::Builder::new().name(name.into()).spawn(move || DISPLAY.run(generation)).ok();
        }
        Self(tally)
    }

    /// The function of the map's calls.
    pub(crate) fn pulled(&self, function: &'static str) {
        let mut known = self.0.function.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            *known = function;
        }
    }

    /// So many calls there are in all.
    pub(crate) fn total(&self, calls: u64) {
        self.0.total.store(calls, Ordering::Relaxed);
    }

    /// A result was handed out.
    pub(crate) fn ended(&self, failed: bool) {
        self.0.done.fetch_add(1, Ordering::Relaxed);
        self.0.failed.fetch_add(u64::from(failed), Ordering::Relaxed);
    }
}

/// Gives the terminal back: the program is about to end, with maps that nobody drops.
pub(crate) fn end() {
    let mut state = DISPLAY.lock();
    state.entries.clear();
    state.screen = None;
    state.end_thread();
}

impl Drop for Shown {
    fn drop(&mut self) {
        let thread = {
            let mut state = DISPLAY.lock();
            state.leave(&self.0);
            state.entries.is_empty().then(|| state.end_thread()).flatten()
        };
        DISPLAY.changed.notify_all();
        if let Some(thread) = thread {
            // Only so are there as many threads as before.
            let _ = thread.join();
        }
    }
}

impl Display {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, generation: u64) {
        let mut state = self.lock();
        while state.generation == generation {
            state.draw(Instant::now());
            state = self.changed.wait_timeout(state, FRAME).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    /// The thread, which ends whatever is shown from now on; the next map gets another.
    fn end_thread(&mut self) -> Option<JoinHandle<()>> {
        self.generation += 1;
        self.thread.take()
    }

    fn draw(&mut self, now: Instant) {
        for entry in &mut self.entries {
            entry.rate.record(entry.map.done.load(Ordering::Relaxed), now);
        }
        if let Some(screen) = &mut self.screen {
            let width = screen::width();
            let maps: Vec<_> = self.entries.iter().map(|entry| view(entry, now)).collect();
            screen.show(&view::bars(&maps, width));
            return;
        }
        for entry in &mut self.entries {
            if now.duration_since(entry.said) >= LINE {
                entry.said = now;
                print(&view(entry, now).line());
            }
        }
    }

    fn enter(&mut self, map: &Arc<Tally>) {
        self.entries.push(Entry { map: Arc::clone(map), rate: Rate::default(), said: map.since });
    }

    /// Takes a map out, with a last line that says how it ended.
    fn leave(&mut self, map: &Arc<Tally>) {
        let Some(at) = self.entries.iter().position(|entry| Arc::ptr_eq(&entry.map, map)) else { return };
        let entry = self.entries.remove(at);
        let now = Instant::now();
        let line = view(&entry, now).last_line();
        if let Some(screen) = &mut self.screen {
            if self.entries.is_empty() {
                screen.leave();
                self.screen = None;
            } else {
                let width = screen::width();
                let maps: Vec<_> = self.entries.iter().map(|entry| view(entry, now)).collect();
                screen.show(&view::bars(&maps, width));
            }
        }
        print(&line);
    }
}

fn view(entry: &Entry, now: Instant) -> MapView {
    let Tally { done, failed, total, function, since, dispatcher, provider } = &*entry.map;
    MapView {
        function: *function.lock().unwrap_or_else(PoisonError::into_inner),
        done: done.load(Ordering::Relaxed),
        failed: failed.load(Ordering::Relaxed),
        total: Some(total.load(Ordering::Relaxed)).filter(|total| *total > 0),
        elapsed: now.duration_since(*since),
        per_second: entry.rate.per_second(),
        provider,
        deployment: dispatcher.as_ptr().addr(),
        cloud: dispatcher.upgrade().map(|dispatcher| dispatcher.with_state(|state| state.snapshot())),
    }
}

/// One write for the whole line; a closed standard error is no error.
fn print(line: &str) {
    let _ = std::io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_thread_of_the_last_map_ends_although_the_next_one_is_shown() {
        let tally = || Tally::new(Weak::new(), "test");
        let (last, next) = (Shown::among_others(tally(), Watch::Lines), Shown(Arc::new(tally())));
        let leaving = {
            let mut state = DISPLAY.lock();
            state.leave(&last.0);
            let leaving = state.end_thread().unwrap();
            state.enter(&next.0);
            leaving
        };
        let since = Instant::now();
        while !leaving.is_finished() {
            assert!(
                since.elapsed() < Duration::from_secs(20),
                "whoever drops the last map waits for the next one's end"
            );
            thread::sleep(Duration::from_millis(5));
        }
        drop((last, next));
        assert!(DISPLAY.lock().thread.is_none());
    }
}
