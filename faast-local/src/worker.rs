//! The worker's side: is this process a local worker, and its transport.
//!
//! The socket comes as standard input and the journal as standard output; both are moved away before user code runs,
//! which then finds `/dev/null` and the log file. The thread that reads a request also runs the function and writes the
//! answer. A second thread only waits for the end of the socket: it ends a busy loop when the client is gone.

use std::num::NonZero;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use faast_core::provider::{Event, EventSink, Outcome, Payload, Request, SendError, WorkerStart, WorkerTransport};
use faast_core::wire::frame::{decode_request, encode_event};
use faast_core::worker::{Mark, WorkerControl};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::process::{Resource, Rlimit, Signal, getppid, kill_current_process_group, setrlimit};
use rustix::stdio;

use crate::config::{FAAST_MEMORY_MB, GRACE, NAME};
use crate::frame::{BLOB_FROM, FrameReader, Outgoing};
use crate::journal::Journal;

/// What a thread of Rust's has, unless it says otherwise.
const STACK: u64 = 2 << 20;

/// Answers are held back for so long at most. Shorter, the client is woken so often that it takes the cores that
/// workers want: measured, 100 us cost a quarter of the throughput of short calls, 1 ms a twentieth.
const FLUSH_AFTER: Duration = Duration::from_millis(1);

/// Bytes of answers that are held back at most.
const FLUSH_BYTES: usize = 64 * 1024;

/// Enough for a loop around `poll`.
const WATCH_STACK: usize = 64 * 1024;

/// How often a canceled function is told: the cancellation may come just before the request that it is about.
const TELL_EVERY: Duration = Duration::from_millis(10);

/// The transport, if this process was started by a client of this machine that is its parent now.
pub(crate) fn transport(start: &WorkerStart) -> Option<Box<dyn WorkerTransport>> {
    let mark = Mark::find(start).filter(|mark| mark.provider == NAME)?;
    let parent = getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
    if parent != Some(mark.client) {
        return None;
    }
    let memory_mb = std::env::var(FAAST_MEMORY_MB).ok().and_then(|mb| mb.parse().ok());
    open(memory_mb).ok().map(|transport| Box::new(transport) as _)
}

