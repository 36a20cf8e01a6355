//! Frames over generated requests and events: they come back as they were, and hostile bytes are errors.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use faast_core::cost::Quantity;
use faast_core::function::{Body, FunctionEntry, Registered};
use faast_core::provider::{
    BlobKey, BlobRef, CallFrame, CallId, Event, ExecutionId, Failure, FunctionId, InstanceId, Metering, Outcome,
    Payload, Request, TraceContext,
};
use faast_core::wire::frame::{decode_events, decode_request, encode_event, encode_request};
use faast_core::{ErrorKind, wire};
use proptest::collection::vec;
use proptest::prelude::*;

static ENTRY: FunctionEntry = FunctionEntry {
    name: "crate::known",
    signature: 7,
    location: "tests/wire_frame.rs:1:1",
    idempotent: true,
    body: Body::Sync(|_, _| Ok(())),
};

faast_core::inventory::submit! { Registered(&ENTRY) }

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        any::<u32>().prop_map(|micros| Duration::from_micros(micros.into())),
    ]
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        vec(any::<u8>(), 0..300).prop_map(|bytes| Payload::Inline(bytes.into())),
        ("\\PC{0,20}", any::<u64>(), any::<[u8; 32]>())
            .prop_map(|(key, len, sha256)| Payload::Blob(Box::new(BlobRef { key: BlobKey(key), len, sha256 }))),
    ]
}

fn call() -> impl Strategy<Value = CallFrame> {
    let function = prop_oneof![Just(("crate::known", 7)), Just(("a::b", 1)), Just(("a::b", u64::MAX)), Just(("", 0))];
    let trace = prop::option::of("[0-9a-f-]{0,55}".prop_map(TraceContext));
    (any::<u64>(), any::<u32>(), function, duration(), payload(), trace).prop_map(
        |(id, attempt, (name, signature), timeout, args, trace)| CallFrame {
            id: CallId(id),
            attempt,
            function: FunctionId { name: Cow::Owned(name.to_owned()), signature },
            timeout,
            args,
            trace,
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    ("\\PC{0,40}", any::<u64>(), vec(call(), 0..6)).prop_map(|(deployment, build, calls)| Request {
        deployment: deployment.as_str().into(),
        build,
        calls,
    })
}

fn metering() -> impl Strategy<Value = Metering> {
    let quantity = ("[a-z]{0,10}", -1e300..1e300, any::<bool>()).prop_map(|(metric, amount, measured)| Quantity {
        metric: metric.into(),
        amount,
        measured,
    });
    (duration(), prop::option::of(duration()), any::<Option<u64>>(), vec(quantity, 0..3))
        .prop_map(|(duration, billed, peak_memory, quantities)| Metering { duration, billed, peak_memory, quantities })
}

fn failure() -> impl Strategy<Value = Failure> {
    let kind = prop::sample::select(ErrorKind::ALL);
    let value = prop::option::of(vec(any::<u8>(), 0..9));
    (kind, "\\PC{0,30}", vec("\\PC{0,9}", 0..4), prop::option::of("\\PC{0,20}"), value).prop_map(
        |(kind, message, chain, location, value)| Failure {
            kind,
            message,
            chain,
            location,
            value: value.map(Bytes::from),
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let id = || any::<u64>().prop_map(CallId);
    let outcome =
        prop_oneof![payload().prop_map(Outcome::Ok), failure().prop_map(|failure| Outcome::Err(Box::new(failure))),];
    prop_oneof![
        (id(), "\\PC{0,20}", prop::option::of("\\PC{0,20}")).prop_map(|(call, instance, execution)| Event::Started {
            call,
            instance: InstanceId(instance.into()),
            execution: execution.map(|execution| ExecutionId(execution.into())),
        }),
        (id(), any::<u64>(), payload()).prop_map(|(call, seq, body)| Event::Item { call, seq, body }),
        (id(), outcome, metering()).prop_map(|(call, outcome, metering)| Event::Done { call, outcome, metering }),
        id().prop_map(|call| Event::Returned { call }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_come_back(request in request()) {
        let mut out = b"before".to_vec();
        encode_request(&request, &mut out);
        let back = decode_request(Bytes::from(out).slice(6..)).unwrap();
        for call in &back.calls {
            prop_assert_eq!(matches!(call.function.name, Cow::Borrowed(_)), call.function.name == ENTRY.name);
        }
        prop_assert_eq!(back, request);
    }

    #[test]
    fn events_come_back(events in vec(event(), 0..6)) {
        let mut out = Vec::new();
        for event in &events {
            encode_event(event, &mut out);
        }
        let back: Vec<_> = decode_events(out.into()).map(Result::unwrap).collect();
        prop_assert_eq!(back, events);
    }

    #[test]
    fn a_truncated_frame_is_an_error(request in request(), event in event()) {
        let mut out = Vec::new();
        encode_request(&request, &mut out);
        let bytes = Bytes::from(out);
        for end in 0..bytes.len() {
            prop_assert_eq!(decode_request(bytes.slice(..end)).unwrap_err().kind(), ErrorKind::Decode);
        }
        let mut out = Vec::new();
        encode_event(&event, &mut out);
        let bytes = Bytes::from(out);
        for end in 1..bytes.len() {
            let mut events = decode_events(bytes.slice(..end));
            prop_assert_eq!(events.next().unwrap().unwrap_err().kind(), ErrorKind::Decode);
            prop_assert!(events.next().is_none());
        }
    }

    #[test]
    fn hostile_bytes_never_panic(
        mut bytes in vec(any::<u8>(), 1..80),
        versioned in any::<bool>(),
        event in event(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        if versioned {
            bytes[0] = wire::VERSION;
        }
        let bytes = Bytes::from(bytes);
        let _ = decode_request(bytes.clone()).is_ok();
        let _ = decode_events(bytes).count();
        let mut out = Vec::new();
        encode_event(&event, &mut out);
        let at = at.index(out.len());
        out[at] = byte;
        let _ = decode_events(out.into()).count();
    }
}
