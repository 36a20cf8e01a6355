//! The dispatcher's state against a model, in virtual time: random providers, random faults, not one real sleep.
//!
//! Whatever happens, every call is settled exactly once, the window is never passed, and nothing stays behind.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::owner::{Owner, Settled, Submission};
use super::span::CallSpan;
use super::state::{Out, Policy, RequestKey, State};
use super::{MAX_FLYING_BYTES, MAX_FLYING_BYTES_SPILLED};
use crate::call::CallOptions;
use crate::cost::{Price, PriceTable, Quantity};
use crate::error::{Error, ErrorKind};
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

#[test]
fn a_call_that_never_starts_ends_by_its_deadline() {
    let mut world = World::new(Policy { concurrency: 1, deadline: Some(Duration::from_secs(5)), ..policy() }, 1);
    world.submit(&PLAIN, None);
    world.submit(&PLAIN, None);
    world.advance(Duration::from_millis(4_999));
    assert_eq!((world.result(0), world.result(1)), (None, None));
    world.advance(Duration::from_millis(1));
    assert_eq!(world.result(1), Some(Err(ErrorKind::Deadline)));
}

#[test]
fn waiting_for_admission_has_no_limit_by_default() {
    let mut world = World::new(Policy { concurrency: 1, timeout: Duration::from_hours(100), ..policy() }, 1);
    world.submit(&PLAIN, None);
    world.submit(&PLAIN, None);
    world.advance(Duration::from_hours(99));
    assert_eq!(world.result(1), None);
}

#[test]
fn an_attempt_ends_at_its_time_out_counted_from_its_start() {
    let mut world = World::new(Policy { timeout: Duration::from_secs(2), ..policy() }, 1);
    world.submit(&PLAIN, None);
    let (key, call) = world.only();
    world.advance(Duration::from_secs(9));
    world.started(key, call);
    world.advance(Duration::from_millis(2_999));
    assert_eq!(world.result(0), None);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.result(0), Some(Err(ErrorKind::Timeout)));
}

#[test]
fn a_transfer_to_the_store_is_no_part_of_the_attempt() {
    let hedging = Policy { timeout: Duration::from_secs(2), hedge: true, ..policy() };
    let mut world = World::new(hedging, 1);
    for _ in 0..10 {
        world.submit(&PLAIN, None);
        let (key, call) = world.only();
        world.done(key, call, Duration::from_millis(10), 0.0);
        world.end(key, Ok(()));
    }
    world.submit(&PLAIN, None);
    let (key, call) = world.only();
    world.change(|state, now, _| state.transferring(key, true, now));
    world.advance(Duration::from_secs(50));
    assert_eq!((world.result(10), world.flying.len()), (None, 1), "it was ended or hedged");
    world.change(|state, now, _| state.transferring(key, false, now));
    world.advance(Duration::from_millis(900));
    assert_eq!(world.flying.len(), 1, "it counts from when its arguments are there");
    assert!(world.state.waits_for(key, call));
    world.advance(Duration::from_secs(20));
    assert_ne!(world.result(10), None);
    assert!(!world.state.waits_for(key, call));
}

#[test]
fn a_request_that_is_answered_and_never_ends_gives_its_place_up() {
    let mut world = World::new(Policy { concurrency: 1, ..policy() }, 1);
    world.submit(&PLAIN, None);
    world.submit(&PLAIN, None);
    let (key, call) = world.only();
    world.advance(Duration::from_secs(30));
    world.done(key, call, Duration::from_millis(10), 0.0);
    world.advance(Duration::from_millis(999));
    assert_eq!(world.only().0, key, "its end may still come");
    world.advance(Duration::from_millis(1));
    let (next, call) = world.only();
    assert_ne!(next, key);
    world.done(next, call, Duration::from_millis(10), 0.0);
    world.end(next, Ok(()));
    assert!((0..2).all(|key| matches!(world.result(key), Some(Ok(_)))));
}

#[test]
fn large_arguments_fly_together_where_they_can_be_stored() {
    let large = Bytes::from(vec![0; 10 << 20]);
    for (max_flying_bytes, at_once) in [(MAX_FLYING_BYTES, 2), (MAX_FLYING_BYTES_SPILLED, 20)] {
        let mut world = World::new(Policy { max_flying_bytes, concurrency: 20, ..policy() }, 1);
        (0..30).for_each(|_| world.submit_args(&PLAIN, None, large.clone()));
        assert_eq!(world.flying.len(), at_once);
    }
}

