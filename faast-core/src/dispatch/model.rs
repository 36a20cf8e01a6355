//! The dispatcher's state against a model, in virtual time: random providers, random faults, not one real sleep.
//!
//! Whatever happens, every call is settled exactly once, the window is never passed, and nothing stays behind. Beside that,
//! single promises are in `time.rs`, `again.rs`, `limit.rs` and `cancel.rs`.

mod again;
mod cancel;
mod limit;
mod time;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::MAX_FLYING_BYTES;
use super::owner::{Owner, Settled, Submission};
use super::span::CallSpan;
use super::state::{Out, Policy, RequestKey, State};
use crate::call::CallOptions;
use crate::cost::{PriceTable, Quantity};
use crate::error::ErrorKind;
use crate::function::{Body, FunctionEntry};
use crate::provider::{
    CallId, DeploymentId, Event, Failure, InstanceId, InvokeError, Metering, Outcome, Payload, Ran, Request, RetryClass,
};

static PLAIN: FunctionEntry = entry("model::plain", true);
static ONCE: FunctionEntry = entry("model::once", false);

static ITEMS: FunctionEntry = FunctionEntry { body: Body::Iterator(|_, _| Ok(())), ..entry("model::items", true) };

const fn entry(name: &'static str, idempotent: bool) -> FunctionEntry {
    FunctionEntry { name, signature: 1, location: "model.rs:1:1", idempotent, body: Body::Sync(|_, _| Ok(())) }
}

fn policy() -> Policy {
    Policy {
        deployment: DeploymentId::from("model"),
        build: 0,
        provider: "model",
        concurrency: 4,
        rate: None,
        timeout: Duration::from_mins(1),
        deadline: None,
        retries: 2,
        hedge: false,
        batch: Some(1),
        max_batch: 64,
        max_request_bytes: None,
        max_flying_bytes: MAX_FLYING_BYTES,
        cancel_kills: true,
        timeout_grace: Duration::from_secs(1),
        start_grace: Duration::from_secs(10),
        queued: false,
        memory_limit: None,
        prices: PriceTable::default(),
        tariff: None,
        budget_usd: None,
        worst_case_usd: 0.0,
        log_url: Box::new(|_| "log".into()),
        tape: None,
    }
}

#[derive(Default)]
struct Results(Mutex<HashMap<u64, Vec<Result<Bytes, ErrorKind>>>>);

impl Owner for Results {
    fn settle(&self, settled: Vec<Settled>) {
        let mut results = self.0.lock().unwrap();
        for settled in settled {
            results.entry(settled.key).or_default().push(settled.result.map_err(|error| error.kind()));
        }
    }
}

/// A state with a virtual clock, and the requests that it sent.
struct World {
    state: State,
    now: Instant,
    flying: Vec<(RequestKey, Request)>,
    results: Arc<Results>,
    sent: HashMap<u64, u32>,
    /// Items that were handed to owners.
    items: usize,
    next_key: u64,
}

impl World {
    fn new(policy: Policy, seed: u64) -> Self {
        Self {
            state: State::new(policy, fastrand::Rng::with_seed(seed)),
            now: Instant::now(),
            flying: Vec::new(),
            results: Arc::default(),
            sent: HashMap::new(),
            items: 0,
            next_key: 0,
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut State, Instant, &mut Out)) {
        let mut out = Out::default();
        change(&mut self.state, self.now, &mut out);
        while let Some((failed, retry_if)) = out.asked.pop() {
            let wanted = retry_if(&failed.error);
            self.state.decide(failed, wanted, self.now, &mut out);
        }
        self.state.pump(self.now, &mut out);
        for start in out.starts {
            for call in &start.request.calls {
                *self.sent.entry(call.id.0).or_default() += 1;
            }
            self.flying.push((start.key, start.request));
        }
        for (owner, settled) in out.settled {
            owner.settle(vec![settled]);
        }
        self.items += out.items.len();
        let state = &self.state;
        self.flying.retain(|(key, _)| state.request(*key).is_some());
    }

    fn submit(&mut self, entry: &'static FunctionEntry, options: Option<CallOptions>) {
        self.submit_args(entry, options, Bytes::from_static(b"args"));
    }

    fn submit_args(&mut self, entry: &'static FunctionEntry, options: Option<CallOptions>, args: Bytes) {
        let owner = Arc::clone(&self.results) as Arc<dyn Owner>;
        let (key, options) = (self.next_key, options.map(Box::new));
        self.next_key += 1;
        self.change(|state, now, out| {
            state.submit(
                Submission { entry, args, options, owner, key, index: Some(key), span: CallSpan::default() },
                now,
                out,
            );
        });
    }

