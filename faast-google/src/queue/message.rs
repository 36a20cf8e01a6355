//! Messages: how requests and answers are written into Pub/Sub's, on both sides.
//!
//! A request is one message, an answer one for each event; what core encodes is sealed, in base64. A request is known by a
//! number of faast's own, because its answer can be faster than the word that it was published. A message of a request that
//! comes out where answers do is a dead letter: nobody took it.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use faast_core::provider::{Event, InstanceId};
use faast_core::wire::{frame, sealed};
use serde::Deserialize;
use serde_json::{Value, json};

/// The attribute with the number of a request.
pub(crate) const REQUEST: &str = "faast-request";
/// The attribute with the deployment's secret, where there is one.
pub(crate) const SECRET: &str = "faast-secret";
/// The attribute that says for which delivery of its request an answer is.
pub(crate) const DELIVERY: &str = "faast-delivery";
/// The attribute with the worker that answers.
pub(crate) const WORKER: &str = "faast-worker";
/// The attribute with the reason why a request was not taken.
pub(crate) const REFUSED: &str = "faast-refused";

/// Characters of such a reason; an attribute has 1,024 bytes at most.
const WORDS: usize = 250;

/// Bytes of a request to Pub/Sub at most, and of one message.
pub(crate) const MOST: usize = 10_000_000;

/// Bytes of JSON around the data, attributes included.
const AROUND: usize = 2048;

/// Bytes of a request to Pub/Sub that publishes so many sealed bytes.
pub(crate) const fn size(sealed: usize) -> usize {
    sealed.div_ceil(3) * 4 + AROUND
}

/// Sealed bytes that a message can hold.
pub(crate) const MOST_SEALED: usize = (MOST - AROUND) / 4 * 3;

/// Bytes that a message is billed as: its data and its attributes.
pub(crate) fn billed<'a>(data: usize, attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> usize {
    data + attributes.into_iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
}

/// The body that publishes one message.
pub(crate) fn publication(data: &[u8], attributes: &[(&str, &str)]) -> Value {
    let attributes: serde_json::Map<_, _> =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
    json!({ "messages": [{ "data": STANDARD.encode(data), "attributes": attributes }] })
}

/// A reason, as an attribute can have it.
pub(crate) fn reason(why: &str) -> String {
    why.chars().take(WORDS).collect()
}

/// What was pulled.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Pulled<'j> {
    #[serde(borrow)]
    received_messages: Vec<Received<'j>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received<'j> {
    #[serde(borrow)]
    ack_id: Cow<'j, str>,
    #[serde(borrow, default)]
    message: Content<'j>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content<'j> {
    #[serde(borrow)]
    data: Cow<'j, str>,
    attributes: HashMap<String, String>,
    #[serde(borrow, rename = "messageId")]
    id: Cow<'j, str>,
}

impl Content<'_> {
    /// Bytes that are billed for it.
    fn billed(&self) -> usize {
        // Base64: four letters for three bytes.
        let data = self.data.trim_end_matches('=').len() * 3 / 4;
        billed(data, self.attributes.iter().map(|(name, value)| (&**name, &**value)))
    }
}

/// What one answer of the service holds.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// What acknowledges it.
    pub(super) acks: Vec<String>,
    /// What of it is of faast.
    pub(super) messages: Vec<Message>,
    /// Bytes that are billed for all of it.
    pub(super) bytes: usize,
}

/// One message for a request.
#[derive(Debug)]
pub(super) struct Message {
    /// As Pub/Sub knows it.
    pub(super) id: String,
    /// The number of the request.
    pub(super) request: u64,
    /// Which delivery of the request it is about, where Pub/Sub counts them.
    pub(super) delivery: Option<u64>,
    /// Who says it.
    pub(super) worker: Option<InstanceId>,
    pub(super) told: Told,
    /// Bytes that are billed for it.
    pub(super) bytes: usize,
}

/// What a message says.
#[derive(Debug)]
pub(super) enum Told {
    /// Events, sealed.
    Events(Bytes),
    /// The worker can't read the request.
    Refused(String),
    /// Nobody took the request.
    Dead,
}

impl Told {
    /// The worker's events.
    pub(super) fn events(sealed: Bytes) -> faast_core::Result<Vec<Event>> {
        frame::decode_events(sealed::open(sealed)?).collect()
    }
}

/// Reads an answer of the service.
pub(super) fn read(body: &[u8]) -> Result<Read, serde_json::Error> {
    let pulled: Pulled<'_> = serde_json::from_slice(body)?;
    let mut read = Read::default();
    for Received { ack_id, message } in pulled.received_messages {
        read.acks.push(ack_id.into_owned());
        read.bytes += message.billed();
        read.messages.extend(self::message(message));
    }
    Ok(read)
}