fn open(memory_mb: Option<u64>) -> Result<LocalTransport, Errno> {
    // Duplicates are close-on-exec: programs that functions start have neither.
    let socket = rustix::io::fcntl_dupfd_cloexec(stdio::stdin(), 3)?;
    rustix::net::sockopt::socket_type(&socket)?;
    let journal = rustix::io::fcntl_dupfd_cloexec(stdio::stdout(), 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    stdio::dup2_stdin(null)?;
    stdio::dup2_stdout(stdio::stderr())?;
    let memory_limit = memory_mb.map(|mb| mb << 20);
    if let Some(limit) = memory_limit {
        // The hard stop. Not the address space, which counts a gigabyte where four megabytes are used. Stacks count whole, used
        // or not, and a function may have a pool or two of threads. It can't be set where a lower one holds already, and
        // then that one is the hard stop.
        let stacks = thread::available_parallelism().map_or(1, NonZero::get) as u64 * 2 * STACK;
        let hard = Some(limit.saturating_mul(2).saturating_add(stacks).saturating_add(64 << 20));
        let _ = setrlimit(Resource::Data, Rlimit { current: hard, maximum: hard });
    }
    let socket = Arc::new(socket);
    let out = Out {
        frame: 0,
        pending: Outgoing::reuse(Vec::new()),
        count: 0,
        held: Duration::ZERO,
        journal: Journal::ready(journal)?,
    };
    let sink = Arc::new(Sink { socket: Arc::clone(&socket), out: Mutex::new(out) });
    Ok(LocalTransport { socket, frames: FrameReader::new(), sink, memory_limit })
}

struct LocalTransport {
    socket: Arc<OwnedFd>,
    frames: FrameReader,
    sink: Arc<Sink>,
    memory_limit: Option<u64>,
}

impl WorkerTransport for LocalTransport {
    fn next(&mut self) -> Option<Request> {
        // An error is the end as well: there is nobody to tell.
        let frame = self.frames.next(&*self.socket).ok().flatten()?;
        let mut request = decode_request(frame.head).ok()?;
        if let Some((at, bytes)) = frame.blob {
            request.calls.get_mut(at)?.args = Payload::Inline(bytes);
        }
        self.sink.begin(frame.number, request.calls.len());
        Some(request)
    }

    fn events(&self) -> Arc<dyn EventSink> {
        Arc::clone(&self.sink) as _
    }

    fn memory_limit(&self) -> Option<u64> {
        self.memory_limit
    }

    fn attach(&mut self, control: WorkerControl) {
        let socket = Arc::clone(&self.socket);
        let sink = Arc::clone(&self.sink);
        let watch = thread::Builder::new().name("faast-client".into()).stack_size(WATCH_STACK);
        if watch.spawn(move || watch_client(&socket, &sink, &control)).is_err() {
            // Without it a busy loop would outlive the client.
            std::process::exit(101);
        }
    }
}

/// Waits for the client to close the connection or its writing half; never returns to user code.
fn watch_client(socket: &OwnedFd, sink: &Sink, control: &WorkerControl) {
    while !ended(socket, PollFlags::RDHUP, None) {}
    let since = Instant::now();
    // Nobody waits for the running call any more. An idle worker sees the end of the socket itself, and exits.
    while since.elapsed() < GRACE {
        control.cancel(None);
        if ended(socket, PollFlags::empty(), Some(TELL_EVERY)) {
            break;
        }
    }
    sink.terminate();
}

/// Waits until the other side has closed (always looked for), or one of `flags` holds, or the time is over.
fn ended(socket: &OwnedFd, flags: PollFlags, within: Option<Duration>) -> bool {
    let within = within.and_then(|within| Timespec::try_from(within).ok());
    let mut fds = [PollFd::new(socket, flags)];
    let closed = flags | PollFlags::HUP | PollFlags::ERR;
    match poll(&mut fds, within.as_ref()) {
        Ok(_) => {
            let hung_up = fds[0].revents().contains(PollFlags::HUP);
            if hung_up && flags.contains(PollFlags::RDHUP) {
                // The client is gone, not only tired of this call.
                die();
            }
            fds[0].revents().intersects(closed)
        }
        Err(_) => false,
    }
}

/// Ends this process and the children of its functions.
fn die() {
    // Fails only if there is no such group, and then there is no such process.
    let _ = kill_current_process_group(Signal::KILL);
}

/// Where events go: held back for a moment, and journaled meanwhile.
struct Sink {
    socket: Arc<OwnedFd>,
    /// Written by the executor, and by the watch when it answers in its place.
    out: Mutex<Out>,
}

struct Out {
    /// The request that is being answered.
    frame: u64,
    pending: Outgoing,
    /// Events in `pending`.
    count: usize,
    /// Running time of the calls whose answers are held back; a clock would cost as much as a short call.
    held: Duration,
    journal: Journal,
}

impl Sink {
    fn lock(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, frame: u64, calls: usize) {
        let mut out = self.lock();
        out.frame = frame;
        out.held = Duration::ZERO;
        if calls > 1 {
            // Should the worker die in one of them, the client knows that the first had started. If it can't be
            // written, blame is less exact; that is no reason not to work.
            let _ = out.journal.append(frame, &[]);
        }
    }
}

impl Out {
    fn flush(&mut self, socket: &OwnedFd, blob: Option<(usize, Bytes)>, flags: SendFlags) -> Result<(), SendError> {
        if self.count == 0 {
            return Ok(());
        }
        self.pending.finish(self.frame, blob).map_err(|_| SendError::Closed)?;
        let sent = self.pending.send(socket.as_fd(), flags);
        self.pending = Outgoing::reuse(std::mem::take(&mut self.pending).into_buffer());
        self.count = 0;
        self.held = Duration::ZERO;
        // Only now: a worker that dies in the middle of sending leaves it all in the journal.
        self.journal.restart();
        sent.map(|_| ()).map_err(|_| SendError::Closed)
    }
}

impl EventSink for Sink {
    fn send(&self, event: &mut Event, remaining: usize) -> Result<(), SendError> {
        let blob = take_blob(event);
        let mut out = self.lock();
        let start = out.pending.head_len();
        encode_event(event, out.pending.head());
        if let Event::Done { metering, .. } = event {
            out.held += metering.duration;
        }
        let at = out.count;
        out.count += 1;
        if matches!(event, Event::Returned { .. }) && out.pending.head_len() < FLUSH_BYTES {
            // Many follow each other, and then a flush. A call that was not started needs no proof of it.
            return Ok(());
        }
        // With one call left, nobody would flush while that one runs.
        let now = remaining <= 1 || blob.is_some() || out.pending.head_len() >= FLUSH_BYTES || out.held >= FLUSH_AFTER;
        if !now {
            let Out { frame, pending, journal, .. } = &mut *out;
            if journal.append(*frame, pending.head_from(start)).is_ok() {
                return Ok(());
            }
        }
        out.flush(&self.socket, blob.map(|blob| (at, blob)), SendFlags::empty())
    }

    fn flush(&self) -> Result<(), SendError> {
        self.lock().flush(&self.socket, None, SendFlags::empty())
    }

    fn terminate(&self) {
        // Not waiting: the executor may hold the lock for as long as the client does not read.
        if let Ok(mut out) = self.out.try_lock() {
            let _ = out.flush(&self.socket, None, SendFlags::DONTWAIT);
        }
        die();
    }
}

/// Takes a large payload out of an event, to travel behind the head.
fn take_blob(event: &mut Event) -> Option<Bytes> {
    match event {
        Event::Item { body: Payload::Inline(bytes), .. }
        | Event::Done { outcome: Outcome::Ok(Payload::Inline(bytes)), .. }
            if bytes.len() >= BLOB_FROM =>
        {
            Some(std::mem::take(bytes))
        }
        _ => None,
    }
}
