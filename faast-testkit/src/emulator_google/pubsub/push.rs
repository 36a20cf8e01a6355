//! Push delivery: a request for each message, at most as many at once as the window allows.
//!
//! The window grows with every push that went well and shrinks with every one that did not. A push takes as long as the
//! subscription's deadline at most; then its connection is closed and the message comes again.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::super::state::Shared;
use super::deliver::{lease, size_of};
use super::subscription::Leased;
use crate::emulator::clock::as_ms;

/// The most pushes of one subscription at once.
const WINDOW: usize = 3000;

/// Between two looks at all subscriptions.
const BETWEEN: Duration = Duration::from_millis(2);

/// Pushes what there is to push, until it is aborted.
pub(in super::super) async fn push_all(emulator: Shared) {
    loop {
        for name in due(&emulator) {
            begin(&emulator, &name);
        }
        sleep(BETWEEN).await;
    }
}

/// Subscriptions with room for another push.
fn due(emulator: &Shared) -> Vec<String> {
    let state = emulator.state();
    let all = state.pubsub.subscriptions.iter();
    all.filter(|(_, it)| it.endpoint().is_some() && it.pushing < it.window).map(|(name, _)| name.clone()).collect()
}

fn begin(emulator: &Shared, name: &str) {
    let mut state = emulator.state();
    let room = state.pubsub.subscriptions.get(name).map_or(0, |it| it.window - it.pushing);
    let leased = lease(emulator, &mut state, name, room).unwrap_or_default();
    let Some(subscription) = state.pubsub.subscriptions.get_mut(name) else { return };
    subscription.pushing += leased.len();
    let config = subscription.spec["pushConfig"].clone();
    let deadline = Duration::from_millis(subscription.deadline_ms());
    // Each is a request.
    for leased in &leased {
        state.bill.add_delivered(size_of(leased));
    }
    drop(state);
    for leased in leased {
        let (emulator, name, config) = (Arc::clone(emulator), name.to_owned(), config.clone());
        tokio::spawn(async move {
            let sent = timeout(deadline, send(&emulator, &name, &config, &leased)).await;
            let is_good = matches!(sent, Ok(Some(102 | 200 | 201 | 202 | 204)));
            end(&emulator, &name, &leased, is_good);
        });
    }
}

fn end(emulator: &Shared, name: &str, leased: &Leased, is_good: bool) {
    let now_ms = emulator.clock.now_ms();
    let least_ms = as_ms(emulator.settings.push_backoff);
    let mut state = emulator.state();
    let Some(subscription) = state.pubsub.subscriptions.get_mut(name) else { return };
    subscription.pushing = subscription.pushing.saturating_sub(1);
    if is_good {
        subscription.window = (subscription.window + 1).min(WINDOW);
        subscription.acknowledge(std::slice::from_ref(&leased.ack_id), now_ms);
    } else {
        subscription.window = (subscription.window / 2).max(1);
        subscription.retry(&leased.ack_id, least_ms, now_ms);
    }
}

/// Sends one message; gives the status of the answer. Dropped, it closes the connection.
async fn send(emulator: &Shared, name: &str, config: &Value, leased: &Leased) -> Option<u16> {
    let url = config["pushEndpoint"].as_str()?;
    // Everything that can be pushed to is on this port.
    let rest = url.strip_prefix(&emulator.endpoint)?;
    let address = emulator.endpoint.strip_prefix("http://")?;
    let raw = config.get("noWrapper").filter(|it| it.is_object());
    let body = match raw {
        Some(_) => BASE64_STANDARD.decode(leased.message["data"].as_str().unwrap_or("")).ok()?,
        None => wrapped(name, leased).to_string().into_bytes(),
    };
    let mut request = Request::post(if rest.is_empty() { "/" } else { rest })
        .header("host", address)
        .header("content-length", body.len())
        .header("user-agent", "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)");
    if raw.is_none() {
        request = request.header("content-type", "application/json");
    }
    if raw.is_some_and(|it| it["writeMetadata"] == true) {
        let attributes = leased.message["attributes"].as_object().into_iter().flatten();
        for (key, value) in attributes {
            request = request.header(key, value.as_str().unwrap_or(""));
        }
        request = request.header("x-goog-pubsub-subscription-name", name);
        request = request.header("x-goog-pubsub-message-id", leased.message["messageId"].as_str().unwrap_or(""));
    }
    if let Some(account) = config["oidcToken"]["serviceAccountEmail"].as_str() {
        let audience = config["oidcToken"]["audience"].as_str().unwrap_or(url);
        let now_ms = emulator.clock.now_ms();
        let token = emulator.state().tokens.identity(account, audience, now_ms);
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Body::from(body)).ok()?;
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let exchange = async {
        let response = sender.send_request(request).await.ok()?;
        Some(response.status().as_u16())
    };
    tokio::select! {
        status = exchange => status,
        _ = connection => None,
    }
}

fn wrapped(name: &str, leased: &Leased) -> Value {
    let mut message = leased.message.clone();
    // Older clients read the other spelling.
    message["message_id"] = message["messageId"].clone();
    message["publish_time"] = message["publishTime"].clone();
    json!({ "message": message, "subscription": name, "deliveryAttempt": leased.attempt })
}
