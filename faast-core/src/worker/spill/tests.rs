//! The worker's side of spilling, with a store and a transport that do as they are told.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use futures_util::FutureExt as _;

use super::*;
use crate::cost::Quantity;
use crate::provider::Metering;

const LIMIT: usize = 100;

#[derive(Default)]
struct Shelf {
    blobs: Mutex<HashMap<BlobKey, Bytes>>,
    refuses: bool,
    requests: Mutex<f64>,
}

#[async_trait]
impl BlobStore for Shelf {
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<()> {
        // As a client of a network does: it has to be woken.
        tokio::task::yield_now().await;
        if self.refuses {
            return Err(Error::new(ErrorKind::Denied, "no permission to write").with_hint("allow writing"));
        }
        *self.requests.lock().unwrap() += 1.0;
        self.blobs.lock().unwrap().insert(key.clone(), bytes);
        Ok(())
    }

    async fn get(&self, blob: &BlobRef) -> Result<Bytes> {
        let found = self.blobs.lock().unwrap().get(&blob.key).cloned();
        found.ok_or_else(|| Error::new(ErrorKind::Unavailable, "the download broke off"))
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.blobs.lock().unwrap().remove(key);
        Ok(())
    }

    fn used(&self) -> Vec<Quantity> {
        let amount = std::mem::take(&mut *self.requests.lock().unwrap());
        vec![Quantity { metric: "writes".into(), amount, measured: true }]
    }
}

/// Takes payloads up to a limit; after so many events nobody listens.
struct Line {
    sent: Mutex<Vec<Event>>,
    open: bool,
}

impl EventSink for Line {
    fn send(&self, event: &mut Event, _: usize) -> Result<(), SendError> {
        let size = match event {
            Event::Done { outcome: Outcome::Ok(payload), .. } | Event::Item { body: payload, .. } => {
                payload.inline_len()
            }
            _ => 0,
        };
        if size > LIMIT {
            return Err(SendError::TooLarge { size: size as u64, limit: LIMIT as u64 });
        }
        if !self.open {
            return Err(SendError::Closed);
        }
        self.sent.lock().unwrap().push(event.clone());
        Ok(())
    }

    fn flush(&self) -> Result<(), SendError> {
        Ok(())
    }

    fn terminate(&self) {}
}

fn line(open: bool) -> Line {
    Line { sent: Mutex::default(), open }
}

fn on(shelf: Shelf) -> (Arc<Shelf>, Spill) {
    let shelf = Arc::new(shelf);
    let spill = Spill::new(Some(Arc::clone(&shelf) as _), Arc::default());
    (shelf, spill)
}

fn done(size: usize) -> Event {
    let outcome = Outcome::Ok(Payload::Inline(vec![7; size].into()));
    Event::Done { call: CallId(1), outcome, metering: Metering::default() }
}

fn failure_in(event: &Event) -> &Failure {
    match event {
        Event::Done { outcome: Outcome::Err(failure), .. } => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_results_of_one_call_lie_side_by_side() {
    let ((shelf, spill), line) = (on(Shelf::default()), line(true));
    for size in [101, 102] {
        spill.deliver(&line, done(size), 0).unwrap();
    }
    assert_eq!(shelf.blobs.lock().unwrap().len(), 2);
    for event in line.sent.lock().unwrap().iter() {
        let blob = event.blob().unwrap().clone();
        blob.verify(&spill.arguments(&Payload::Blob(Box::new(blob.clone()))).unwrap()).unwrap();
    }
}

#[test]
fn what_the_store_took_is_on_the_bill_of_the_call() {
    let ((_, spill), line) = (on(Shelf::default()), line(true));
    spill.deliver(&line, done(101), 0).unwrap();
    let sent = line.sent.lock().unwrap();
    let Event::Done { metering, .. } = &sent[0] else { panic!("{sent:?}") };
    assert!((metering.quantities.iter().map(|used| used.amount).sum::<f64>() - 1.0).abs() < 1e-9);
}

#[test]
fn a_refusal_of_the_store_has_both_sizes_the_reason_and_what_to_do() {
    let ((_, spill), line) = (on(Shelf { refuses: true, ..Shelf::default() }), line(true));
    spill.deliver(&line, done(101), 0).unwrap();
    let sent = line.sent.lock().unwrap();
    let error = Error::from_failure(failure_in(&sent[0]).clone());
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(
        error.message(),
        "the result has 101 bytes, the transport carries 100, and it can't be stored: no permission to write"
    );
    assert_eq!(error.hint(), Some("allow writing"));
}

#[test]
fn an_item_that_the_store_refuses_says_why() {
    let ((_, spill), line) = (on(Shelf { refuses: true, ..Shelf::default() }), line(true));
    let item = Event::Item { call: CallId(1), seq: 0, body: Payload::Inline(vec![7; 101].into()) };
    match spill.deliver(&line, item, 0) {
        Err(Undelivered::Refused(failure)) => {
            assert!(failure.message.ends_with("no permission to write"), "{failure:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_store_a_large_result_is_a_typed_failure() {
    let (spill, line) = (Spill::new(None, Arc::default()), line(true));
    spill.deliver(&line, done(101), 0).unwrap();
    let sent = line.sent.lock().unwrap();
    assert_eq!(failure_in(&sent[0]).kind, ErrorKind::TooLarge);
}

#[test]
fn what_nobody_is_told_of_does_not_stay() {
    let ((shelf, spill), line) = (on(Shelf::default()), line(false));
    assert!(matches!(spill.deliver(&line, done(101), 0), Err(Undelivered::Closed)));
    assert!(shelf.blobs.lock().unwrap().is_empty());
}

#[test]
fn an_async_generator_that_never_waits_can_spill() {
    let ((_, spill), line) = (on(Shelf::default()), line(true));
    let runtime = Arc::clone(&spill.runtime);
    runtime.get().unwrap().block_on(async {
        // Whatever else the task has done: its budget is used up, and comes back only after this poll.
        while tokio::task::coop::has_budget_remaining() {
            let _ = tokio::task::coop::consume_budget().now_or_never();
        }
        spill.deliver(&line, done(101), 0).unwrap();
    });
    assert_eq!(line.sent.lock().unwrap().len(), 1);
}

#[test]
fn arguments_that_can_not_be_read_are_a_failure_that_passes() {
    let (_, spill) = on(Shelf::default());
    let lost = Payload::Blob(Box::new(BlobRef::new(BlobKey("lost".into()), &[7; 2000])));
    let failure = spill.arguments(&lost).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unavailable);
    assert!(failure.message.contains("2000 bytes"), "{failure:?}");
}
