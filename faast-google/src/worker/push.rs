//! The envelope that Pub/Sub pushes a message in.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use crate::queue::message;

/// A message, as it was pushed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'j> {
    #[serde(borrow)]
    message: Message<'j>,
    /// Said where messages that nobody takes go elsewhere.
    delivery_attempt: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Message<'j> {
    #[serde(borrow, default)]
    data: Cow<'j, str>,
    #[serde(default)]
    attributes: HashMap<String, String>,
}

/// A request that was pushed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pushed {
    /// Its number.
    pub(super) request: String,
    pub(super) secret: Option<String>,
    /// How often it was delivered; empty if that was not said.
    pub(super) delivery: String,
    pub(super) sealed: Bytes,
}

/// Reads an envelope; `None` if it holds no request of faast.
pub(super) fn read(body: &[u8]) -> Option<Pushed> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).ok()?;
    let mut attributes = envelope.message.attributes;
    Some(Pushed {
        request: attributes.remove(message::REQUEST)?,
        secret: attributes.remove(message::SECRET),
        delivery: envelope.delivery_attempt.map(|count| count.to_string()).unwrap_or_default(),
        sealed: STANDARD.decode(&*envelope.message.data).ok()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn envelope(data: &str) -> serde_json::Value {
        json!({
            "message": {
                "data": data,
                "attributes": { "faast-request": "17", "faast-secret": "s", "other": "x" },
                "messageId": "2070443601311540",
                "message_id": "2070443601311540",
                "publishTime": "2026-11-22T16:14:20.123Z",
                "publish_time": "2026-11-22T16:14:20.123Z",
            },
            "deliveryAttempt": 2,
            "subscription": "projects/p/subscriptions/faast-x-requests",
        })
    }

    proptest! {
        #[test]
        fn every_request_comes_out_of_its_envelope(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let json = envelope(&STANDARD.encode(&bytes)).to_string();
            for json in [json.clone(), json.replace('/', "\\/")] {
                let pushed = read(json.as_bytes()).unwrap();
                prop_assert_eq!((&*pushed.request, pushed.secret.as_deref(), &*pushed.delivery), ("17", Some("s"), "2"));
                prop_assert_eq!(&pushed.sealed[..], &bytes[..]);
            }
        }

        #[test]
        fn any_bytes_are_an_envelope_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut json = envelope("AAAA").to_string().into_bytes();
            let at = at.index(json.len());
            json[at] = byte;
            let _ = (read(&bytes), read(&json));
        }
    }

    #[test]
    fn a_message_of_somebody_else_is_no_request() {
        for json in ["", "{}", "null", r#"{"message":{"data":"AAAA"}}"#] {
            assert_eq!(read(json.as_bytes()), None, "{json}");
        }
        assert_eq!(read(envelope("no base64!").to_string().as_bytes()), None);
    }
}
