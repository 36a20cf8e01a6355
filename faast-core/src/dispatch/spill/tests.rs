//! The client's side of spilling, with a store and a provider that do as they are told.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::*;
use crate::cost::{Quantity, Usage};
use crate::error::Result;
use crate::provider::{CallFrame, CleanupReport, DeploymentId, ExecutionId, FunctionId, Limits, Metering, RetryClass};

const LIMIT: u64 = 1000;

#[derive(Default)]
struct Shelf {
    blobs: Mutex<HashMap<BlobKey, Bytes>>,
    puts: Mutex<Vec<BlobKey>>,
    gets: Mutex<Vec<BlobKey>>,
    refuses: bool,
}

impl Shelf {
    fn len(&self) -> usize {
        self.blobs.lock().unwrap().len()
    }

    fn add(&self, key: &str, bytes: &'static [u8]) -> Payload {
        let blob = BlobRef::new(BlobKey(key.into()), bytes);
        self.blobs.lock().unwrap().insert(blob.key.clone(), Bytes::from_static(bytes));
        Payload::Blob(Box::new(blob))
    }

    async fn until_it_has(&self, blobs: usize) {
        while self.len() != blobs {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl BlobStore for Shelf {
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<()> {
        if self.refuses {
            return Err(Error::new(ErrorKind::Denied, "no permission to write").with_hint("allow writing"));
        }
        self.puts.lock().unwrap().push(key.clone());
        self.blobs.lock().unwrap().insert(key.clone(), bytes);
        Ok(())
    }

    async fn get(&self, blob: &BlobRef) -> Result<Bytes> {
        self.gets.lock().unwrap().push(blob.key.clone());
        let found = self.blobs.lock().unwrap().get(&blob.key).cloned();
        found.ok_or_else(|| Error::new(ErrorKind::Io, "there is no such blob"))
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.blobs.lock().unwrap().remove(key);
        Ok(())
    }
}

type Answer = Box<dyn Fn(Request) -> BoxStream<'static, Result<Event, InvokeError>> + Send + Sync>;

/// Answers as it is told, and keeps what it was sent.
struct Told {
    answer: Answer,
    sent: Mutex<Vec<Request>>,
}

#[async_trait]
impl CloudFunction for Told {
    fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        self.sent.lock().unwrap().push(request.clone());
        (self.answer)(request)
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn renew(&self, _: SystemTime) -> Result<()> {
        Ok(())
    }

    fn log_url(&self, _: Option<&ExecutionId>) -> String {
        String::new()
    }

    async fn usage(&self) -> Usage {
        Usage::default()
    }

    async fn cleanup(&self) -> CleanupReport {
        CleanupReport::default()
    }
}

/// Waits for the calls that it is told; counts transfers up and down.
#[derive(Clone, Default)]
struct Desk {
    given_up: Vec<u64>,
    transfers: Arc<Mutex<Vec<bool>>>,
}

impl Books for Desk {
    fn transferring(&self, busy: bool) {
        self.transfers.lock().unwrap().push(busy);
    }

    fn waits_for(&self, call: CallId) -> bool {
        !self.given_up.contains(&call.0)
    }
}

struct Scene {
    shelf: Arc<Shelf>,
    spill: Arc<Spill>,
    told: Arc<Told>,
    function: Arc<dyn CloudFunction>,
    desk: Desk,
}

impl Scene {
    fn new(answer: impl Fn(Request) -> Vec<Event> + Send + Sync + 'static) -> Self {
        Self::on(Shelf::default(), Box::new(move |request| stream::iter(answer(request)).map(Ok).boxed()))
    }

    fn on(shelf: Shelf, answer: Answer) -> Self {
        let shelf = Arc::new(shelf);
        let store = Arc::clone(&shelf) as Arc<dyn BlobStore>;
        let spill = Arc::new(Spill { store, limit: LIMIT, runtime: Runtime::start().unwrap() });
        let told = Arc::new(Told { answer, sent: Mutex::default() });
        let function = Arc::clone(&told) as Arc<dyn CloudFunction>;
        Self { shelf, spill, told, function, desk: Desk::default() }
    }

    fn invoke(&self, sizes: &[usize]) -> BoxStream<'static, Result<Event, InvokeError>> {
        invoke(&self.spill, &self.function, self.desk.clone(), request(sizes))
    }

    async fn run(&self, sizes: &[usize]) -> Vec<Result<Event, InvokeError>> {
        self.invoke(sizes).collect().await
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.spill.runtime.stop();
    }
}

/// A request of calls with so many bytes of arguments each; all are of the first attempt.
fn request(sizes: &[usize]) -> Request {
    let frame = |(at, size): (usize, &usize)| CallFrame {
        id: CallId(at as u64 + 1),
        attempt: 1,
        function: FunctionId { name: Cow::Borrowed("spill::tests"), signature: 7 },
        timeout: Duration::from_secs(1),
        args: Payload::Inline(vec![7; *size].into()),
        trace: None,
    };
    let calls = sizes.iter().enumerate().map(frame).collect();
    Request { deployment: DeploymentId::random(), build: u64::MAX, calls }
}

fn done(call: u64, outcome: Outcome) -> Event {
    let quantities = vec![Quantity { metric: "requests".into(), amount: 1.0, measured: true }];
    Event::Done { call: CallId(call), outcome, metering: Metering { quantities, ..Metering::default() } }
}

fn nothing(call: u64) -> Event {
    done(call, Outcome::Ok(Payload::Inline(Bytes::new())))
}

fn encoded(request: &Request) -> u64 {
    let mut bytes = Vec::new();
    frame::encode_request(request, &mut bytes);
    bytes.len() as u64
}

#[tokio::test]
async fn what_is_sent_fits_whatever_its_arguments_have() {
    let scene = Scene::new(|request| request.calls.iter().map(|call| nothing(call.id.0)).collect());
    let limit = usize::try_from(LIMIT).unwrap();
    for size in (limit - 300..limit + 300).step_by(7) {
        scene.run(&[size]).await;
    }
    scene.run(&[200, 300, 400, 500]).await;
    let sent = scene.told.sent.lock().unwrap();
    assert!(sent.iter().all(|request| encoded(request) <= LIMIT), "{:?}", sent.iter().map(encoded).collect::<Vec<_>>());
    let inline = sent.iter().filter(|request| matches!(request.calls[0].args, Payload::Inline(_))).count();
    assert!(inline > 10, "only {inline} were sent as they are");
}

#[tokio::test]
async fn the_largest_arguments_are_stored_and_no_more_than_needed() {
    let scene = Scene::new(|request| request.calls.iter().map(|call| nothing(call.id.0)).collect());
    scene.run(&[100, 900, 100]).await;
    let sent = scene.told.sent.lock().unwrap();
    let stored: Vec<_> = sent[0].calls.iter().map(|call| matches!(call.args, Payload::Blob(_))).collect();
    assert_eq!(stored, [false, true, false]);
    assert_eq!(*scene.desk.transfers.lock().unwrap(), [true, false]);
}

#[tokio::test]
async fn the_same_attempt_of_a_call_that_is_sent_twice_keeps_its_arguments() {
    // Returned by a worker, or throttled: it goes once more under the same number.
    let scene = Scene::new(|request| request.calls.iter().map(|call| nothing(call.id.0)).collect());
    let mut first = scene.invoke(&[2000]);
    assert!(first.next().await.is_some());
    let mut second = scene.invoke(&[2000]);
    assert!(second.next().await.is_some());
    drop(first);
    scene.shelf.until_it_has(1).await;
    let puts = scene.shelf.puts.lock().unwrap().clone();
    assert_ne!(puts[0], puts[1]);
    assert!(scene.shelf.blobs.lock().unwrap().contains_key(&puts[1]), "the end of the first took those of the second");
    drop(second);
    scene.shelf.until_it_has(0).await;
}

#[tokio::test]
async fn arguments_are_deleted_however_their_request_ends() {
    let gone = |_| stream::iter([Err(InvokeError::new(RetryClass::WorkerLost, Ran::Yes, "gone"))]).boxed();
    let failing = Scene::on(Shelf::default(), Box::new(gone));
    assert!(failing.run(&[2000]).await[0].is_err());
    failing.shelf.until_it_has(0).await;

    let endless = Scene::on(Shelf::default(), Box::new(|_| stream::pending().boxed()));
    let mut dropped = endless.invoke(&[2000]);
    assert!(futures_util::poll!(dropped.next()).is_pending());
    endless.shelf.until_it_has(1).await;
    drop(dropped);
    endless.shelf.until_it_has(0).await;
}

#[tokio::test]
async fn a_result_that_can_not_be_read_fails_its_own_call_and_is_billed() {
    let lost = || Payload::Blob(Box::new(BlobRef::new(BlobKey("lost".into()), b"result")));
    let scene = Scene::new(move |_| vec![done(1, Outcome::Ok(lost())), nothing(2)]);
    let events = scene.run(&[1, 1]).await;
    let Ok(Event::Done { outcome: Outcome::Err(failure), metering, .. }) = &events[0] else { panic!("{events:?}") };
    assert_eq!(failure.kind, ErrorKind::Io);
    assert!(failure.message.contains("(6 bytes)"), "{failure:?}");
    assert_eq!(metering.quantities.len(), 1);
    assert!(matches!(&events[1], Ok(Event::Done { outcome: Outcome::Ok(_), .. })), "{events:?}");
}

#[tokio::test]
async fn another_object_in_the_place_of_a_result_is_noticed_and_not_tried_again() {
    let scene = Scene::new(move |_| {
        vec![done(1, Outcome::Ok(Payload::Blob(Box::new(BlobRef::new(BlobKey("result".into()), b"right")))))]
    });
    scene.shelf.add("result", b"wrong");
    let events = scene.run(&[1]).await;
    let Ok(Event::Done { outcome: Outcome::Err(failure), .. }) = &events[0] else { panic!("{events:?}") };
    assert_eq!((failure.kind, failure.kind.retry_class()), (ErrorKind::Decode, RetryClass::Permanent));
    scene.shelf.until_it_has(0).await;
}

#[tokio::test]
async fn a_result_is_deleted_when_it_has_been_read() {
    let payload = Payload::Blob(Box::new(BlobRef::new(BlobKey("result".into()), b"right")));
    let scene = Scene::new(move |_| vec![done(1, Outcome::Ok(payload.clone()))]);
    scene.shelf.add("result", b"right");
    let events = scene.run(&[1]).await;
    let Ok(Event::Done { outcome: Outcome::Ok(Payload::Inline(bytes)), .. }) = &events[0] else { panic!("{events:?}") };
    assert_eq!(&bytes[..], b"right");
    scene.shelf.until_it_has(0).await;
}

#[tokio::test]
async fn a_result_that_nobody_waits_for_is_deleted_unread() {
    let payload = Payload::Blob(Box::new(BlobRef::new(BlobKey("result".into()), b"late")));
    let mut scene = Scene::new(move |_| vec![done(1, Outcome::Ok(payload.clone()))]);
    scene.desk.given_up = vec![1];
    scene.shelf.add("result", b"late");
    let events = scene.run(&[1]).await;
    assert!(matches!(&events[0], Ok(Event::Done { metering, .. }) if metering.quantities.len() == 1), "{events:?}");
    scene.shelf.until_it_has(0).await;
    assert!(scene.shelf.gets.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_item_that_is_lost_ends_its_generator() {
    let payload = Payload::Blob(Box::new(BlobRef::new(BlobKey("lost".into()), b"item")));
    let scene = Scene::new(move |_| vec![Event::Item { call: CallId(1), seq: 0, body: payload.clone() }]);
    let events = scene.run(&[1]).await;
    assert!(matches!(&events[0], Err(error) if error.ran == Ran::Yes), "{events:?}");
}

#[tokio::test]
async fn a_store_that_refuses_is_an_error_with_both_sizes_and_what_to_do() {
    let shelf = Shelf { refuses: true, ..Shelf::default() };
    let scene = Scene::on(shelf, Box::new(|_| stream::empty().boxed()));
    let events = scene.run(&[2000]).await;
    let Err(error) = &events[0] else { panic!("{events:?}") };
    assert_eq!((error.kind, error.class, error.ran), (ErrorKind::Denied, RetryClass::Permanent, Ran::No));
    assert_eq!(
        error.message,
        "the arguments have 2000 bytes, the transport carries 1000, and they can't be stored: no permission to write"
    );
    assert_eq!(error.hint.as_deref(), Some("allow writing"));
    assert!(scene.told.sent.lock().unwrap().is_empty());
}