#[test]
fn calls_behind_the_one_that_lost_its_worker_go_back_without_using_an_attempt() {
    let mut world = World::new(Policy { concurrency: 1, batch: Some(3), ..policy() }, 1);
    world.submit(&PLAIN, None);
    (0..3).for_each(|_| world.submit(&PLAIN, None));
    let (key, call) = world.only();
    world.done(key, call, Duration::ZERO, 0.0);
    world.end(key, Ok(()));
    let (key, request) = world.flying[0].clone();
    assert_eq!(request.calls.len(), 3);
    world.started(key, request.calls[0].id);
    world.end(key, Err(InvokeError::new(RetryClass::Crash, Ran::Yes, "segfault")));
    assert_eq!(world.result(1), Some(Err(ErrorKind::Crash)));
    let (_, again) = world.flying[0].clone();
    assert_eq!(again.calls.iter().map(|call| (call.id.0, call.attempt)).collect::<Vec<_>>(), [(3, 1), (4, 1)]);
}

#[test]
fn a_straggler_is_overtaken_once_and_the_loser_is_counted() {
    let hedging = Policy { hedge: true, cancel_kills: false, concurrency: 2, ..policy() };
    let mut world = World::new(hedging, 1);
    for _ in 0..10 {
        world.submit(&PLAIN, None);
        let (key, call) = world.only();
        world.done(key, call, Duration::from_millis(10), 0.0);
        world.end(key, Ok(()));
    }
    world.submit(&PLAIN, None);
    let (slow, call) = world.only();
    world.started(slow, call);
    world.advance(Duration::from_secs(1));
    assert_eq!(world.flying.len(), 1);
    world.advance(Duration::from_millis(200));
    assert_eq!(world.flying.len(), 2, "hedged above one second");
    world.advance(Duration::from_secs(20));
    assert_eq!(world.flying.len(), 2, "and only once");
    let (fast, request) = world.flying[1].clone();
    assert_eq!((request.calls[0].id, request.calls[0].attempt), (call, 2));
    world.done(fast, call, Duration::from_millis(10), 0.0);
    assert!(matches!(world.result(10), Some(Ok(_))));
    world.done(slow, call, Duration::from_secs(22), 0.0);
    let stats = world.state.stats(0);
    assert_eq!((stats.hedged, stats.duplicates, stats.completed), (1, 1, 11));
}

#[test]
fn a_generator_starts_again_only_before_its_first_item_and_no_item_comes_twice() {
    let mut world = World::new(Policy { hedge: true, ..policy() }, 1);
    let lost = || InvokeError::new(RetryClass::WorkerLost, Ran::Yes, "killed");
    let item = |call| Event::Item { call, seq: 0, body: Payload::Inline(Bytes::new()) };
    for _ in 0..10 {
        world.submit(&ITEMS, None);
        let (key, call) = world.only();
        world.done(key, call, Duration::from_millis(10), 0.0);
        world.end(key, Ok(()));
    }
    world.submit(&ITEMS, None);
    let (first, call) = world.only();
    world.end(first, Err(lost()));
    let (second, _) = world.only();
    assert_ne!(first, second);
    world.event(first, item(call));
    assert_eq!(world.items, 0, "from a request that is over");
    world.event(second, item(call));
    world.advance(Duration::from_secs(50));
    assert_eq!((world.items, world.flying.len()), (1, 1), "it is slow, and not hedged");
    world.end(second, Err(lost()));
    assert_eq!((world.result(10), world.flying.len()), (Some(Err(ErrorKind::WorkerLost)), 0));
}

#[test]
fn what_must_run_once_is_never_hedged_and_never_shares_a_request() {
    let mut world = World::new(Policy { hedge: true, batch: Some(10), concurrency: 2, ..policy() }, 1);
    (0..12).for_each(|_| world.submit(&ONCE, None));
    while let Some((key, request)) = world.flying.first().cloned().filter(|_| world.result(10).is_none()) {
        assert_eq!(request.calls.len(), 1);
        world.done(key, request.calls[0].id, Duration::ZERO, 0.0);
        world.end(key, Ok(()));
    }
    world.advance(Duration::from_secs(30));
    assert_eq!(world.sent.values().max(), Some(&1));
}

#[test]
fn throttling_uses_no_attempt_and_shrinks_the_window() {
    let mut world = World::new(Policy { retries: 0, timeout: Duration::from_hours(100), ..policy() }, 1);
    (0..8).for_each(|_| world.submit(&PLAIN, None));
    for _ in 0..30 {
        let (key, _) = world.flying[0].clone();
        world.end(key, Err(InvokeError::new(RetryClass::Throttled, Ran::No, "429")));
        world.advance(Duration::from_secs(40));
    }
    assert_eq!(world.state.window.size(), 1);
    while let Some((key, request)) = world.flying.first().cloned() {
        assert_eq!(request.calls[0].attempt, 1);
        world.done(key, request.calls[0].id, Duration::ZERO, 0.0);
        world.end(key, Ok(()));
        world.advance(Duration::from_secs(40));
    }
    assert!((0..8).all(|key| matches!(world.result(key), Some(Ok(_)))));
}

