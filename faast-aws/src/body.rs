//! Bodies: how requests and events travel through Lambda, which carries JSON in one direction and bytes in the other.
//!
//! A request and a unary answer are a JSON string that holds the base64 of what core [sealed](faast_core::wire::sealed).
//! Nothing here knows what is inside.
//!
//! In queue mode a request is an *event*, a JSON object that has faast's own number of the request beside that string:
//! request and answer come back together in one *record*, and the number says whose it is.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use faast_core::{Error, ErrorKind, Result};
use serde::Deserialize;

/// Bytes of JSON that a request or a unary answer may have: 6 MiB. The service's own limit is 100 bytes above that.
pub(crate) const MAX_PAYLOAD: usize = 6 * 1024 * 1024;

/// Bytes that a record may have. SQS takes a megabyte, and whether records may be as large was not verified: this is
/// what they always could be.
pub(crate) const MAX_RECORD: usize = 256 * 1024;

/// Of those, what the platform may write around request and answer, or add to them: names, times, escapes.
pub(crate) const RECORDS_OWN: usize = 8 * 1024;

/// Bytes of JSON that an event may have: its answer finds as much room in the record.
pub(crate) const MAX_EVENT: usize = (MAX_RECORD - RECORDS_OWN) / 2;

/// Bytes of JSON around the string of an event, with the largest number.
pub(crate) const EVENTS_OWN: usize = 40;

/// Bytes of the JSON string that will hold so many sealed bytes.
pub(crate) fn json_len(sealed: usize) -> usize {
    sealed.div_ceil(3) * 4 + 2
}

/// The JSON string of sealed bytes.
pub(crate) fn to_json(sealed: &[u8]) -> Vec<u8> {
    let mut json = vec![b'"'; json_len(sealed.len())];
    let end = json.len() - 1;
    // The room is exact, so that it always fits; were it not so, the other side would tell.
    let _ = STANDARD.encode_slice(sealed, &mut json[1..end]);
    json
}

/// The event of request `id`.
pub(crate) fn to_event(id: u64, sealed: &[u8]) -> Vec<u8> {
    let mut json = format!("{{\"id\":{id},\"request\":").into_bytes();
    json.extend_from_slice(&to_json(sealed));
    json.push(b'}');
    json
}

/// Bytes of JSON that the answer to an event of so many bytes may have.
pub(crate) fn room_for_answer(event: usize) -> usize {
    (MAX_RECORD - RECORDS_OWN).saturating_sub(event)
}

/// What a worker gets.
#[derive(Debug)]
pub(crate) struct Received {
    /// The request.
    pub(crate) sealed: Bytes,
    /// Bytes of JSON that its answer may have.
    pub(crate) room: usize,
}

#[derive(Deserialize)]
struct QueuedRequest<'j> {
    #[serde(borrow)]
    request: Cow<'j, str>,
}

/// The request in what a worker gets, in either mode.
///
/// # Errors
///
/// [`Decode`](ErrorKind::Decode) when it is nothing that faast sends.
pub(crate) fn receive(json: &[u8]) -> Result<Received> {
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Ok(Received { sealed: from_json(json)?, room: MAX_PAYLOAD });
    }
    let event: QueuedRequest<'_> =
        serde_json::from_slice(json).map_err(|error| undecodable("it is no request").with_source(error))?;
    Ok(Received { sealed: from_text(&*event.request)?, room: room_for_answer(json.len()) })
}

/// The sealed bytes in a JSON string.
///
/// # Errors
///
/// [`Decode`](ErrorKind::Decode) when it is another JSON, or no JSON.
pub(crate) fn from_json(json: &[u8]) -> Result<Bytes> {
    let json = json.trim_ascii();
    let text = json.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let text = text.ok_or_else(|| undecodable("it is no JSON string"))?;
    if text.contains(&b'\\') {
        // Others write `/` as `\/`, or anything as `\u....`.
        let text: String =
            serde_json::from_slice(json).map_err(|error| undecodable("it is no JSON string").with_source(error))?;
        return from_text(&text);
    }
    from_text(text)
}

/// The sealed bytes in the text of a JSON string.
///
/// # Errors
///
/// [`Decode`](ErrorKind::Decode) when it is no base64.
pub(crate) fn from_text(text: impl AsRef<[u8]>) -> Result<Bytes> {
    STANDARD.decode(text).map(Bytes::from).map_err(|error| undecodable("it is no base64").with_source(error))
}

