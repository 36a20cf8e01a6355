//! Spans for `tracing`: one for each call, and in it one for each attempt, with their ids and what became of them.
//!
//! The program's subscriber is foreign code, so that spans are made, changed and dropped where no lock is held: a call's by
//! whoever submits it, and with its result on the way to the owner; an attempt's by whoever polls its request. Without a
//! subscriber that wants them nothing is made at all.

use std::sync::Arc;

use tracing::Span;
use tracing::field::Empty;

use crate::call::CallOptions;
use crate::function::FunctionEntry;
use crate::provider::{CallFrame, CallId, Event, InvokeError, Outcome};

/// The span of a call, if there is one. Cheap to clone, also under a lock.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallSpan(Option<Arc<Span>>);

impl CallSpan {
    /// A span within the caller's current one.
    pub(crate) fn new(entry: &FunctionEntry, index: Option<u64>, options: Option<&CallOptions>) -> Self {
        let span = tracing::info_span!(
            target: "faast",
            "call",
            function = entry.name,
            index,
            label = options.and_then(|options| options.label.as_deref()),
            call = Empty,
            outcome = Empty,
        );
        Self((!span.is_disabled()).then(|| Arc::new(span)))
    }

    pub(super) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// The call has ended; no lock may be held.
    pub(super) fn ended(self, error: Option<&crate::Error>) {
        if let Some(span) = &self.0 {
            match error {
                None => span.record("outcome", "value"),
                Some(error) => span.record("outcome", tracing::field::display(error.kind())),
            };
        }
    }
}

/// The spans of a request's attempts that run.
#[derive(Debug, Default)]
pub(super) struct Attempts(Vec<(CallId, Span)>);

impl Attempts {
    /// The request is sent now; no lock may be held.
    pub(super) fn sent(calls: &[CallFrame], spans: &[CallSpan], hedge: bool) -> Self {
        let both = calls.iter().zip(spans).filter_map(|(call, span)| Some((call, span.0.as_ref()?)));
        let attempts = both.map(|(call, span)| {
            span.record("call", call.id.0);
            let attempt = tracing::info_span!(
                target: "faast",
                parent: &**span,
                "attempt",
                call = call.id.0,
                attempt = call.attempt,
                hedge,
                instance = Empty,
                execution = Empty,
                outcome = Empty,
            );
            (call.id, attempt)
        });
        Self(attempts.collect())
    }

    /// A worker said something.
    pub(super) fn event(&mut self, event: &Event) {
        let Some(at) = self.0.iter().position(|(call, _)| *call == event.call()) else { return };
        match event {
            Event::Started { instance, execution, .. } => {
                // One worker runs them all.
                for (_, span) in &self.0 {
                    span.record("instance", tracing::field::display(instance));
                    if let Some(execution) = execution {
                        span.record("execution", tracing::field::display(execution));
                    }
                }
            }
            Event::Done { outcome, .. } => {
                let (_, span) = self.0.swap_remove(at);
                match outcome {
                    Outcome::Ok(_) => span.record("outcome", "value"),
                    Outcome::Err(failure) => span.record("outcome", tracing::field::display(failure.kind)),
                };
            }
            Event::Returned { .. } => {
                self.0.swap_remove(at).1.record("outcome", "given back");
            }
            Event::Item { .. } => {}
        }
    }

    /// The request failed for all that had no answer.
    pub(super) fn failed(&mut self, error: &InvokeError) {
        for (_, span) in self.0.drain(..) {
            span.record("outcome", tracing::field::display(error.kind));
        }
    }
}