/// The service is out of reach until `back`; from then on it answers.
fn answer_from(world: &mut World, back: Instant) {
    while let Some((key, request)) = world.flying.first().cloned() {
        if world.now < back {
            world.end(key, Err(InvokeError::new(RetryClass::Unreachable, Ran::No, "no route")));
        } else {
            world.done(key, request.calls[0].id, Duration::ZERO, 0.0);
            world.end(key, Ok(()));
        }
    }
}

#[test]
fn an_outage_of_a_minute_uses_no_attempt_and_sends_little() {
    let mut world = World::new(Policy { retries: 0, ..policy() }, 1);
    let start = world.now;
    (0..8).for_each(|_| world.submit(&PLAIN, None));
    while !(0..8).all(|key| world.result(key).is_some()) {
        answer_from(&mut world, start + Duration::from_mins(1));
        world.advance(Duration::from_millis(10));
    }
    assert!(world.now - start < Duration::from_secs(66), "{:?}", world.now - start);
    assert!((0..8).all(|key| matches!(world.result(key), Some(Ok(_)))));
    // Rounds of four requests each; the calls behind the first four have not been touched before they could be sent.
    let sent: Vec<_> = (1..=8).map(|id| world.sent[&id]).collect();
    assert!(sent[..4].iter().all(|times| (10..40).contains(times)), "{sent:?}");
    assert_eq!(sent[4..], [1; 4]);
    assert_eq!((world.state.stats(0).throttled, world.state.stats(0).retried), (0, 0));
    assert_eq!(world.state.window.size(), 4);
}

#[test]
fn in_an_outage_that_does_not_end_calls_end_by_their_deadline() {
    let own = Policy { deadline: Some(Duration::from_secs(30)), ..policy() };
    let derived = Policy { timeout: Duration::from_secs(1), retries: 1, ..policy() };
    for (policy, seconds) in [(own, 30), (derived, 2 * (1 + 1 + 10) + 60)] {
        let mut world = World::new(policy, 1);
        let start = world.now;
        world.submit(&PLAIN, None);
        while world.result(0).is_none() {
            answer_from(&mut world, start + Duration::from_hours(1));
            world.advance(Duration::from_millis(100));
        }
        assert_eq!(world.result(0), Some(Err(ErrorKind::Deadline)));
        let took = world.now - start;
        assert!(took.abs_diff(Duration::from_secs(seconds)) < Duration::from_secs(1), "{took:?}");
    }
}

#[test]
fn a_call_that_waits_in_the_platforms_queue_is_neither_slow_nor_late() {
    let waits = Policy { queued: true, hedge: true, cancel_kills: false, concurrency: 2, ..policy() };
    let mut world = World::new(Policy { start_grace: Duration::from_mins(6), ..waits }, 1);
    for _ in 0..10 {
        world.submit(&PLAIN, None);
        let (key, call) = world.only();
        world.done(key, call, Duration::from_millis(10), 0.0);
        world.end(key, Ok(()));
    }
    world.submit(&PLAIN, None);
    let (key, call) = world.only();
    world.advance(Duration::from_mins(5));
    assert_eq!((world.flying.len(), world.result(10)), (1, None), "it may not have started");
    world.started(key, call);
    world.advance(Duration::from_secs(2));
    assert_eq!(world.flying.len(), 2, "from its start on it is as slow as any");
}

#[test]
fn the_budget_is_never_passed_and_ends_with_one_kind_of_error() {
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut prices = PriceTable::default();
        prices.prices.insert("usd".into(), Price { usd: 1.0, unit: "$".into(), source: "model".into() });
        let budget = Policy { budget_usd: Some(1.0), worst_case_usd: 0.05, prices, ..policy() };
        let mut world = World::new(budget, seed);
        (0..100).for_each(|_| world.submit(&PLAIN, None));
        let mut spent = 0.0;
        while let Some((key, request)) = world.flying.first().cloned() {
            let usd = 0.05 * rng.f64();
            spent += usd;
            world.done(key, request.calls[0].id, Duration::ZERO, usd);
            world.end(key, Ok(()));
        }
        assert!((0.8..=1.0).contains(&spent), "seed {seed}: {spent}");
        assert!((0..100).all(|key| matches!(world.result(key), Some(Ok(_) | Err(ErrorKind::Budget)))));
    }
}

