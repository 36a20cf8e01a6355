//! The dispatcher: between the calls that callers submit and the requests that a provider runs.
//!
//! `State` decides everything, purely: it is told what happened and when, and says what to start, whom to answer and
//! what to drop. `Dispatcher` holds it under one mutex, polls the provider's streams and keeps the clock. No call is
//! a task of its own, no lock is held while foreign code runs, and every submitted call is settled exactly once.

mod admission;
mod batch;
mod budget;
mod drive;
mod events;
mod hedge;
#[cfg(test)]
mod model;
mod note;
mod outage;
mod owner;
pub mod retry;
mod send;
mod settle;
mod span;
mod spill;
mod state;
mod tick;

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, mpsc};

pub use self::drive::drive_here;
use self::drive::{Driver, RequestTask};
pub(crate) use self::owner::{Gate, Owner, Report, Settled, Submission};
pub(crate) use self::send::{MAX_FLYING_BYTES, MAX_FLYING_BYTES_SPILLED};
pub(crate) use self::span::CallSpan;
use self::spill::Spill;
use self::state::Failed;
pub(crate) use self::state::{CallRef, FOREVER, Out, Policy, State};
use crate::call::RetryIf;
use crate::error::{Error, ErrorKind};
use crate::event::{Announcer, Events};
use crate::provider::CloudFunction;
use crate::runtime::Runtime;
use crate::stats::Stats;

/// One deployment's dispatcher.
pub(crate) struct Dispatcher {
    state: Mutex<State>,
    function: Arc<dyn CloudFunction>,
    /// Where large payloads go.
    spill: Option<Arc<Spill>>,
    runtime: Runtime,
    ready: mpsc::UnboundedSender<Arc<RequestTask>>,
    /// Told when the earliest moment that matters has come forward.
    clock: Notify,
    announcer: Announcer,
}

impl Dispatcher {
    /// Makes a dispatcher; its clock and its driver run on `runtime` until that ends.
    pub(crate) fn start(
        function: Arc<dyn CloudFunction>,
        spill_above: Option<u64>,
        policy: Policy,
        runtime: &Runtime,
    ) -> Arc<Self> {
        let (ready, woken) = mpsc::unbounded_channel();
        let spill = spill_above
            .and_then(|limit| Some(Arc::new(Spill { store: function.store()?, limit, runtime: runtime.clone() })));
        let dispatcher = Arc::new(Self {
            state: Mutex::new(State::new(policy, fastrand::Rng::new())),
            function,
            spill,
            ready,
            clock: Notify::new(),
            announcer: Announcer::default(),
            runtime: runtime.clone(),
        });
        runtime.spawn(drive::run_woken(woken));
        runtime.spawn(keep_time(Arc::clone(&dispatcher)));
        dispatcher
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes calls in; their owners are told how each ended, at the latest by their deadline.
    pub(crate) fn submit(self: &Arc<Self>, calls: impl IntoIterator<Item = Submission>) {
        self.apply(|state, now, out| {
            for call in calls {
                state.submit(call, now, out);
            }
        });
    }

    /// Takes one call in; gives what [`cancel_one`](Self::cancel_one) takes.
    pub(crate) fn submit_one(self: &Arc<Self>, call: Submission) -> Option<CallRef> {
        let mut submitted = None;
        self.apply(|state, now, out| submitted = Some(state.submit(call, now, out)));
        submitted
    }

    /// Gives up one call; its owner is told nothing more.
    pub(crate) fn cancel_one(self: &Arc<Self>, call: CallRef) {
        self.apply(|state, now, out| state.cancel_one(call, now, out));
    }

    /// Gives up the calls of an owner; it is told nothing more.
    pub(crate) fn cancel(self: &Arc<Self>, owner: &Arc<dyn Owner>) {
        self.apply(|state, now, out| state.cancel(owner, now, out));
    }

    /// Gives up the calls of an owner, and tells it so.
    pub(crate) fn cancel_and_tell(self: &Arc<Self>, owner: &Arc<dyn Owner>) {
        self.apply(|state, now, out| state.cancel_and_tell(owner, now, out));
    }

    /// Settles every call as canceled and takes no more.
    pub(crate) fn close(self: &Arc<Self>) {
        self.apply(|state, now, out| {
            state.close(|| Error::new(ErrorKind::Canceled, "canceled by the cleanup of its deployment"), now, out);
        });
    }

    /// Calls that a map may add to the line now.
    pub(crate) fn wanted(&self) -> usize {
        self.lock().wanted()
    }

    /// What happens from now on.
    pub(crate) fn events(&self) -> Events {
        self.announcer.listen()
    }

    /// Nothing happens any more.
    pub(crate) fn end_events(&self) {
        self.announcer.end();
    }

    pub(crate) fn stats(&self) -> Stats {
        let late = self.function.duplicates();
        self.lock().stats(late)
    }

    pub(crate) fn with_state<R>(&self, read: impl FnOnce(&mut State) -> R) -> R {
        read(&mut self.lock())
    }

    /// Changes the state, then does what came out of it: requests are sent first, callers told after.
    fn apply(self: &Arc<Self>, change: impl FnOnce(&mut State, Instant, &mut Out)) {
        Driver::run(|driver| self.apply_in(driver, change));
    }

    fn apply_in(self: &Arc<Self>, driver: &mut Driver, change: impl FnOnce(&mut State, Instant, &mut Out)) {
        let mut asked = self.apply_once(driver, change);
        while let Some((failed, retry_if)) = asked.pop() {
            // The user's code: not under the lock, and a panic of it must not take a provider's thread along.
            let wanted = catch_unwind(AssertUnwindSafe(|| retry_if(&failed.error))).unwrap_or(false);
            asked.extend(self.apply_once(driver, |state, now, out| state.decide(failed, wanted, now, out)));
        }
    }

    /// Gives the failures about which a call's own `retry_if` has to be asked.
    fn apply_once(
        self: &Arc<Self>,
        driver: &mut Driver,
        change: impl FnOnce(&mut State, Instant, &mut Out),
    ) -> Vec<(Failed, RetryIf)> {
        let mut out = Out::default();
        let (mut tasks, wake_clock) = {
            let mut state = self.lock();
            let now = Instant::now();
            state.observed = self.announcer.is_heard();
            change(&mut state, now, &mut out);
            state.pump(now, &mut out);
            let starts = out.starts.drain(..);
            let tasks: Vec<_> = starts
                .map(|start| {
                    let key = start.key;
                    let task = RequestTask::new(self, start);
                    state.attach(key, Arc::clone(&task));
                    task
                })
                .collect();
            (tasks, state.take_wake_changed())
        };
        if wake_clock {
            self.clock.notify_one();
        }
        for event in out.events.drain(..) {
            self.announcer.announce(event);
        }
        let asked = mem::take(&mut out.asked);
        driver.take(&mut tasks, out);
        asked
    }
}

/// Fires what is due, and sleeps until the next moment that matters. Ends with the runtime.
async fn keep_time(dispatcher: Arc<Dispatcher>) {
    loop {
        let next = dispatcher.lock().next_wake();
        match next {
            Some(at) if at <= Instant::now() => {
                if dispatcher.lock().has_budget() {
                    let used = dispatcher.function.usage().await;
                    dispatcher.lock().used_beyond_calls(&used);
                }
                dispatcher.apply(State::tick);
            }
            Some(at) => tokio::select! {
                () = dispatcher.clock.notified() => {}
                () = tokio::time::sleep_until(at.into()) => {}
            },
            None => dispatcher.clock.notified().await,
        }
    }
}
