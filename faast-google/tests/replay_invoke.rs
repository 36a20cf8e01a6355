//! Every way an invocation can fail, replayed over HTTP: what core is told, and what a user reads. The answers are written
//! as Cloud Run and its workers write them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use faast_core::ErrorKind;
use faast_core::provider::{
    CallId, Event, InstanceId, InvokeError, Metering, Outcome, Payload, Ran, Request, RetryClass, Runtime,
};
use faast_core::wire::sealed;
use faast_google::private::{Invoker, Plan};
use faast_testkit::frame::{self, unknown as request};
use futures_util::StreamExt as _;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn invoker(uri: &str) -> Invoker {
    invoker_of(uri, 4)
}

/// With so many requests at once.
fn invoker_of(uri: &str, concurrency: usize) -> Invoker {
    let runtime = Runtime::start().unwrap();
    let plan = Plan { concurrency, timeout: Duration::from_mins(1), memory_mb: 512, cpu: 1.0, runtime };
    Invoker::with_secret(plan, uri, "s3cret").unwrap()
}

/// What comes of a request, to a server that always gives this answer.
async fn items(answer: ResponseTemplate, request: Request) -> Vec<Result<Event, InvokeError>> {
    let server = MockServer::builder().start().await;
    Mock::given(method("POST"))
        .and(path("/call"))
        .and(header("x-faast-secret", "s3cret"))
        .and(header("content-type", "application/octet-stream"))
        .respond_with(answer)
        .expect(1)
        .mount(&server)
        .await;
    invoker(&server.uri()).invoke(request).collect().await
}

/// The one thing that comes, which is an error.
async fn error(answer: ResponseTemplate) -> InvokeError {
    let mut items = items(answer, request(1)).await;
    let error = items.pop().unwrap().unwrap_err();
    assert!(items.is_empty(), "{items:?}");
    error
}

fn started(id: u64) -> Event {
    Event::Started { call: CallId(id), instance: InstanceId("instance".into()), execution: None }
}

fn done(id: u64, value: &'static [u8]) -> Event {
    let outcome = Outcome::Ok(Payload::Inline(Bytes::from_static(value)));
    let metering = Metering { billed: Some(Duration::from_millis(30)), ..Metering::default() };
    Event::Done { call: CallId(id), outcome, metering }
}

/// The body of an answer with these events.
fn body(events: &[Event]) -> Vec<u8> {
    let mut body = Vec::new();
    for event in events {
        let sealed = sealed::seal(frame::events(std::slice::from_ref(event))).unwrap();
        body.extend_from_slice(&sealed::length_of(&sealed).unwrap());
        body.extend_from_slice(&sealed);
    }
    body
}

fn answer(events: &[Event]) -> ResponseTemplate {
    ResponseTemplate::new(200).insert_header("faast", "1").set_body_bytes(body(events))
}

fn amount(metering: &Metering, metric: &str) -> f64 {
    metering.quantities.iter().filter(|it| it.metric == metric).map(|it| it.amount).sum()
}

/// A server that takes one request, gives these bytes for it, and ends the connection, in an orderly way or by a reset.
async fn cut(bytes: Vec<u8>, reset: bool, calls: u64) -> Vec<Result<Event, InvokeError>> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
        // The request is in one piece: a head, an empty line, a few bytes.
        while !seen.windows(4).any(|it| it == b"\r\n\r\n") {
            let read = stream.read(&mut piece).unwrap();
            seen.extend_from_slice(&piece[..read]);
        }
        stream.write_all(&bytes).unwrap();
        if reset {
            // Let what was written arrive, which a reset would overtake.
            std::thread::sleep(Duration::from_millis(100));
            rustix::net::sockopt::set_socket_linger(stream.as_fd(), Some(Duration::ZERO)).unwrap();
        } else {
            // Unread bytes would make it a reset.
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            while stream.read(&mut piece).is_ok_and(|read| read > 0) {}
        }
    });
    invoker(&uri).invoke(request(calls)).collect().await
}

