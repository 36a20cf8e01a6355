//! How the server that answers at once speaks: `Invoke`, with the end of the log.

use std::sync::LazyLock;

use anyhow::{Result, ensure};
use aws_smithy_types::base64;
use bytes::Bytes;
use faast_core::provider::{Event, ExecutionId, InstanceId};
use faast_core::wire::frame;

use super::super::cloud::server::run;

const EXECUTION: &str = "8f5f36f6-0a3d-4b5c-9a3c-111111111111";

/// Everything before the length of an answer.
static HEAD: LazyLock<String> = LazyLock::new(|| {
    let tail = base64::encode(format!(
        "START RequestId: {EXECUTION} Version: $LATEST\nEND RequestId: {EXECUTION}\nREPORT RequestId: {EXECUTION}\t\
         Duration: 0.90 ms\tBilled Duration: 1 ms\tMemory Size: 1728 MB\tMax Memory Used: 19 MB\t\n"
    ));
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-amzn-RequestId: {EXECUTION}\r\nX-Amz-Executed-Version: \
         $LATEST\r\nX-Amz-Log-Result: {tail}\r\nContent-Length: "
    )
});

/// Runs the call in a request.
pub(super) fn answer(body: &Bytes) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(body)?.trim_matches('"');
    let mut sealed = Bytes::from(base64::decode(text)?);
    ensure!(sealed.split_to(1)[..] == [0], "it is compressed");
    let (call, done) = run(&frame::decode_request(sealed)?)?;
    let instance = InstanceId("2026/11/22/[$LATEST]0123456789abcdef0123456789abcdef".into());
    let mut events = vec![0];
    frame::encode_event(
        &Event::Started { call, instance, execution: Some(ExecutionId(EXECUTION.into())) },
        &mut events,
    );
    frame::encode_event(&done, &mut events);
    let events = base64::encode(events);
    Ok(format!("{}{}\r\n\r\n\"{events}\"", *HEAD, events.len() + 2).into())
}
