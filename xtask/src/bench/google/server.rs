//! How the server that answers at once speaks: in chunks, as a worker sends them.

use anyhow::Result;
use bytes::Bytes;
use faast_core::provider::{Event, InstanceId};
use faast_core::wire::{frame, sealed};

use super::super::cloud::server::run;

/// Runs the call in a request.
pub(super) fn answer(body: &Bytes) -> Result<Vec<u8>> {
    let (call, done) = run(&frame::decode_request(sealed::open(body.clone())?)?)?;
    let instance = InstanceId("0123456789abcdef0123456789abcdef".into());
    let mut answer =
        b"HTTP/1.1 200 OK\r\nfaast: 1\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    for event in [Event::Started { call, instance, execution: None }, done] {
        let mut encoded = vec![0];
        frame::encode_event(&event, &mut encoded);
        let sealed = sealed::seal(encoded)?;
        let length = sealed::length_of(&sealed)?;
        answer.extend_from_slice(format!("{:x}\r\n", length.len() + sealed.len()).as_bytes());
        answer.extend_from_slice(&length);
        answer.extend_from_slice(&sealed);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    Ok(answer)
}