fn chunked(events: &[Event]) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nfaast: 1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let body = body(events);
    // Cut where no event ends.
    for piece in body.chunks(7) {
        bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Status, text, and what core is told: class, kind, whether it ran, and words that a user reads.
type Refused = (u16, &'static str, RetryClass, ErrorKind, Ran, &'static str);

const SERVER_ERROR: &str = "<html><head><title>500 Server Error</title></head><body><h1>Error: Server Error</h1><h2>The \
                            server encountered an error and could not complete your request.<p>Please try again in 30 \
                            seconds.</h2></body></html>";

const REFUSALS: &[Refused] = &[
    (429, "Rate exceeded.", RetryClass::Throttled, ErrorKind::Throttled, Ran::No, "Rate exceeded"),
    (
        429,
        "The request was aborted because there was no available instance.",
        RetryClass::Throttled,
        ErrorKind::Throttled,
        Ran::No,
        "no instance",
    ),
    (
        500,
        "The request was aborted because there was no available instance.",
        RetryClass::Throttled,
        ErrorKind::Throttled,
        Ran::No,
        "no available instance",
    ),
    (500, SERVER_ERROR, RetryClass::Transient, ErrorKind::Unavailable, Ran::Maybe, "Error: Server Error The server"),
    (502, "Bad Gateway", RetryClass::Transient, ErrorKind::Unavailable, Ran::Maybe, "in passing (502)"),
    (503, "Service Unavailable", RetryClass::Transient, ErrorKind::Unavailable, Ran::Maybe, "Service Unavailable"),
    (
        503,
        "The request failed because either the HTTP response was malformed or connection to the instance had an error.",
        RetryClass::WorkerLost,
        ErrorKind::WorkerLost,
        Ran::Maybe,
        "before it took the call",
    ),
    (
        503,
        "Memory limit of 512 MiB exceeded with 520 MiB used.",
        RetryClass::OutOfMemory,
        ErrorKind::OutOfMemory,
        Ran::Maybe,
        "520 MiB",
    ),
    (504, "upstream request timeout", RetryClass::Timeout, ErrorKind::Timeout, Ran::Yes, "longer than the service may"),
    (401, "Unauthorized", RetryClass::Permanent, ErrorKind::Denied, Ran::No, "identity token"),
    (
        403,
        "Your client does not have permission to get URL <code>/call</code> from this server.",
        RetryClass::Permanent,
        ErrorKind::Denied,
        Ran::No,
        "run.routes.invoke",
    ),
    (404, "Page not found", RetryClass::Permanent, ErrorKind::Unavailable, Ran::No, "is gone"),
    (413, "too large", RetryClass::Permanent, ErrorKind::TooLarge, Ran::No, "33554432"),
    (400, "Bad Request", RetryClass::Permanent, ErrorKind::Internal, Ran::No, "(400): Bad Request"),
    (200, "<html>Log in to the network</html>", RetryClass::Permanent, ErrorKind::Unavailable, Ran::No, "Log in"),
    (302, "", RetryClass::Permanent, ErrorKind::Internal, Ran::No, "(302)"),
];

#[tokio::test]
async fn every_refusal_of_the_platform_has_its_class_its_kind_and_words() {
    for (status, text, class, kind, ran, words) in REFUSALS {
        let error = error(ResponseTemplate::new(*status).set_body_string(*text)).await;
        assert_eq!((error.class, error.kind, error.ran), (*class, *kind, *ran), "{status} {text}: {error}");
        assert!(error.message.contains(words), "{status}: `{words}` is not in `{}`", error.message);
        assert_eq!(error.metering.quantities.is_empty(), *ran == Ran::No, "{status}: what did not run costs nothing");
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_kept() {
    let throttled = ResponseTemplate::new(429).insert_header("retry-after", "3").set_body_string("Rate exceeded.");
    assert_eq!(error(throttled).await.retry_after, Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn a_refusal_of_the_worker_is_not_taken_for_the_platforms() {
    for (status, kind) in [(401, ErrorKind::Denied), (400, ErrorKind::StaleBuild)] {
        let error = error(ResponseTemplate::new(status).insert_header("faast", "1").set_body_string("no")).await;
        assert_eq!((error.class, error.kind, error.ran), (RetryClass::Permanent, kind, Ran::No), "{error}");
    }
}

#[tokio::test]
async fn a_call_comes_back_with_its_bill_in_steps_of_100_ms() {
    let items = items(answer(&[started(0), done(0, b"value")]), request(1)).await;
    let events: Vec<_> = items.into_iter().map(Result::unwrap).collect();
    assert_eq!(events[0], started(0));
    let Event::Done { outcome: Outcome::Ok(Payload::Inline(value)), metering, .. } = &events[1] else {
        unreachable!("{events:?}")
    };
    assert_eq!((&value[..], metering.billed), (&b"value"[..], None));
    assert!((amount(metering, "vCPU") - 0.1).abs() < 1e-9 && (amount(metering, "memory") - 0.05).abs() < 1e-9);
    assert!((amount(metering, "requests") - 1.0).abs() < 1e-9);
}

#[tokio::test]
async fn a_batch_is_one_request_on_the_bill() {
    let events = [started(0), done(0, b"a"), started(1), done(1, b"b"), started(2), done(2, b"c")];
    let items = items(answer(&events), request(3)).await;
    let meterings: Vec<_> = items
        .into_iter()
        .filter_map(|item| match item.unwrap() {
            Event::Done { metering, .. } => Some(metering),
            _ => None,
        })
        .collect();
    let sum = |metric| meterings.iter().map(|it| amount(it, metric)).sum::<f64>();
    assert!((sum("requests") - 1.0).abs() < 1e-9 && (sum("vCPU") - 0.1).abs() < 1e-9, "{meterings:?}");
}

#[tokio::test]
async fn an_answer_without_one_for_a_call_is_a_lost_worker() {
    let mut items = items(answer(&[started(0), done(0, b"a")]), request(2)).await;
    let error = items.pop().unwrap().unwrap_err();
    assert_eq!((error.class, error.ran, items.len()), (RetryClass::WorkerLost, Ran::Maybe, 2));
}

#[tokio::test]
async fn an_answer_of_somebody_else_is_no_event() {
    let foreign = ResponseTemplate::new(200).insert_header("faast", "1").set_body_bytes([1, 0, 0, 0, 9]);
    let error = error(foreign).await;
    assert_eq!((error.class, error.kind), (RetryClass::Permanent, ErrorKind::Decode));
}

#[tokio::test]
async fn a_process_that_ends_in_the_middle_of_a_call_is_a_crash_of_that_call() {
    let mut items = cut(chunked(&[started(0), done(0, b"a"), started(1)]), false, 3).await;
    let error = items.pop().unwrap().unwrap_err();
    assert_eq!((error.class, error.kind, error.ran), (RetryClass::Crash, ErrorKind::Crash, Ran::Yes), "{error}");
    assert_eq!(items.len(), 3, "what came before is passed on");
    assert!(error.metering.quantities.is_empty() || amount(&error.metering, "requests") < 1e-9, "it was billed before");
}

#[tokio::test]
async fn a_network_that_breaks_in_the_middle_of_a_call_is_no_crash() {
    let error = cut(chunked(&[started(0)]), true, 1).await.pop().unwrap().unwrap_err();
    assert_eq!((error.class, error.ran), (RetryClass::Transient, Ran::Yes), "{error}");
    assert!((amount(&error.metering, "requests") - 1.0).abs() < 1e-9);
}

#[tokio::test]
async fn a_connection_that_ends_without_an_answer_leaves_open_whether_it_ran() {
    for reset in [false, true] {
        let error = cut(Vec::new(), reset, 1).await.pop().unwrap().unwrap_err();
        assert_eq!((error.class, error.ran), (RetryClass::Transient, Ran::Maybe), "{error}");
    }
}

#[tokio::test]
async fn without_a_connection_nothing_ran() {
    let error = invoker("http://127.0.0.1:1").invoke(request(1)).next().await.unwrap().unwrap_err();
    assert_eq!((error.class, error.ran), (RetryClass::Transient, Ran::No), "{error}");
    assert!(error.metering.quantities.is_empty());
}

#[tokio::test]
async fn a_call_that_may_take_longer_than_its_service_is_not_sent() {
    let mut request = request(1);
    request.calls[0].timeout = Duration::from_mins(2);
    let error = invoker("http://127.0.0.1:1").invoke(request).next().await.unwrap().unwrap_err();
    assert_eq!((error.class, error.kind, error.ran), (RetryClass::Permanent, ErrorKind::Config, Ran::No));
    assert!(error.hint.is_some_and(|hint| hint.contains(".timeout(")));
}

#[tokio::test]
async fn arguments_above_32_mib_are_not_sent() {
    let mut request = request(1);
    let mut random = fastrand::Rng::with_seed(7);
    request.calls[0].args = Payload::Inline(std::iter::repeat_with(|| random.u8(..)).take(34 << 20).collect());
    let error = invoker("http://127.0.0.1:1").invoke(request).next().await.unwrap().unwrap_err();
    assert_eq!((error.class, error.kind, error.ran), (RetryClass::Permanent, ErrorKind::TooLarge, Ran::No));
}

#[tokio::test]
async fn calls_one_after_the_other_share_a_connection_and_many_at_once_have_one_each() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let opened = Arc::clone(&connections);
    let answer = {
        let body = body(&[started(0), done(0, b"x")]);
        let mut bytes = format!("HTTP/1.1 200 OK\r\nfaast: 1\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(&body);
        Arc::new(bytes)
    };
    // More than the hundred streams that a connection of HTTP/2 has.
    let most = 150;
    let held = Arc::new(Mutex::new(0));
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let gate = Arc::new(tokio::sync::Barrier::new(most));
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            opened.fetch_add(1, Ordering::SeqCst);
            let (answer, gate, held) = (Arc::clone(&answer), Arc::clone(&gate), Arc::clone(&held));
            tokio::spawn(async move {
                let mut buffer = vec![0; 8192];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    let number = {
                        let mut held = held.lock().unwrap();
                        *held += 1;
                        *held
                    };
                    // The first ten come alone, the others wait for each other.
                    if number > 10 {
                        gate.wait().await;
                    }
                    stream.write_all(&answer).await.unwrap();
                }
            });
        }
    });
    let invoker = invoker_of(&uri, most);
    for _ in 0..10 {
        assert!(invoker.invoke(request(1)).all(async |item| item.is_ok()).await);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let all = futures_util::future::join_all((0..most).map(|_| invoker.invoke(request(1)).count())).await;
    assert!(all.iter().all(|events| *events == 2));
    assert!(connections.load(Ordering::SeqCst) >= most);
}

#[tokio::test]
async fn a_request_that_is_dropped_closes_its_connection() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let invoker = invoker(&format!("http://{}", listener.local_addr().unwrap()));
    for with_head in [false, true] {
        let mut stream = invoker.invoke(request(1));
        let serving = async {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 8192];
            assert!(connection.read(&mut buffer).await.unwrap() > 0);
            if with_head {
                connection.write_all(&chunked(&[started(0)])).await.unwrap();
            }
            connection
        };
        let connection = if with_head {
            let (connection, first) = tokio::join!(serving, stream.next());
            assert_eq!(first.unwrap().unwrap(), started(0));
            connection
        } else {
            tokio::select! {
                connection = serving => connection,
                _ = stream.next() => unreachable!("there is no answer"),
            }
        };
        drop(stream);
        let mut connection = connection;
        let mut rest = Vec::new();
        // The end, or a reset.
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut connection, &mut rest).await;
    }
    let dropped = invoker.usage();
    let used = |metric: &str| dropped.quantities().find(|it| it.metric == metric).map_or(0.0, |it| it.amount);
    assert!((used("requests") - 2.0).abs() < 1e-12 && used("vCPU") >= 0.2, "both are billed: {dropped:?}");
}
