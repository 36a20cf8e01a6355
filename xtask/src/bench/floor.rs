//! The physical limits: the same work by bare processes and sockets, with nothing of faast.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::json;

use super::machine::stay_on_one_processor;
use super::run::floor;
use super::sample::{micros, quantile};

/// Runs the floor that the words name, as a process of its own.
pub(super) fn main(words: &[&str]) -> Result<()> {
    match words {
        ["bare"] => println!("hello world!"),
        ["bare-with-child"] => {
            let status = floor(&["bare"]).stdout(Stdio::null()).spawn()?.wait()?;
            ensure!(status.success(), "the child failed: {status}");
            println!("hello world!");
        }
        ["echo", bytes] => echo(bytes.parse()?)?,
        ["ping", calls, bytes, place] => ping(calls.parse()?, bytes.parse()?, place)?,
        ["journal", records, bytes] => journal(records.parse()?, bytes.parse()?)?,
        ["up"] => {
            let mut socket = own_socket()?;
            socket.write_all(&[1])?;
            // Until the other end is closed.
            let _ = socket.read(&mut [0])?;
        }
        #[cfg(feature = "bench-aws")]
        ["aws", rest @ ..] => super::aws::floor_main(rest)?,
        #[cfg(feature = "bench-google")]
        ["google", rest @ ..] => super::google::floor_main(rest)?,
        other => bail!("no floor {other:?}"),
    }
    Ok(())
}

/// A bare process at the other end of a socket pair.
pub(super) struct Peer {
    socket: UnixStream,
    child: Child,
}

impl Peer {
    /// Starts the floor of these words with a socket as its standard input.
    pub(super) fn start(words: &[&str]) -> Result<Self> {
        let (socket, far) = UnixStream::pair()?;
        let child = floor(words).stdin(OwnedFd::from(far)).spawn()?;
        Ok(Self { socket, child })
    }

    /// Sends a message and waits for as many bytes.
    pub(super) fn round_trip(&mut self, message: &mut [u8]) -> io::Result<()> {
        self.socket.write_all(message)?;
        self.socket.read_exact(message)
    }

    /// Waits for a byte.
    pub(super) fn wait_for_byte(&mut self) -> io::Result<()> {
        self.socket.read_exact(&mut [0])
    }

    /// Closes the socket and waits for the end of the process.
    pub(super) fn end(self) -> Result<()> {
        let Self { socket, mut child } = self;
        drop(socket);
        let status = child.wait()?;
        ensure!(status.success(), "a bare process failed: {status}");
        Ok(())
    }
}

fn own_socket() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Sends every whole message back.
fn echo(bytes: usize) -> Result<()> {
    let mut socket = own_socket()?;
    let mut message = vec![0; bytes];
    while let Ok(()) = socket.read_exact(&mut message) {
        socket.write_all(&message)?;
    }
    Ok(())
}

/// Round trips one after the other.
fn ping(calls: u32, bytes: usize, place: &str) -> Result<()> {
    if place == "pinned" {
        stay_on_one_processor()?;
    }
    let mut peer = Peer::start(&["echo", &bytes.to_string()])?;
    let mut message = vec![7; bytes];
    let mut samples = Vec::new();
    for call in 0..calls + calls / 10 {
        let start = Instant::now();
        peer.round_trip(&mut message)?;
        if call >= calls / 10 {
            samples.push(micros(start.elapsed()));
        }
    }
    peer.end()?;
    println!("{}", json!({ "p50": quantile(&samples, 500), "p99": quantile(&samples, 990) }));
    Ok(())
}

/// One system call that outlives a crash for each record: what exact blame costs at least.
fn journal(records: u32, bytes: usize) -> Result<()> {
    let file = memfd_create("floor", MemfdFlags::CLOEXEC)?;
    let record = vec![7; bytes];
    let start = Instant::now();
    for number in 0..records {
        rustix::io::pwrite(&file, &record, u64::from(number % 1024) * bytes as u64)?;
    }
    println!("{}", json!({ "per_second": f64::from(records) / start.elapsed().as_secs_f64() }));
    Ok(())
}

/// Keeps a processor busy: so many rounds of arithmetic that can't be shortened.
pub(super) fn spin(rounds: u64) -> u64 {
    (0..rounds)
        .fold(1, |value: u64, round| black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round)))
}

/// Rounds of [`spin`] in a microsecond, on a processor that has nothing else to do.
pub(super) fn rounds_per_micro() -> u64 {
    const ROUNDS: u32 = 1_000_000;
    let fastest = (0..10).map(|_| {
        let start = Instant::now();
        black_box(spin(ROUNDS.into()));
        start.elapsed().as_nanos().max(1)
    });
    let nanos = fastest.min().unwrap_or(1);
    u64::try_from(u128::from(ROUNDS) * 1000 / nanos).unwrap_or(1).max(1)
}
