//! Driving: polling the providers' streams, wherever they are woken.
//!
//! A stream that is woken within [`drive_here`] is polled on that thread right afterwards, so that an answer settles
//! its call, sends the next request and wakes the caller without passing through another thread. Any other wake goes to
//! the deployment's runtime. A task is in one ready list at most, and is polled by one thread at a time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use futures_core::Stream;
use futures_core::stream::BoxStream;
use tokio::sync::mpsc;
use tokio::task::unconstrained;

use super::Dispatcher;
use super::owner::{Gate, Owner, Settled};
use super::span::{Attempts, CallSpan};
use super::spill::{self, Books};
use super::state::{Out, RequestKey, Start};
use crate::log::Channel;
use crate::provider::{CallId, Event, InvokeError, Request};

/// Nobody has it.
const IDLE: u8 = 0;
/// In a ready list.
const READY: u8 = 1;
/// Being polled.
const POLLING: u8 = 2;
/// Being polled, and woken meanwhile.
const AGAIN: u8 = 3;

/// Events that are applied in one go, so that one lock serves many.
const EVENTS_AT_ONCE: usize = 4096;
/// Answers that are held back while requests are still being sent.
const ANSWERS_AT_ONCE: usize = 1024;

thread_local! {
    /// `Some` within [`Driver::run`] on this thread.
    static WOKEN_HERE: RefCell<Option<VecDeque<Arc<RequestTask>>>> = const { RefCell::new(None) };
}

/// One request in flight: its stream, and whoever polls it.
pub(crate) struct RequestTask {
    dispatcher: Weak<Dispatcher>,
    key: RequestKey,
    stage: Mutex<Stage>,
    state: AtomicU8,
    /// Written by [`cancel`](Self::cancel), read by whoever polls.
    canceled: AtomicBool,
    gate: Option<Arc<Gate>>,
}

enum Stage {
    New(Request, Vec<CallSpan>, bool),
    Running(BoxStream<'static, Result<Event, InvokeError>>, Attempts),
    Ended,
}

impl RequestTask {
    pub(super) fn new(dispatcher: &Arc<Dispatcher>, Start { key, request, gate, hedge, spans }: Start) -> Arc<Self> {
        Arc::new(Self {
            dispatcher: Arc::downgrade(dispatcher),
            key,
            stage: Mutex::new(Stage::New(request, spans, hedge)),
            // The one who makes it runs it.
            state: AtomicU8::new(READY),
            canceled: AtomicBool::new(false),
            gate,
        })
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the stream, which cancels the request as far as the provider can.
    fn cancel(&self) {
        self.canceled.store(true, Ordering::Relaxed);
        let stage = mem::replace(&mut *self.stage(), Stage::Ended);
        drop(stage);
    }

    /// Polls until there is nothing more to be had now.
    fn run(self: Arc<Self>, driver: &mut Driver) {
        let Some(dispatcher) = self.dispatcher.upgrade() else { return };
        let waker = Waker::from(Arc::clone(&self));
        loop {
            self.state.store(POLLING, Ordering::Release);
            let (events, more) = {
                let runtime = dispatcher.runtime.handle();
                let _entered = runtime.as_ref().map(tokio::runtime::Handle::enter);
                self.poll(&dispatcher, &waker)
            };
            let (more, end) = match more {
                More::Ended(end) => (false, Some(end)),
                More::Yes => (true, None),
                More::No => (false, None),
            };
            let ended = end.is_some();
            if !events.is_empty() || ended {
                dispatcher.apply_in(driver, |state, now, out| {
                    for event in events {
                        state.event(self.key, event, now, out);
                    }
                    if let Some(end) = end {
                        state.ended(self.key, end, now, out);
                    }
                });
            }
            if ended {
                return;
            }
            if more {
                continue;
            }
            if self.state.compare_exchange(POLLING, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return;
            }
        }
    }

    fn poll(&self, dispatcher: &Arc<Dispatcher>, waker: &Waker) -> (Vec<Event>, More) {
        let mut stage = self.stage();
        if let Stage::New(request, spans, hedge) = &mut *stage {
            let request = mem::replace(request, Request::empty());
            let attempts = Attempts::sent(&request.calls, spans, *hedge);
            let (calls, first) = (request.calls.len(), request.calls.first().map(|call| call.id.0));
            crate::log!(Channel::Provider, "invoking {calls} calls, the first is {}", first.unwrap_or_default());
            let stream = match &dispatcher.spill {
                None => dispatcher.function.invoke(request),
                Some(spill) => {
                    let books = Account { dispatcher: Weak::clone(&self.dispatcher), key: self.key };
                    spill::invoke(spill, &dispatcher.function, books, request)
                }
            };
            *stage = Stage::Running(stream, attempts);
        }
        let Stage::Running(stream, attempts) = &mut *stage else { return (Vec::new(), More::No) };
        let mut events = Vec::new();
        let at_once = if self.gate.is_some() { 1 } else { EVENTS_AT_ONCE };
        let mut context = Context::from_waker(waker);
        let end = loop {
            if self.canceled.load(Ordering::Relaxed) {
                break None;
            }
            if self.gate.as_ref().is_some_and(|gate| !gate.has_room(waker)) {
                return (events, More::No);
            }
            // Without tokio's budget: where a caller's task has used its own up, a stream that waits on something of
            // tokio would ask to be polled again, at once and for ever, because the budget comes back only afterwards.
            let next = pin!(unconstrained(poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx))));
            match next.poll(&mut context) {
                Poll::Pending => return (events, More::No),
                Poll::Ready(Some(Ok(event))) => {
                    attempts.event(&event);
                    events.push(event);
                }
                Poll::Ready(Some(Err(error))) => {
                    crate::log!(
                        Channel::Provider,
                        "the request failed ({:?}, ran: {:?}): {error}",
                        error.class,
                        error.ran
                    );
                    attempts.failed(&error);
                    break Some(Err(error));
                }
                Poll::Ready(None) => break Some(Ok(())),
            }
            if events.len() >= at_once {
                return (events, More::Yes);
            }
        };
        *stage = Stage::Ended;
        (events, end.map_or(More::No, More::Ended))
    }
}