    fn advance(&mut self, by: Duration) {
        let until = self.now + by;
        while let Some(at) = self.state.next_wake().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.change(State::tick);
        }
        self.now = until;
    }

    fn event(&mut self, key: RequestKey, event: Event) {
        self.change(|state, now, out| state.event(key, event, now, out));
    }

    fn end(&mut self, key: RequestKey, end: Result<(), InvokeError>) {
        self.change(|state, now, out| state.ended(key, end, now, out));
    }

    fn started(&mut self, key: RequestKey, call: CallId) {
        self.event(key, Event::Started { call, instance: InstanceId("w".into()), execution: None });
    }

    fn done(&mut self, key: RequestKey, call: CallId, took: Duration, usd: f64) {
        let quantities =
            if usd > 0.0 { vec![Quantity { metric: "usd".into(), amount: usd, measured: true }] } else { vec![] };
        let metering = Metering { duration: took, quantities, ..Metering::default() };
        self.event(key, Event::Done { call, outcome: Outcome::Ok(Payload::Inline(Bytes::new())), metering });
    }

    fn fail(&mut self, key: RequestKey, call: CallId, kind: ErrorKind) {
        let outcome = Outcome::Err(Box::new(Failure::new(kind, "failed")));
        self.event(key, Event::Done { call, outcome, metering: Metering::default() });
    }

    fn result(&self, key: u64) -> Option<Result<Bytes, ErrorKind>> {
        self.results.0.lock().unwrap().get(&key).map(|results| {
            assert_eq!(results.len(), 1, "call {key} was settled {} times", results.len());
            results[0].clone()
        })
    }

    /// Runs ten short calls, so that it is known how long they take: calls 0 to 9.
    fn know(&mut self, entry: &'static FunctionEntry) {
        for _ in 0..10 {
            self.submit(entry, None);
            let (key, call) = self.only();
            self.done(key, call, Duration::from_millis(10), 0.0);
            self.end(key, Ok(()));
        }
    }

    /// The one request in flight with one call.
    fn only(&self) -> (RequestKey, CallId) {
        assert_eq!(self.flying.len(), 1);
        (self.flying[0].0, self.flying[0].1.calls[0].id)
    }
}

/// One run: whatever a provider may do, drawn by seed, until every call has ended.
fn chaos(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let batch = [None, Some(1), Some(3)][rng.usize(..3)];
    let mut world = World::new(Policy { batch, hedge: rng.bool(), cancel_kills: rng.bool(), ..policy() }, seed);
    let total = rng.u64(1..60);
    for _ in 0..total {
        let options = rng.bool().then(|| CallOptions { retry_if: Some(Arc::new(|_| true)), ..CallOptions::default() });
        world.submit(if rng.u8(..4) == 0 { &ONCE } else { &PLAIN }, options);
    }
    let once: Vec<_> = (1..=total).collect();
    let mut steps = 0;
    while world.results.0.lock().unwrap().len() < once.len() {
        steps += 1;
        assert!(steps < 20_000, "seed {seed} does not come to an end");
        assert!(world.flying.len() <= 4, "seed {seed} passes its window");
        if world.flying.is_empty() || rng.u8(..8) == 0 {
            world.advance(Duration::from_millis(rng.u64(1..70_000)));
            continue;
        }
        let (key, request) = world.flying[rng.usize(..world.flying.len())].clone();
        let unanswered: Vec<_> = world.state.request(key).unwrap().calls.iter().map(|call| CallId(call.id)).collect();
        let Some(call) = unanswered.first().copied() else {
            world.end(key, Ok(()));
            continue;
        };
        let took = Duration::from_millis(rng.u64(..3_000));
        match rng.u8(..13) {
            0..=3 => world.done(key, call, took, 0.0),
            4 => world.started(key, call),
            5 => {
                world.done(key, call, took, 0.0);
                world.done(key, call, took, 0.0);
            }
            6 => world.event(key, Event::Returned { call }),
            7 => world.end(key, Err(InvokeError::new(RetryClass::Throttled, Ran::No, "429"))),
            8 => world.end(key, Err(InvokeError::new(RetryClass::Transient, Ran::Maybe, "503"))),
            9 => world.end(key, Err(InvokeError::new(RetryClass::WorkerLost, Ran::Yes, "killed"))),
            10 => world.end(key, Err(InvokeError::new(RetryClass::Unreachable, Ran::No, "no route"))),
            11 => world.fail(key, call, ErrorKind::Panic),
            _ => world.done(key, request.calls[request.calls.len() - 1].id, took, 0.0),
        }
    }
    (0..total).for_each(|key| assert!(world.result(key).is_some()));
    while let Some((key, _)) = world.flying.first().cloned() {
        world.end(key, Ok(()));
    }
    assert_eq!(
        (world.state.calls.len(), world.state.requests.len(), world.state.queued_bytes),
        (0, 0, 0),
        "seed {seed}"
    );
    assert_eq!(world.state.flying_bytes, 0, "seed {seed}");
}

#[test]
fn every_call_is_settled_exactly_once_whatever_the_provider_does() {
    (0..2_000).for_each(chaos);
}
