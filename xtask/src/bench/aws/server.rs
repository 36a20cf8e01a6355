//! A server that answers `Invoke` at once: it runs the call in place, as a warm worker of no distance would.

use std::io::{self, Read as _};

use anyhow::{Context as _, Result};
use aws_smithy_types::base64;
use bytes::{Buf as _, Bytes, BytesMut};
use faast_core::function::{Body, lookup};
use faast_core::provider::{Event, ExecutionId, InstanceId, Metering, Outcome, Payload};
use faast_core::wire::frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const EXECUTION: &str = "8f5f36f6-0a3d-4b5c-9a3c-111111111111";

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
    let tail = base64::encode(format!(
        "START RequestId: {EXECUTION} Version: $LATEST\nEND RequestId: {EXECUTION}\nREPORT RequestId: {EXECUTION}\t\
         Duration: 0.90 ms\tBilled Duration: 1 ms\tMemory Size: 1728 MB\tMax Memory Used: 19 MB\t\n"
    ));
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-amzn-RequestId: {EXECUTION}\r\nX-Amz-Executed-Version: \
         $LATEST\r\nX-Amz-Log-Result: {tail}\r\nContent-Length: "
    );
    let mut received = BytesMut::with_capacity(8192);
    loop {
        while let Some(body) = take_request(&mut received)? {
            let answer = answer(&body)?;
            stream.write_all(format!("{head}{}\r\n\r\n{answer}", answer.len()).as_bytes()).await?;
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

/// Runs the call in a request.
fn answer(body: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(body)?.trim_matches('"');
    let mut sealed = Bytes::from(base64::decode(text)?);
    anyhow::ensure!(sealed.split_to(1)[..] == [0], "it is compressed");
    let request = frame::decode_request(sealed)?;
    let call = request.calls.first().context("no call")?;
    let entry = lookup(&call.function.name).context("no such function")?;
    let (Body::Sync(run), Payload::Inline(args)) = (entry.body, &call.args) else { anyhow::bail!("not that kind") };
    let mut value = Vec::new();
    run(args, &mut value).map_err(|failure| anyhow::anyhow!("{}", failure.message))?;
    let mut events = vec![0];
    let started = Event::Started {
        call: call.id,
        instance: InstanceId("2026/11/22/[$LATEST]0123456789abcdef0123456789abcdef".into()),
        execution: Some(ExecutionId(EXECUTION.into())),
    };
    frame::encode_event(&started, &mut events);
    let outcome = Outcome::Ok(Payload::Inline(value.into()));
    frame::encode_event(&Event::Done { call: call.id, outcome, metering: Metering::default() }, &mut events);
    Ok(format!("\"{}\"", base64::encode(events)))
}
