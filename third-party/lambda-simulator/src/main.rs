//! One sandbox of Lambda for one program, by `lambda-simulator`, which stops it between calls with signals.
//!
//! `frozen-lambda <handler> <program> [argument..]`. It says the number of the program's process, and then reads calls: a
//! line has the milliseconds until the call's deadline, a space, and the event in JSON. It answers with a line of the status
//! and the response in JSON, and with `frozen` once the signal is sent. All ends with its input.

use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use lambda_simulator::process::{ProcessConfig, ProcessRole};
use lambda_simulator::{FreezeMode, InvocationBuilder, InvocationStatus, Simulator};
use tokio::runtime::Builder;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(handler), Some(program)) = (words.next(), words.next()) else {
        return Err("usage: frozen-lambda <handler> <program> [argument..]".into());
    };
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let simulator = Simulator::builder().handler(handler).memory_size_mb(256).freeze_mode(FreezeMode::Process);
    let simulator = runtime.block_on(simulator.build())?;
    // What it prints is no answer of ours.
    let program = ProcessConfig::new(program, ProcessRole::Runtime).inherit_stdio(false);
    let worker = simulator.spawn_process_with_config(words.fold(program, ProcessConfig::arg))?;
    say(&worker.pid().to_string())?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (deadline, event) = line.split_once(' ').ok_or("a call has a deadline and an event")?;
        let invocation = InvocationBuilder::new().timeout_ms(deadline.parse()?).payload(serde_json::from_str(event)?);
        say(&runtime.block_on(call(&simulator, invocation))?)?;
        runtime.block_on(frozen(&simulator));
        say("frozen")?;
    }
    Ok(())
}

fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// The status and the response, whenever they come.
async fn call(simulator: &Simulator, invocation: InvocationBuilder) -> Result<String, Box<dyn Error>> {
    let id = simulator.enqueue(invocation.build()?).await;
    loop {
        let state = simulator.get_invocation_state(&id).await.ok_or("the invocation is gone")?;
        if !matches!(state.status, InvocationStatus::Pending | InvocationStatus::InProgress) {
            let response = state.response.map(|response| response.payload).unwrap_or_default();
            return Ok(format!("{:?} {response}", state.status));
        }
        // Its own way to wait misses a change that comes between its look and its wait.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn frozen(simulator: &Simulator) {
    while !simulator.is_frozen() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
