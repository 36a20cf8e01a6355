//! `Mode::Queue`: requests and answers pass through two in-memory queues, each emptied by a pump thread.
//!
//! Like the queues of a platform these deliver at least once, where the capabilities say so: every third request runs
//! twice, every third answer arrives twice. The pumps end when the queues are closed.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use bytes::Bytes;

use super::channel::Sender;
use super::pool::{Job, Pool};
use super::reply::{Answer, Reply};

/// With platform duplicates, every so many messages are delivered twice.
const DUPLICATE_EVERY: u64 = 3;

pub(super) struct Queues {
    requests: Mutex<Option<mpsc::Sender<Message>>>,
    routes: Arc<Routes>,
}

struct Message {
    execution: u64,
    request: Bytes,
}

/// The requests that wait for answers. Written by the client's side, read by the pump.
#[derive(Default)]
struct Routes(Mutex<HashMap<u64, Sender<Bytes>>>);

impl Routes {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Sender<Bytes>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    /// Makes the queues in front of a pool.
    pub(super) fn new(pool: Arc<Pool>, duplicates: bool) -> io::Result<Self> {
        let routes = Arc::new(Routes::default());
        let (requests, incoming) = mpsc::channel();
        let (answers, outgoing) = mpsc::channel();
        let route = Arc::clone(&routes);
        spawn("faast-memory-requests", move || pump_requests(&pool, &incoming, &answers, duplicates))?;
        spawn("faast-memory-answers", move || pump_answers(&route, &outgoing, duplicates))?;
        Ok(Self { requests: Mutex::new(Some(requests)), routes })
    }

    /// Sends a request; its answers go to `reply`. Queues that are closed drop both.
    pub(super) fn send(&self, execution: u64, request: Bytes, reply: Sender<Bytes>) {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(requests) = &*requests {
            self.routes.lock().insert(execution, reply);
            if requests.send(Message { execution, request }).is_err() {
                self.routes.lock().remove(&execution);
            }
        }
    }

    /// Nobody waits for these answers any more.
    pub(super) fn forget(&self, execution: u64) {
        self.routes.lock().remove(&execution);
    }

    /// Lets the pumps end, as soon as the workers have let go of their replies. Idempotent.
    pub(super) fn close(&self) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.routes.lock().clear();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).spawn(run).map(drop)
}

fn deliveries(count: &mut u64, duplicates: bool) -> usize {
    *count += 1;
    if duplicates && count.is_multiple_of(DUPLICATE_EVERY) { 2 } else { 1 }
}

fn pump_requests(
    pool: &Arc<Pool>,
    incoming: &mpsc::Receiver<Message>,
    answers: &mpsc::Sender<Answer>,
    duplicates: bool,
) {
    let mut count = 0;
    for Message { execution, request } in incoming {
        for _ in 0..deliveries(&mut count, duplicates) {
            let reply = Reply::queued(execution, answers.clone());
            pool.start(Job { request: request.clone(), execution, reply });
        }
    }
}

fn pump_answers(routes: &Routes, outgoing: &mpsc::Receiver<Answer>, duplicates: bool) {
    let mut count = 0;
    for Answer { execution, body } in outgoing {
        let Some(body) = body else {
            routes.lock().remove(&execution);
            continue;
        };
        for _ in 0..deliveries(&mut count, duplicates) {
            let route = routes.lock().get(&execution).cloned();
            if let Some(route) = route {
                // A request that was given up has closed its channel; the answer is for nobody.
                let _ = route.send(body.clone());
            }
        }
    }
}
