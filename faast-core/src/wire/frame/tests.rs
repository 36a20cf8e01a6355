//! What the frames promise: round trips, few bytes, and versions that say which side is older.

use std::time::Duration;

use super::*;
use crate::provider::Payload;

fn done(id: u64) -> Event {
    let metering = Metering { duration: Duration::from_micros(1500), ..Metering::default() };
    Event::Done { call: CallId(id), outcome: Outcome::Ok(Payload::Inline(Bytes::from_static(b"\x2a"))), metering }
}

#[test]
fn a_small_done_takes_few_bytes() {
    let mut out = Vec::new();
    encode_event(&done(1_000_000), &mut out);
    assert!(out.len() <= 20, "{} bytes", out.len());
}

#[test]
fn events_can_be_appended_to_each_other() {
    let mut out = Vec::new();
    (0..3).for_each(|id| encode_event(&done(id), &mut out));
    let back: Result<Vec<_>> = decode_events(out.into()).collect();
    assert_eq!(back.unwrap(), [done(0), done(1), done(2)]);
}

#[test]
fn another_version_says_which_side_is_older() {
    for (version, side) in [(crate::wire::VERSION + 1, "this side is older"), (100, "this side is older")] {
        let mut out = Vec::new();
        encode_event(&done(1), &mut out);
        out[0] = version;
        let mut events = decode_events(out.into());
        let error = events.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StaleBuild);
        assert!(error.to_string().contains(side), "{error}");
        assert!(events.next().is_none());
    }
}

#[test]
fn payloads_are_slices_of_what_arrived() {
    let mut out = Vec::new();
    encode_event(&done(1), &mut out);
    let bytes = Bytes::from(out);
    let event = decode_events(bytes.clone()).next().unwrap().unwrap();
    let Event::Done { outcome: Outcome::Ok(Payload::Inline(value)), .. } = event else { panic!("{event:?}") };
    assert!(bytes.as_ptr_range().contains(&value.as_ptr()));
}

#[test]
fn a_function_is_named_once() {
    let call = |id, name: &'static str| CallFrame {
        id: CallId(id),
        attempt: 1,
        function: FunctionId { name: name.into(), signature: 5 },
        timeout: Duration::MAX,
        args: Payload::Inline(Bytes::new()),
        trace: None,
    };
    let calls = vec![call(1, "first"), call(2, "second"), call(3, "first"), call(4, "first")];
    let request = Request { deployment: "d".into(), build: u64::MAX, calls };
    let mut out = Vec::new();
    encode_request(&request, &mut out);
    assert_eq!(out.windows(5).filter(|window| window == b"first").count(), 1);
    assert_eq!(decode_request(out.into()).unwrap(), request);
}
