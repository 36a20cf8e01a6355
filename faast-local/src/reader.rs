//! The thread that reads one worker's socket: passes events on, frees the worker for the next request, and at the end of
//! the socket finds out how the worker died and whose fault it was.
//!
//! Everything that wakes a stream happens within core's `drive_here`, with no lock held, so that the answered call
//! settles and the next request is sent on this very thread. The thread ends when the process has been buried.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use faast_core::ErrorKind;
use faast_core::dispatch::drive_here;
use faast_core::provider::{Event, InvokeError, Outcome, Payload, Ran, RetryClass};
use faast_core::wire::frame::decode_events;

use crate::classify::{self, Ended};
use crate::frame::{Frame, FrameReader};
use crate::journal::{self, Testament};
use crate::logs;
use crate::peer::{Peer, Running};
use crate::pool::Pool;

/// Core polls streams here and settles calls: more than the loop itself needs. Only touched pages count.
const STACK: usize = 512 * 1024;

/// Starts the thread.
pub(crate) fn spawn(pool: Arc<Pool>, peer: Arc<Peer>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("faast-{}", peer.instance)).stack_size(STACK).spawn(move || {
        // Wakers are the program's own code. Should one panic, the worker is buried all the same, or its request and the
        // cleanup would wait for ever.
        let end = catch_unwind(AssertUnwindSafe(|| read(&pool, &peer))).unwrap_or_else(|_| {
            peer.process.kill();
            End::Read
        });
        bury(&pool, &peer, end);
    })
}

/// How a socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The worker had read all that was sent to it.
    Read,
    /// It had not: the kernel says so by a reset.
    Unread,
}

fn read(pool: &Arc<Pool>, peer: &Arc<Peer>) -> End {
    let mut frames = FrameReader::new();
    let mut events = Vec::new();
    loop {
        match frames.next(&peer.socket) {
            Ok(Some(frame)) => {
                if !deliver(pool, peer, frame, &mut events) {
                    return End::Read;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return End::Unread,
            Ok(None) | Err(_) => return End::Read,
        }
    }
}

/// Passes a frame of events on. `false`: what came is no frame, and nothing behind it can be trusted.
fn deliver(pool: &Arc<Pool>, peer: &Arc<Peer>, frame: Frame, events: &mut Vec<Event>) -> bool {
    let mut blob = frame.blob;
    let mut state = peer.lock();
    let Some(running) = state.running.as_mut().filter(|running| running.frame == frame.number) else { return true };
    running.heard = true;
    let mut is_whole = true;
    for (at, event) in decode_events(frame.head).enumerate() {
        let blob = blob.take_if(|(owner, _)| *owner == at).map(|(_, bytes)| bytes);
        let Some(event) = event.ok().and_then(|event| with_blob(event, blob)) else {
            is_whole = false;
            break;
        };
        if running.accept(&event) {
            events.push(event);
        }
    }
    let job = Arc::clone(&running.job);
    if !is_whole {
        // What was accepted is answered; the rest of the request dies with its worker.
        drop(state);
        drive_here(|| job.push(events, false));
        return false;
    }
    let finished = running.left.is_empty();
    if finished {
        let doomed = running.doomed;
        let buffer_free = state.running.take().is_some() && !doomed && !state.ending;
        drop(state);
        if doomed {
            // It ends itself after this report; nothing is lost by making sure.
            peer.process.kill();
        }
        drive_here(|| {
            if buffer_free {
                // The next request goes out before anybody is woken.
                pool.release(peer);
            }
            job.push(events, true);
        });
        return true;
    }
    drop(state);
    drive_here(|| job.push(events, false));
    // Not inside `drive_here`: this thread itself may be the one that drains the queue.
    job.wait_for_room();
    true
}

/// An event with its large payload; `None` where it can't have one.
fn with_blob(mut event: Event, blob: Option<Bytes>) -> Option<Event> {
    if let Some(blob) = blob {
        match &mut event {
            Event::Item { body, .. } | Event::Done { outcome: Outcome::Ok(body), .. } => *body = Payload::Inline(blob),
            _ => return None,
        }
    }
    Some(event)
}

impl Running {
    /// Notes what an event says. `false`: it is about a call that has been answered already.
    fn accept(&mut self, event: &Event) -> bool {
        let ends = match event {
            Event::Done { outcome, .. } => {
                if let Outcome::Err(failure) = outcome {
                    self.doomed |= matches!(failure.kind, ErrorKind::Timeout | ErrorKind::OutOfMemory);
                }
                true
            }
            Event::Returned { .. } => true,
            _ => false,
        };
        let Some(at) = self.left.iter().position(|call| *call == event.call()) else { return false };
        if ends {
            self.left.remove(at);
        }
        true
    }
}

/// The socket has ended: buries the process, takes what is in its journal, and tells whose fault it was.
fn bury(pool: &Arc<Pool>, peer: &Arc<Peer>, end: End) {
    pool.forget_idle(peer);
    let (running, ending) = peer.close();
    let ended = peer.process.bury();
    let testament = journal::read(&peer.journal, running.as_ref().map_or(0, |running| running.frame));
    let start_failure = (!testament.ready && !ending).then(|| {
        let url = logs::url_of(peer.log.as_deref());
        classify::start_failure(ended, &logs::tail(peer.log.as_deref()), &url)
    });
    match &start_failure {
        Some(error) => pool.gone_before_start(peer, error),
        None => pool.gone(peer, testament.ready),
    }
    if let Some(running) = running {
        let job = Arc::clone(&running.job);
        let (mut events, error) = last_will(pool, peer, running, &testament, end, ended, start_failure);
        drive_here(|| {
            job.push(&mut events, false);
            match error {
                Some(error) => job.fail(error),
                None => job.push(&mut Vec::new(), true),
            }
        });
    }
    drive_here(|| pool.pump());
}

/// What is still to be said about the request that a worker died with: events, and the failure if calls are left.
fn last_will(
    pool: &Pool,
    peer: &Peer,
    mut running: Running,
    testament: &Testament,
    end: End,
    ended: Ended,
    start_failure: Option<InvokeError>,
) -> (Vec<Event>, Option<InvokeError>) {
    let mut events = Vec::new();
    for record in &testament.records {
        for event in decode_events(record.clone()).map_while(Result::ok) {
            if running.accept(&event) {
                events.push(event);
            }
        }
    }
    let Some(blamed) = running.left.front().copied() else { return (events, None) };
    if let Some(error) = start_failure {
        return (events, Some(error.execution(peer.execution.clone())));
    }
    if running.doomed {
        // It reported one call and ended itself by faast's own rule: the others have not been started.
        events.extend(running.left.drain(..).map(|call| Event::Returned { call }));
        return (events, None);
    }
    let unread = end == End::Unread || !running.sent;
    let ran = match running.calls {
        _ if unread => Ran::No,
        _ if running.heard || testament.taken => Ran::Yes,
        1 => Ran::Maybe,
        // The first thing that a worker does with a request of several calls is to note it.
        _ => Ran::No,
    };
    if ran != Ran::No && blamed != running.first {
        events.push(peer.started(blamed));
    }
    let cause = classify::cause(ended, &logs::tail(peer.log.as_deref()), pool.memory_mb());
    let error = if ran == Ran::No && cause.class != RetryClass::OutOfMemory {
        // Whatever ended it, it was not this request.
        InvokeError::new(
            RetryClass::WorkerLost,
            ran,
            format!("the worker ended before it took the call: {}", cause.message),
        )
    } else {
        InvokeError::new(cause.class, ran, cause.message)
    };
    (events, Some(error.execution(peer.execution.clone())))
}
