//! A server that answers calls at once: it runs the call in place, as a warm worker of no distance would.

use std::io::{self, Read as _};

use anyhow::{Context as _, Result};
use bytes::{Buf as _, Bytes, BytesMut};
use faast_core::function::{Body, lookup};
use faast_core::provider::{Event, InstanceId, Metering, Outcome, Payload};
use faast_core::wire::{frame, sealed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Prints where it listens, and serves until standard input ends.
pub(super) fn main() -> Result<()> {
    std::thread::spawn(|| {
        // An error is an end too.
        let _ = io::stdin().lock().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("http://{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(serve(stream));
        }
    })
}

async fn serve(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut received = BytesMut::with_capacity(8192);
    loop {
        while let Some(body) = take_request(&mut received)? {
            stream.write_all(&answer(body)?).await?;
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

/// The body of the next request, if it has arrived as a whole.
fn take_request(received: &mut BytesMut) -> Result<Option<Bytes>> {
    let Some(end) = received.windows(4).position(|it| it == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&received[..end])?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    let length = length.context("no length")??;
    if received.len() < end + 4 + length {
        return Ok(None);
    }
    received.advance(end + 4);
    Ok(Some(received.split_to(length).freeze()))
}

/// Runs the call in a request; its answer, in chunks as a worker sends it.
fn answer(body: Bytes) -> Result<Vec<u8>> {
    let request = frame::decode_request(sealed::open(body)?)?;
    let call = request.calls.first().context("no call")?;
    let entry = lookup(&call.function.name).context("no such function")?;
    let (Body::Sync(run), Payload::Inline(args)) = (entry.body, &call.args) else { anyhow::bail!("not that kind") };
    let mut value = Vec::new();
    run(args, &mut value).map_err(|failure| anyhow::anyhow!("{}", failure.message))?;
    let instance = InstanceId("0123456789abcdef0123456789abcdef".into());
    let mut answer =
        b"HTTP/1.1 200 OK\r\nfaast: 1\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    let outcome = Outcome::Ok(Payload::Inline(value.into()));
    for event in [
        Event::Started { call: call.id, instance, execution: None },
        Event::Done { call: call.id, outcome, metering: Metering::default() },
    ] {
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
