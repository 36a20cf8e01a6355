//! A client that knows HTTP and no more.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use faast_testkit::emulator_google::GoogleEmulator;
use serde_json::{Value, json};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer of a request that went well.
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status < 300, "{}: {}", self.status, String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// Status and text of a refusal.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["error"]["message"].as_str().unwrap_or("").to_owned())
    }
}

pub(crate) struct Project {
    pub(crate) google: GoogleEmulator,
}

impl Project {
    pub(crate) fn new() -> Self {
        Self { google: GoogleEmulator::start() }
    }

    pub(crate) fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        self.request(method, path, &format!("content-type: {kind}"), body)
    }

    /// With an access token.
    pub(crate) fn send_as(&self, token: &str, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        self.request(method, path, &format!("content-type: {kind}\r\nauthorization: Bearer {token}"), body)
    }

    pub(crate) fn metadata(&self, path: &str) -> Answer {
        self.request("GET", &format!("/computeMetadata/v1/{path}"), "metadata-flavor: Google", b"")
    }

    fn request(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let address = self.google.endpoint().replace("http://", "");
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\ncontent-length: \
             {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let status = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
        Answer { status, body: answer[end + 4..].to_vec() }
    }

    pub(crate) fn api(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, "application/json", body.as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.api("GET", path, &Value::Null)
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.api("DELETE", path, &Value::Null)
    }

    pub(crate) fn pubsub(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.api(method, &format!("/v1/projects/faast-project/{path}"), body)
    }

    /// A topic and a subscription to it, with these settings.
    pub(crate) fn subscribe(&self, id: &str, settings: &Value) {
        self.pubsub("PUT", &format!("topics/{id}"), &json!({})).ok();
        let mut spec = json!({ "topic": format!("projects/faast-project/topics/{id}") });
        for (key, value) in settings.as_object().unwrap() {
            spec[key] = value.clone();
        }
        self.pubsub("PUT", &format!("subscriptions/{id}"), &spec).ok();
    }

    pub(crate) fn publish(&self, id: &str, texts: &[&str]) -> Answer {
        let message = |it: &&str| json!({ "data": BASE64_STANDARD.encode(it), "attributes": { "key": "value" } });
        let messages: Vec<Value> = texts.iter().map(message).collect();
        self.pubsub("POST", &format!("topics/{id}:publish"), &json!({ "messages": messages }))
    }

    /// Messages that are there now.
    pub(crate) fn pull(&self, id: &str) -> Vec<Value> {
        let body = json!({ "maxMessages": 1000, "returnImmediately": true });
        let answer = self.pubsub("POST", &format!("subscriptions/{id}:pull"), &body).ok();
        answer["receivedMessages"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn acknowledge(&self, id: &str, received: &[Value]) {
        let ids: Vec<&Value> = received.iter().map(|it| &it["ackId"]).collect();
        self.pubsub("POST", &format!("subscriptions/{id}:acknowledge"), &json!({ "ackIds": ids })).ok();
    }
}

/// The text of a message.
pub(crate) fn text(received: &Value) -> String {
    let data = received["message"]["data"].as_str().unwrap();
    String::from_utf8(BASE64_STANDARD.decode(data).unwrap()).unwrap()
}

pub(crate) fn texts(received: &[Value]) -> Vec<String> {
    received.iter().map(text).collect()
}

pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it never became so");
        std::thread::sleep(Duration::from_millis(2));
    }
}
