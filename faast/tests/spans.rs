//! Spans: whatever subscriber a program has sees each call and each attempt, with ids and outcome.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use faast::prelude::*;
use tracing::Instrument as _;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

faast::test_worker!();

/// Fails at its first attempt, or always.
#[faast::function]
fn moody(good_from: u32) -> Result<u32, String> {
    let attempt = faast::context().attempt();
    if attempt < good_from { Err("not now".into()) } else { Ok(attempt) }
}

/// One span, as a subscriber saw it.
#[derive(Debug, Clone, Default)]
struct Seen {
    name: &'static str,
    parent: Option<u64>,
    fields: BTreeMap<&'static str, String>,
    closed: bool,
}

#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<HashMap<u64, Seen>>>);

struct Fields<'f>(&'f mut BTreeMap<&'static str, String>);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: tracing::Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Spans {
    fn on_new_span(&self, new: &tracing::span::Attributes<'_>, id: &tracing::Id, context: Context<'_, S>) {
        let parent = context.span(id).and_then(|span| span.parent()).map(|parent| parent.id().into_u64());
        let mut seen = Seen { name: new.metadata().name(), parent, ..Seen::default() };
        new.record(&mut Fields(&mut seen.fields));
        self.0.lock().unwrap().insert(id.into_u64(), seen);
    }

    fn on_record(&self, id: &tracing::Id, values: &tracing::span::Record<'_>, _: Context<'_, S>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap().get_mut(&id.into_u64()).unwrap().fields));
    }

    fn on_close(&self, id: tracing::Id, _: Context<'_, S>) {
        self.0.lock().unwrap().get_mut(&id.into_u64()).unwrap().closed = true;
    }
}

impl Spans {
    /// Calls in the order of their ids, each with its attempts in theirs.
    fn calls(&self) -> Vec<(Seen, Vec<Seen>)> {
        let spans = self.0.lock().unwrap();
        let attempts = |id: u64| {
            let mut attempts: Vec<_> = spans.values().filter(|span| span.parent == Some(id)).cloned().collect();
            attempts.sort_by_key(|attempt| attempt.fields["attempt"].clone());
            attempts
        };
        let calls = spans.iter().filter(|(_, span)| span.name == "call");
        let mut calls: Vec<_> = calls.map(|(id, span)| (span.clone(), attempts(*id))).collect();
        calls.sort_by_key(|(call, _)| call.fields["call"].parse::<u64>().unwrap());
        calls
    }
}

#[tokio::test]
async fn each_call_and_each_attempt_has_a_span_with_its_ids_and_its_end() {
    let spans = Spans::default();
    // For all threads: attempts are seen where they are driven. This file has no other test that looks.
    tracing::subscriber::set_global_default(Registry::default().with(spans.clone())).unwrap();
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    let calls = [1, 2, 9].map(|good_from| moody::call(good_from).retry_if(|_| true).label(format!("from {good_from}")));
    let mut map = cloud.map(calls);
    let job = async { while map.next().await.is_some() {} };
    job.instrument(tracing::info_span!("job")).await;
    drop(map);
    cloud.cleanup().await.unwrap();

    let seen = spans.calls();
    let job = spans.0.lock().unwrap().iter().find(|(_, span)| span.name == "job").map(|(id, _)| *id);
    assert!(job.is_some() && seen.iter().all(|(call, _)| call.parent == job), "{seen:?}");
    let outcomes = |attempts: &[Seen]| attempts.iter().map(|it| it.fields["outcome"].clone()).collect::<Vec<_>>();
    assert_eq!(seen.len(), 3);
    for ((call, attempts), (label, outcome, ends)) in seen.iter().zip([
        ("from 1", "value", vec!["value"]),
        ("from 2", "value", vec!["user error", "value"]),
        ("from 9", "user error", vec!["user error"; 3]),
    ]) {
        assert_eq!((call.fields["label"].as_str(), call.fields["outcome"].as_str()), (label, outcome));
        assert_eq!(
            (call.fields["function"].as_str(), outcomes(attempts)),
            ("spans::moody", ends.iter().map(ToString::to_string).collect())
        );
        assert!(call.closed && attempts.iter().all(|attempt| attempt.closed), "{call:?} {attempts:?}");
        for (number, attempt) in (1..).zip(attempts) {
            assert_eq!(
                (&attempt.fields["call"], &attempt.fields["attempt"]),
                (&call.fields["call"], &number.to_string())
            );
            assert!(attempt.fields["instance"].starts_with("worker-"), "{attempt:?}");
        }
    }
}
