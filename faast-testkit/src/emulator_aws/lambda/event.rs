//! Asynchronous events: accepted at once, carried out later, tried again, and their results sent to queues.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::clock::{as_ms, iso};
use super::super::protocol::ApiError;
use super::super::sandbox::{Answer, Call};
use super::super::sqs;
use super::super::state::Shared;
use super::Key;
use super::event_config::EventConfig;
use super::invoke::admit;

/// Between two looks at whether an event that was refused may run now.
const POLL: Duration = Duration::from_millis(20);

/// How an event ended.
struct Ended {
    condition: &'static str,
    attempts: u32,
    answer: Option<Answer>,
}

/// Takes an event; it runs on its own from here on, sometimes twice.
pub(super) fn accept(emulator: &Shared, key: &Key, call: &Call) {
    let times = if emulator.chance.duplicates() { 2 } else { 1 };
    for _ in 0..times {
        tokio::spawn(deliver(Arc::clone(emulator), key.clone(), call.clone()));
    }
}

async fn deliver(emulator: Shared, key: Key, call: Call) {
    let accepted_ms = emulator.clock.now_ms();
    let (config, arn) = {
        let state = emulator.state();
        // Deleted since: nobody is told.
        let Ok(function) = state.lambda.function(&key) else { return };
        (function.event_config.clone().unwrap_or_default(), function.version.arn.clone())
    };
    let Ok(ended) = carry_out(&emulator, &key, &call, &config, accepted_ms).await else { return };
    let destination = if ended.condition == "Success" { &config.on_success } else { &config.on_failure };
    if let Some(queue) = destination {
        let now_ms = emulator.clock.now_ms();
        let record = record(&ended, &call, &arn, now_ms).to_string();
        if record.len() > emulator.settings.record_limit {
            return;
        }
        for _ in 0..emulator.chance.writes_of_record() {
            let mut state = emulator.state();
            state.bill.count_queue(record.len());
            // A queue that is gone gets nothing.
            let _ = sqs::deliver(&mut state.sqs, queue, record.clone(), now_ms);
        }
    }
}

/// Runs an event as often as its function's settings say. An error means that the function is gone.
async fn carry_out(
    emulator: &Shared,
    key: &Key,
    call: &Call,
    config: &EventConfig,
    accepted_ms: u64,
) -> Result<Ended, ApiError> {
    let too_old = || emulator.clock.now_ms() >= accepted_ms + as_ms(config.max_age);
    let mut attempts = 0;
    let mut last = None;
    loop {
        let admitted = match admit(emulator, key) {
            Ok(admitted) => admitted,
            Err(error) if error.status != 429 => return Err(error),
            Err(_) if too_old() => return Ok(Ended { condition: "EventAgeExceeded", attempts, answer: last }),
            Err(_) => {
                tokio::time::sleep(POLL).await;
                continue;
            }
        };
        let answer = admitted.run(call).await.answer;
        attempts += 1;
        if let Answer::Body(_) = answer {
            return Ok(Ended { condition: "Success", attempts, answer: Some(answer) });
        }
        last = Some(answer);
        if attempts > config.retries {
            return Ok(Ended { condition: "RetriesExhausted", attempts, answer: last });
        }
        tokio::time::sleep(emulator.settings.event_retry_delay * attempts).await;
        if too_old() {
            return Ok(Ended { condition: "EventAgeExceeded", attempts, answer: last });
        }
    }
}

/// What a queue gets: the request and what came of it.
fn record(ended: &Ended, call: &Call, arn: &str, now_ms: u64) -> Value {
    let payload =
        |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes)));
    let mut record = json!({
        "version": "1.0",
        "timestamp": format!("{}Z", iso(now_ms)),
        "requestContext": {
            "requestId": call.request_id,
            "functionArn": format!("{arn}:$LATEST"),
            "condition": ended.condition,
            "approximateInvokeCount": ended.attempts,
        },
        "requestPayload": payload(&call.payload),
    });
    match &ended.answer {
        Some(Answer::Body(body)) => {
            record["responseContext"] = json!({ "statusCode": 200, "executedVersion": "$LATEST" });
            record["responsePayload"] = payload(body);
        }
        Some(Answer::Failed { body, .. }) => {
            record["responseContext"] =
                json!({ "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" });
            record["responsePayload"] = payload(body);
        }
        None => {}
    }
    record
}
