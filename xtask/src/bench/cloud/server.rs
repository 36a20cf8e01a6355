//! A server that answers calls at once: it runs them in place, as a warm worker of no distance would.

use std::io::{self, Read as _};

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::{Buf as _, Bytes, BytesMut};
use faast_core::function::{Body, lookup};
use faast_core::provider::{CallId, Event, Metering, Outcome, Payload, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Makes the whole answer to the body of a request.
pub(in super::super) type Answer = fn(&Bytes) -> Result<Vec<u8>>;

/// Prints where it listens, and serves until standard input ends.
pub(in super::super) fn main(answer: Answer) -> Result<()> {
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
            tokio::spawn(serve(stream, answer));
        }
    })
}

async fn serve(mut stream: TcpStream, answer: Answer) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut received = BytesMut::with_capacity(8192);
    loop {
        while let Some(body) = take_request(&mut received)? {
            stream.write_all(&answer(&body)?).await?;
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

/// Runs the call in a request; gives its end.
pub(in super::super) fn run(request: &Request) -> Result<(CallId, Event)> {
    let call = request.calls.first().context("no call")?;
    let entry = lookup(&call.function.name).context("no such function")?;
    let (Body::Sync(run), Payload::Inline(args)) = (entry.body, &call.args) else { bail!("not that kind") };
    let mut value = Vec::new();
    run(args, &mut value).map_err(|failure| anyhow!("{}", failure.message))?;
    let outcome = Outcome::Ok(Payload::Inline(value.into()));
    Ok((call.id, Event::Done { call: call.id, outcome, metering: Metering::default() }))
}
