//! A client that knows HTTP and no more.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use faast_testkit::emulator_google::GoogleEmulator;
use faast_testkit::http::{Answer, Ask};
use serde_json::{Value, json};

/// What APIs' answers say.
pub(crate) trait Told {
    /// Status and text of a refusal.
    fn refusal(&self) -> (u16, String);
}

impl Told for Answer {
    fn refusal(&self) -> (u16, String) {
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
        self.request(method, path, &[("content-type", kind)], body)
    }

    /// With an access token.
    pub(crate) fn send_as(&self, token: &str, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        let token = format!("Bearer {token}");
        self.request(method, path, &[("content-type", kind), ("authorization", &token)], body)
    }

    pub(crate) fn metadata(&self, path: &str) -> Answer {
        self.request("GET", &format!("/computeMetadata/v1/{path}"), &[("metadata-flavor", "Google")], b"")
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        Ask { method, path, headers, body }.answer(&self.google.endpoint()).unwrap()
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