fn message(content: Content<'_>) -> Option<Message> {
    let bytes = content.billed();
    let Content { data, mut attributes, id } = content;
    let request = attributes.get(REQUEST)?.parse().ok()?;
    let delivery = attributes.remove(DELIVERY);
    let told = match (attributes.remove(REFUSED), &delivery) {
        (Some(why), _) => Told::Refused(why),
        (None, Some(_)) => Told::Events(STANDARD.decode(&*data).ok()?.into()),
        (None, None) => Told::Dead,
    };
    let delivery = delivery.and_then(|count| count.parse().ok());
    let worker = attributes.remove(WORKER).map(|worker| InstanceId(worker.into()));
    Some(Message { id: id.into_owned(), request, delivery, worker, told, bytes })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Attributes<'a> = &'a [(&'a str, &'a str)];

    fn pulled(messages: &[(&[u8], Attributes<'_>)]) -> String {
        let received = messages.iter().enumerate().map(|(at, (data, attributes))| {
            let mut message = publication(data, attributes)["messages"][0].take();
            message["messageId"] = format!("id-{at}").into();
            json!({ "ackId": format!("ack-{at}"), "message": message })
        });
        json!({ "receivedMessages": received.collect::<Vec<_>>() }).to_string()
    }

    proptest! {
        #[test]
        fn what_is_published_is_what_is_read(
            request in any::<u64>(), delivery in 1..9_u64, bytes in prop::collection::vec(any::<u8>(), 0..2000),
        ) {
            let (number, count) = (request.to_string(), delivery.to_string());
            let attributes = [(REQUEST, &*number), (DELIVERY, &*count), (WORKER, "w")];
            let json = pulled(&[(&bytes, &attributes)]);
            for json in [json.clone(), json.replace('/', "\\/")] {
                let read = read(json.as_bytes()).unwrap();
                prop_assert_eq!(read.acks, ["ack-0"]);
                let message = &read.messages[0];
                prop_assert_eq!((&*message.id, message.request, message.delivery), ("id-0", request, Some(delivery)));
                prop_assert_eq!(message.worker.as_ref(), Some(&InstanceId("w".into())));
                prop_assert_eq!((read.bytes, message.bytes), (billed(bytes.len(), attributes), read.bytes));
                let Told::Events(sealed) = &message.told else { unreachable!() };
                prop_assert_eq!(&sealed[..], &bytes[..]);
            }
        }

        #[test]
        fn any_bytes_are_messages_or_an_error(
            bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut json = pulled(&[(b"data", &[(REQUEST, "7"), (DELIVERY, "1")])]).into_bytes();
            let at = at.index(json.len());
            json[at] = byte;
            for bytes in [bytes, json] {
                if let Ok(read) = read(&bytes) {
                    for message in read.messages {
                        if let Told::Events(sealed) = message.told {
                            let _ = Told::events(sealed);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_is_an_answer_too() {
        let read = read(b"{}").unwrap();
        assert!(read.acks.is_empty() && read.messages.is_empty() && read.bytes == 0);
    }

    #[test]
    fn what_is_not_of_faast_is_acknowledged_and_nothing_else() {
        let read = read(pulled(&[(b"hello", &[]), (b"", &[(REQUEST, "x")])]).as_bytes()).unwrap();
        assert_eq!((read.acks.len(), read.messages.len(), read.bytes), (2, 0, 5 + "faast-requestx".len()));
    }

    #[test]
    fn a_request_among_the_answers_is_a_dead_letter() {
        let attributes = [(REQUEST, "7"), (SECRET, "s"), ("CloudPubSubDeadLetterSourceDeliveryCount", "5")];
        let read = read(pulled(&[(b"request", &attributes)]).as_bytes()).unwrap();
        assert!(matches!(read.messages[0].told, Told::Dead));
    }

    #[test]
    fn the_largest_message_fits_and_one_byte_more_does_not() {
        assert!(size(MOST_SEALED) <= MOST && size(MOST_SEALED + 3) > MOST);
        let (worker, reason) = ("f".repeat(32), reason(&"ü".repeat(5000)));
        let attributes = [(REQUEST, "18446744073709551615"), (WORKER, &*worker), (REFUSED, &*reason)];
        let around = publication(&[], &attributes).to_string().len();
        assert!(around <= AROUND, "{around}");
    }
}