#[test]
fn canceling_an_owner_forgets_its_calls_and_closing_settles_the_rest() {
    let mut world = World::new(policy(), 1);
    (0..10).for_each(|_| world.submit(&PLAIN, None));
    let owner = std::mem::take(&mut world.results);
    world.submit(&PLAIN, None);
    let gone = Arc::clone(&owner) as Arc<dyn Owner>;
    world.change(|state, now, out| state.cancel(&gone, now, out));
    assert!(owner.0.lock().unwrap().is_empty());
    assert_eq!(world.flying.len(), 1, "the other owner's call has started");
    world.change(|state, now, out| state.close(|| Error::new(ErrorKind::Canceled, "closed"), now, out));
    assert_eq!(world.result(10), Some(Err(ErrorKind::Canceled)));
    world.submit(&PLAIN, None);
    assert_eq!(world.result(11), Some(Err(ErrorKind::Canceled)));
    assert_eq!((world.state.calls.len(), world.state.queued_bytes), (0, 0));
}

#[test]
fn a_canceled_map_is_told_of_each_call_and_starts_no_more() {
    let mut world = World::new(policy(), 1);
    (0..10).for_each(|_| world.submit(&PLAIN, None));
    let owner = Arc::clone(&world.results) as Arc<dyn Owner>;
    assert_eq!(world.flying.len(), 4);
    world.change(|state, now, out| state.cancel_and_tell(&owner, now, out));
    assert!((0..10).all(|key| world.result(key) == Some(Err(ErrorKind::Canceled))));
    assert!(world.flying.is_empty(), "where workers can be told, they are");
    assert_eq!((world.sent.len(), world.state.calls.len(), world.state.queued_bytes), (4, 0, 0));
    assert_eq!(world.state.stats(0).abandoned, 0);
}

#[test]
fn what_can_not_be_canceled_keeps_its_place_until_it_ends_and_is_on_the_bill() {
    let mut prices = PriceTable::default();
    prices.prices.insert("usd".into(), Price { usd: 1.0, unit: "$".into(), source: "model".into() });
    let mut world = World::new(Policy { cancel_kills: false, concurrency: 2, prices, ..policy() }, 1);
    (0..5).for_each(|_| world.submit(&PLAIN, None));
    let [(first, request), (second, _)] = [world.flying[0].clone(), world.flying[1].clone()];
    world.started(first, request.calls[0].id);
    let owner = std::mem::take(&mut world.results);
    world.change(|state, now, out| state.cancel_and_tell(&(Arc::clone(&owner) as Arc<dyn Owner>), now, out));
    assert_eq!(owner.0.lock().unwrap().len(), 5);
    // Another map waits for the places.
    world.submit(&PLAIN, None);
    assert_eq!((world.flying.len(), world.state.stats(0).abandoned), (2, 2));
    // One answers, and has cost what it says; of the other nothing is heard, until its time is over.
    world.done(first, request.calls[0].id, Duration::from_secs(1), 0.25);
    world.end(first, Ok(()));
    assert_eq!((world.flying.len(), world.state.stats(0).abandoned), (2, 1));
    assert!((world.state.prices().total_usd(world.state.usage()) - 0.25).abs() < 1e-9);
    world.advance(Duration::from_mins(2));
    assert!(world.state.request(second).is_none());
    assert_eq!((world.state.stats(0).abandoned, owner.0.lock().unwrap().len()), (0, 5));
}

#[test]
fn a_generator_that_nobody_listens_to_is_ended_everywhere() {
    struct Listener(Arc<super::owner::Gate>);
    impl Owner for Listener {
        fn settle(&self, _: Vec<Settled>) {}
        fn gate(&self) -> Option<Arc<super::owner::Gate>> {
            Some(Arc::clone(&self.0))
        }
    }
    let mut world = World::new(Policy { cancel_kills: false, ..policy() }, 1);
    let owner: Arc<dyn Owner> = Arc::new(Listener(Arc::default()));
    let mine = Arc::clone(&owner);
    world.change(|state, now, out| {
        let (args, span) = (Bytes::new(), CallSpan::default());
        state.submit(
            Submission { entry: &ITEMS, args, options: None, owner: mine, key: 0, index: None, span },
            now,
            out,
        );
    });
    assert_eq!(world.flying.len(), 1);
    world.change(|state, now, out| state.cancel(&owner, now, out));
    assert!(world.flying.is_empty());
}
