//! Every way an invocation can fail, replayed over HTTP: what core is told, and what a user reads.
//!
//! One case for each class of errors of the Lambda API (`refusal.rs`), for each thing that can happen to an execution
//! (`execution.rs`), and for the connection itself. The answers are written as Lambda writes them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod execution;
mod expected;
mod refusal;
#[path = "../replay/mod.rs"]
mod replay;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use faast_core::ErrorKind;
use faast_core::provider::{Event, Outcome, Payload, Ran, RetryClass};
use wiremock::ResponseTemplate;

use self::expected::{check, expect};
use self::replay::{Replay, answer, config, done, failed, instance, log_tail, refusal, request, started, streamed};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_comes_back_with_the_platforms_bill() {
    let events = [instance(0), done(0, b"value")];
    let items = Replay::new(answer(&events)).await.items(&request(1)).await;
    let events: Vec<_> = items.into_iter().map(Result::unwrap).collect();
    assert_eq!(events[0], instance(0));
    let Event::Done { outcome: Outcome::Ok(Payload::Inline(value)), metering, .. } = &events[1] else {
        unreachable!("{events:?}")
    };
    assert_eq!(&value[..], b"value");
    assert_eq!((metering.billed, metering.peak_memory), (Some(Duration::from_millis(20)), Some(15 << 20)));
    assert!(metering.quantities.iter().any(|it| it.metric == "duration" && it.measured));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_gives_events_as_they_are_and_the_bill_to_the_last() {
    let events = [started(0), done(0, b"a"), started(1), done(1, b"b")];
    let items = Replay::new(streamed(&events, None, "")).await.items(&request(2)).await;
    let events: Vec<_> = items.into_iter().map(Result::unwrap).collect();
    let billed = |event: &Event| match event {
        Event::Done { metering, .. } => metering.billed,
        _ => None,
    };
    assert_eq!(events.iter().map(Event::call).map(|call| call.0).collect::<Vec<_>>(), [0, 0, 1, 1]);
    assert_eq!(events.iter().map(billed).collect::<Vec<_>>(), [None, None, None, Some(Duration::from_millis(20))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timed_out_call_keeps_the_bill_though_others_are_given_back_behind_it() {
    let events = [started(0), failed(0, ErrorKind::Timeout), Event::Returned { call: replay::call(1) }];
    let items = Replay::new(streamed(&events, Some(("Runtime.ExitError", "exit")), "")).await.items(&request(2)).await;
    let bills: Vec<_> = items
        .into_iter()
        .filter_map(|item| match item.unwrap() {
            Event::Done { metering, .. } => Some(metering.billed),
            _ => None,
        })
        .collect();
    assert_eq!(bills, [Some(Duration::from_millis(20))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_in_the_middle_of_a_stream_is_a_refusal() {
    let replay = Replay::new(replay::stream_exception(&[started(0)], "ServiceException", "An error occurred")).await;
    let error = replay.items(&request(2)).await.pop().unwrap().unwrap_err();
    check("exception", &error, &expect(RetryClass::Transient, ErrorKind::Unavailable, Ran::Yes, &["ServiceException"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_off_leaves_its_calls_unknown() {
    for (events, ran) in [(vec![started(0)], Ran::Yes), (vec![], Ran::Maybe)] {
        let replay = Replay::new(replay::cut_stream(&events)).await;
        let error = replay.items(&request(2)).await.pop().unwrap().unwrap_err();
        check("cut", &error, &expect(RetryClass::Transient, ErrorKind::Unavailable, ran, &["ended before every call"]));
        assert!(error.metering.quantities.iter().any(|it| it.metric == "duration" && !it.measured), "an estimate");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_somebody_else_are_undecodable() {
    for body in ["{\"statusCode\":200}", "\"AAAA\"", "null", ""] {
        let replay = Replay::new(ResponseTemplate::new(200).set_body_string(body)).await;
        let error = replay.error(&request(1)).await;
        assert!(matches!(error.class, RetryClass::Permanent | RetryClass::WorkerLost), "{body}: {error}");
        assert!(
            matches!(error.kind, ErrorKind::Decode | ErrorKind::StaleBuild | ErrorKind::WorkerLost),
            "{body}: {error}"
        );
    }
    let replay =
        Replay::new(ResponseTemplate::new(200).set_body_string("no event stream, but long enough to be one")).await;
    let error = replay.items(&request(2)).await.pop().unwrap().unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Decode | ErrorKind::Unavailable), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_means_that_nothing_ran() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let error = Replay::at(&format!("http://127.0.0.1:{port}")).error(&request(1)).await;
    check("refused", &error, &expect(RetryClass::Transient, ErrorKind::Unavailable, Ran::No, &["no connection"]));
    assert!(error.metering.quantities.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_after_the_request_leaves_it_unknown() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut requests = 0;
        // The first connection is the one that was opened in advance.
        for stream in listener.incoming().take(1) {
            let mut stream = stream.unwrap();
            let mut bytes = vec![0; 65536];
            let mut read = 0;
            while !bytes[..read].ends_with(b"\"") {
                read += stream.read(&mut bytes[read..]).unwrap();
            }
            requests += 1;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n\"half").unwrap();
        }
        requests
    });
    let error = Replay::at(&endpoint).error(&request(1)).await;
    check(
        "broken",
        &error,
        &expect(RetryClass::Transient, ErrorKind::Unavailable, Ran::Maybe, &["broke after the request was sent"]),
    );
    assert!(error.metering.quantities.iter().any(|it| it.metric == "requests"), "it may be billed");
    assert_eq!(server.join().unwrap(), 1, "it is not sent a second time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_larger_time_out_than_deployed_is_refused_before_anything_is_sent() {
    let replay = Replay::new(answer(&[done(0, b"")])).await;
    let mut request = request(1);
    request.calls[0].timeout = Duration::from_secs(61);
    let error = replay.error(&request).await;
    check(
        "timeout",
        &error,
        &expect(RetryClass::Permanent, ErrorKind::Config, Ran::No, &["61s", "60s", ".timeout(..)"]),
    );
    assert_eq!(replay.received().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_large_an_argument_is_refused_with_both_sizes_before_anything_is_sent() {
    let replay = Replay::new(answer(&[done(0, b"")])).await;
    let mut request = request(1);
    // Random bytes, which no compression makes small.
    let mut random = fastrand::Rng::with_seed(7);
    let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(5_000_000).collect();
    request.calls[0].args = Payload::Inline(bytes.into());
    let error = replay.error(&request).await;
    check("size", &error, &expect(RetryClass::Permanent, ErrorKind::TooLarge, Ran::No, &["66667", "6291456"]));
    assert_eq!(replay.received().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_a_call_says_how_to_get_some() {
    let server = Replay::new(answer(&[done(0, b"")])).await;
    let unsigned = Replay::with(config(&server.endpoint()), None);
    let error = unsigned.error(&request(1)).await;
    check(
        "credentials",
        &error,
        &expect(RetryClass::Permanent, ErrorKind::Denied, Ran::No, &["no AWS credentials", "AWS_PROFILE"]),
    );
    assert_eq!(server.received().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_sent_or_said() {
    const SECRET: &str = "PLANTEDSECRETPLANTEDSECRETPLANTEDSECRET";
    let server = Replay::new(refusal(403, "AccessDeniedException", "no")).await;
    let credentials = SharedCredentialsProvider::new(Credentials::new("AKID", SECRET, None, None, "test"));
    let replay = Replay::with(config(&server.endpoint()), Some(credentials));
    let error = replay.error(&request(1)).await;
    assert!(!format!("{error:?} {error} {:?}", replay.invoker).contains(SECRET));
    for request in server.requests().await {
        assert!(!format!("{:?} {}", request.headers, String::from_utf8_lossy(&request.body)).contains(SECRET));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_request_closes_its_connection() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let replay = Replay::at(&format!("http://{}", listener.local_addr().unwrap()));
    let (mut stream, _) = listener.accept().unwrap();
    let asked = tokio::spawn(async move { replay.items(&request(1)).await });
    let mut bytes = vec![0; 65536];
    let read = stream.read(&mut bytes).unwrap();
    assert!(read > 0);
    asked.abort();
    // Comes back when the other side has closed, and not before.
    let _ = stream.read_to_end(&mut bytes);
    assert!(asked.await.unwrap_err().is_cancelled());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_serves_calls_that_follow_each_other() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let body = replay::json(&[done(0, b"x")]);
    let tail = log_tail("");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        let mut bytes = vec![0; 65536];
        loop {
            let mut read = 0;
            while !bytes[..read].ends_with(b"\"") {
                match stream.read(&mut bytes[read..]) {
                    Ok(0) | Err(_) => return,
                    Ok(more) => read += more,
                }
            }
            let length = body.len();
            write!(stream, "HTTP/1.1 200 OK\r\nX-Amz-Log-Result: {tail}\r\nContent-Length: {length}\r\n\r\n{body}")
                .unwrap();
        }
    });
    let replay = Replay::at(&endpoint);
    for _ in 0..20 {
        let items = replay.items(&request(1)).await;
        assert!(items.iter().all(Result::is_ok), "{items:?}");
    }
}