/// A request's place in the dispatcher's books. Its stream is never polled or dropped while those are locked.
struct Account {
    dispatcher: Weak<Dispatcher>,
    key: RequestKey,
}

impl Books for Account {
    fn transferring(&self, busy: bool) {
        if let Some(dispatcher) = self.dispatcher.upgrade() {
            dispatcher.with_state(|state| state.transferring(self.key, busy, Instant::now()));
        }
    }

    fn waits_for(&self, call: CallId) -> bool {
        self.dispatcher
            .upgrade()
            .is_some_and(|dispatcher| dispatcher.with_state(|state| state.waits_for(self.key, call)))
    }
}

/// Whether a stream has more to give.
enum More {
    /// Probably at once.
    Yes,
    /// Not before it wakes, or never.
    No,
    /// It has come to its end.
    Ended(Result<(), InvokeError>),
}

impl Wake for RequestTask {
    fn wake(self: Arc<Self>) {
        let mut seen = self.state.load(Ordering::Acquire);
        loop {
            let next = match seen {
                IDLE => READY,
                POLLING => AGAIN,
                _ => return,
            };
            match self.state.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) if next == READY => break,
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
        let elsewhere = WOKEN_HERE.with_borrow_mut(|here| match here {
            Some(here) => {
                here.push_back(Arc::clone(&self));
                false
            }
            None => true,
        });
        if elsewhere && let Some(dispatcher) = self.dispatcher.upgrade() {
            // The receiver is gone only when the runtime is: then nobody waits for the answer either.
            let _ = dispatcher.ready.send(Arc::clone(&self));
        }
    }
}

/// Runs `f`, then polls on this thread the streams that `f` woke.
///
/// For providers that learn of answers on threads of their own: calling it without a lock held, and waking inside,
/// saves a hand-over to the runtime for every answer.
pub fn drive_here<R>(f: impl FnOnce() -> R) -> R {
    let mut result = None;
    Driver::run(|_| result = Some(f()));
    match result {
        Some(result) => result,
        None => unreachable!("the driver calls what it is given"),
    }
}

/// Polls what was woken through the runtime. Ends with the dispatcher.
pub(super) async fn run_woken(mut woken: mpsc::UnboundedReceiver<Arc<RequestTask>>) {
    while let Some(task) = woken.recv().await {
        Driver::run(|driver| driver.tasks.push_back(task));
    }
}

/// What is to be done on this thread: streams to poll, callers to tell.
#[derive(Default)]
pub(crate) struct Driver {
    tasks: VecDeque<Arc<RequestTask>>,
    answers: Vec<(Arc<dyn Owner>, Settled)>,
}

/// Takes the thread's list away even if foreign code panics, or the thread would never pass a wake on again.
struct Leave {
    outermost: bool,
}

impl Drop for Leave {
    fn drop(&mut self) {
        if self.outermost {
            WOKEN_HERE.set(None);
        }
    }
}

impl Driver {
    /// Runs `f`, then everything that came of it, until nothing is left to do here.
    pub(super) fn run(f: impl FnOnce(&mut Self)) {
        let outermost = WOKEN_HERE.with_borrow_mut(|here| {
            let outermost = here.is_none();
            here.get_or_insert_default();
            outermost
        });
        let leave = Leave { outermost };
        let mut driver = Self::default();
        f(&mut driver);
        driver.work(outermost);
        drop(leave);
    }

    /// Takes over what a change of the state asked for.
    pub(super) fn take(&mut self, tasks: &mut Vec<Arc<RequestTask>>, mut out: Out) {
        self.tasks.extend(tasks.drain(..));
        for task in out.canceled {
            task.cancel();
        }
        drop(out.spans);
        for (_, settled) in &mut out.settled {
            mem::take(&mut settled.span).ended(settled.result.as_ref().err());
        }
        self.answers.extend(out.settled);
        for (owner, body) in out.items {
            owner.item(body);
        }
    }

    fn work(&mut self, outermost: bool) {
        loop {
            if let Some(task) = self.tasks.pop_front() {
                task.run(self);
                if self.answers.len() >= ANSWERS_AT_ONCE {
                    self.tell();
                }
            } else if !self.answers.is_empty() {
                self.tell();
            } else if !outermost {
                return;
            } else {
                let woken = WOKEN_HERE.with_borrow_mut(|here| here.as_mut().map(mem::take)).unwrap_or_default();
                if woken.is_empty() {
                    return;
                }
                self.tasks = woken;
            }
        }
    }

    /// Tells owners how their calls ended; neighbours of one owner are told together.
    fn tell(&mut self) {
        let mut together: Option<(Arc<dyn Owner>, Vec<Settled>)> = None;
        for (owner, settled) in mem::take(&mut self.answers) {
            match &mut together {
                Some((last, group)) if Arc::ptr_eq(last, &owner) => group.push(settled),
                _ => {
                    if let Some((last, group)) = together.replace((owner, vec![settled])) {
                        last.settle(group);
                    }
                }
            }
        }
        if let Some((last, group)) = together {
            last.settle(group);
        }
    }
}
