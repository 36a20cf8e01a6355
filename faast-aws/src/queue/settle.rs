//! What a record comes to: the events of its request, or its failure, with the bill.
//!
//! The platform sends no report with a record, so that durations are the worker's own, and estimates; for a worker that
//! could not say anything it is the time that its request took.

use std::time::Duration;

use faast_core::cost::Quantity;
use faast_core::provider::{CallId, Event, InvokeError, Metering};

use super::record::{Record, answers, units};
use crate::classify::invoke as classify;
use crate::cost::{Meter, QUEUE};

/// Bills records of one function.
#[derive(Debug)]
pub(super) struct Settler {
    pub(super) meter: Meter,
    /// No execution takes longer.
    pub(super) longest: Duration,
}

impl Settler {
    /// The events of the record that came for a call, `waited` after it was sent.
    #[expect(clippy::result_large_err, reason = "the error of the contract, made once for a failed request")]
    pub(super) fn settle(&self, record: &Record, call: CallId, waited: Duration) -> Result<Vec<Event>, InvokeError> {
        let events = self.billed(record, waited)?;
        if answers(&events, call) {
            return Ok(events);
        }
        Err(self.failed(record, waited, classify::unanswered()))
    }

    /// Adds what is known of an execution to its failure.
    fn failed(&self, record: &Record, waited: Duration, error: InvokeError) -> InvokeError {
        let took = waited.min(self.longest);
        let mut metering =
            if record.never_ran() { Metering::default() } else { self.meter.of_failure(None, took, record.bytes()) };
        metering.quantities.push(sending(record));
        let error = error.metering(metering);
        match record.execution() {
            Some(execution) => error.execution(execution),
            None => error,
        }
    }

    /// What a record cost that came for nobody. One that was delivered before ran only once.
    pub(super) fn cost(&self, record: &Record) -> Metering {
        if record.is_again() {
            return Metering::default();
        }
        match self.billed(record, self.longest) {
            Ok(events) => {
                let done = |event| if let Event::Done { metering, .. } = event { Some(metering) } else { None };
                events.into_iter().find_map(done).unwrap_or_default()
            }
            Err(error) => error.metering,
        }
    }

    #[expect(clippy::result_large_err, reason = "the error of the contract, made once for a failed request")]
    fn billed(&self, record: &Record, waited: Duration) -> Result<Vec<Event>, InvokeError> {
        let mut events = record.events().map_err(|error| self.failed(record, waited, error))?;
        for event in &mut events {
            if let Event::Done { metering, .. } = event {
                self.meter.bill(metering, None, record.bytes());
                metering.quantities.push(sending(record));
            }
        }
        Ok(events)
    }
}

/// That Lambda wrote the record into the queue.
fn sending(record: &Record) -> Quantity {
    Quantity { metric: QUEUE.into(), amount: units(record.bytes()) as f64, measured: true }
}
