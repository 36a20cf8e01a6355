//! Streamed answers arrive while the function runs, in the framing of event streams.

use faast_testkit::emulator_aws::AwsEmulator;
use faast_testkit::http::Pending;
use serde_json::{Value, json};

use crate::client::Account;

/// The type of a message and its payload.
type Message = (String, Vec<u8>);

fn start(account: &Account, event: &Value) -> Pending {
    let path = "/2021-11-15/functions/f/response-streaming-invocations";
    let mut pending =
        account.start("lambda", "POST", path, &[("x-amz-log-type", "Tail")], event.to_string().as_bytes());
    let head = pending.head().unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("application/vnd.amazon.eventstream")));
    pending
}

/// The next message; nothing at the end of the stream.
fn next(pending: &mut Pending, buffer: &mut Vec<u8>) -> Option<Message> {
    let word = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    while buffer.len() < 4 || buffer.len() < word(buffer, 0) {
        buffer.extend(pending.chunk().unwrap()?);
    }
    let rest = buffer.split_off(word(buffer, 0));
    let message = std::mem::replace(buffer, rest);
    let headers = word(&message, 4);
    let text = String::from_utf8_lossy(&message[12..12 + headers]).into_owned();
    let kind = if text.contains("PayloadChunk") { "chunk" } else { "complete" };
    Some((kind.into(), message[12 + headers..message.len() - 4].to_vec()))
}

fn all(account: &Account, event: &Value) -> Vec<Message> {
    let (mut pending, mut buffer) = (start(account, event), Vec::new());
    std::iter::from_fn(|| next(&mut pending, &mut buffer)).collect()
}

fn deployed() -> Account {
    let account = Account::new(AwsEmulator::start());
    account.deploy("f", json!({ "Timeout": 2 }));
    account
}

#[test]
fn parts_arrive_before_the_function_is_done() {
    let account = deployed();
    let gate = account.file("gate");
    let event = json!({ "do": "stream", "chunks": ["one", "two"], "file": gate });
    let (mut pending, mut buffer) = (start(&account, &event), Vec::new());
    assert_eq!(next(&mut pending, &mut buffer), Some(("chunk".into(), b"one".to_vec())));
    std::fs::write(gate, "").unwrap();
    assert_eq!(next(&mut pending, &mut buffer), Some(("chunk".into(), b"two".to_vec())));
    let (kind, payload) = next(&mut pending, &mut buffer).unwrap();
    let complete: Value = serde_json::from_slice(&payload).unwrap();
    assert!(kind == "complete" && complete["LogResult"].is_string() && complete["ErrorCode"].is_null(), "{complete}");
    assert_eq!(next(&mut pending, &mut buffer), None);
    assert_eq!(account.aws.bill().answer_bytes, 6);
}

#[test]
fn an_answer_at_once_is_one_part() {
    let messages = all(&deployed(), &json!("hello"));
    let kinds: Vec<&str> = messages.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["chunk", "complete"]);
    let answer: Value = serde_json::from_slice(&messages[0].1).unwrap();
    assert_eq!(answer["event"], "hello");
}

#[test]
fn what_breaks_off_says_why() {
    let account = deployed();
    let cases = [
        (json!({ "do": "stream", "chunks": ["one"], "broken": true }), 1, "half way"),
        (json!({ "do": "stream", "chunks": ["one", "two"], "exit": 4 }), 2, "exit status 4"),
        (json!({ "do": "error" }), 0, "as wanted"),
        (json!({ "do": "sleep", "seconds": 60 }), 0, "Task timed out after 2.00 seconds"),
    ];
    for (event, chunks, text) in cases {
        let messages = all(&account, &event);
        let (kind, payload) = messages.last().unwrap();
        let complete: Value = serde_json::from_slice(payload).unwrap();
        assert_eq!((kind.as_str(), messages.len() - 1), ("complete", chunks), "{event}");
        assert_eq!(complete["ErrorCode"], "Unhandled");
        assert!(complete["ErrorDetails"].as_str().unwrap().contains(text), "{complete}");
    }
}

#[test]
fn a_streamed_answer_to_a_plain_call_is_collected() {
    let answer = deployed().invoke("f", &json!({ "do": "stream", "chunks": ["one", "two"] }));
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"onetwo".as_slice()));
}