fn undecodable(why: &str) -> Error {
    Error::new(ErrorKind::Decode, format!("this is no body that faast made: {why}"))
}

#[cfg(test)]
mod tests {
    use faast_core::provider::{CallId, Event, Metering, Outcome, Payload};
    use faast_core::wire::frame;
    use faast_core::wire::sealed::{open, seal};
    use proptest::prelude::*;

    use super::*;

    fn sealed(bytes: &[u8]) -> Vec<u8> {
        let mut frame = vec![0];
        frame.extend_from_slice(bytes);
        seal(frame).unwrap()
    }

    /// Bytes that compress well, and bytes that do not.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..4000),
            (any::<u8>(), 0..100_000_usize).prop_map(|(byte, len)| vec![byte; len]),
        ]
    }

    proptest! {
        #[test]
        fn every_frame_survives_the_json_string(frame in bytes()) {
            let sealed = sealed(&frame);
            let json = to_json(&sealed);
            prop_assert_eq!(json.len(), json_len(sealed.len()));
            prop_assert!(serde_json::from_slice::<String>(&json).is_ok());
            prop_assert_eq!(open(from_json(&json).unwrap()).unwrap(), frame);
        }

        #[test]
        fn what_is_broken_is_an_error_or_other_events_and_never_a_panic(
            value in bytes(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
        ) {
            let event = Event::Done {
                call: CallId(7),
                outcome: Outcome::Ok(Payload::Inline(value.into())),
                metering: Metering::default(),
            };
            let mut frame = vec![0];
            frame::encode_event(&event, &mut frame);
            let mut json = to_json(&seal(frame).unwrap());
            let at = at.index(json.len());
            json[at] = byte;
            json.truncate(cut.index(json.len()) + 1);
            if let Ok(bytes) = from_json(&json).and_then(open) {
                for event in frame::decode_events(bytes) {
                    drop(event);
                }
            }
        }

        #[test]
        fn a_truncated_string_is_an_error(value in bytes(), cut in any::<prop::sample::Index>()) {
            let json = to_json(&sealed(&value));
            let cut = cut.index(json.len());
            prop_assert_eq!(from_json(&json[..cut]).unwrap_err().kind(), ErrorKind::Decode);
        }

        #[test]
        fn any_bytes_are_an_error_or_sealed(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            // Not even with a flag that says compressed.
            let _ = from_json(&bytes);
            let _ = open(bytes.into());
        }
    }

    #[test]
    fn an_escaped_slash_is_read_too() {
        let sealed = sealed(&[0xff; 9]);
        let json = String::from_utf8(to_json(&sealed)).unwrap();
        assert!(json.contains('/'));
        assert_eq!(from_json(json.replace('/', "\\/").as_bytes()).unwrap(), sealed);
    }

    #[test]
    fn a_worker_reads_both_forms_of_a_request_and_knows_how_much_it_may_answer() {
        let sealed = sealed(&[0xff; 900]);
        let direct = receive(&to_json(&sealed)).unwrap();
        assert_eq!((&direct.sealed[..], direct.room), (&sealed[..], MAX_PAYLOAD));
        let event = to_event(u64::MAX, &sealed);
        assert!(event.len() <= json_len(sealed.len()) + EVENTS_OWN);
        let queued = receive(&event).unwrap();
        assert_eq!((&queued.sealed[..], queued.room), (&sealed[..], MAX_RECORD - RECORDS_OWN - event.len()));
        // Others escape.
        let escaped = String::from_utf8(event).unwrap().replace('/', "\\/");
        assert_eq!(receive(escaped.as_bytes()).unwrap().sealed, sealed);
    }

    #[test]
    fn the_largest_event_leaves_as_much_for_its_answer() {
        assert!(room_for_answer(MAX_EVENT) >= MAX_EVENT);
        assert_eq!(room_for_answer(MAX_RECORD), 0);
    }

    #[test]
    fn an_event_of_somebody_else_says_so() {
        for event in ["{\"Records\":[]}", "{\"id\":1}", "{\"request\":\"!\"}", "\"hello\"", "\"\"", "null", ""] {
            let error = receive(event.as_bytes()).and_then(|it| open(it.sealed)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{event}");
        }
    }
}
