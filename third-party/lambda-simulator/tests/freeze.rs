//! Between two calls Lambda stops the whole sandbox. Here the simulator does it, with signals, to a worker of ours.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use faast_core::function::{FunctionEntry, build_fingerprint};
use faast_core::provider::{CallFrame, CallId, DeploymentId, Event, Outcome, Payload, Request};
use faast_core::wire::{decompress, frame};
use faast_core::worker::Mark;
use lambda_simulator::process::{ManagedProcess, ProcessRole};
use lambda_simulator::{FreezeMode, InvocationBuilder, InvocationStatus, Simulator};
use simulated_lambda::{COUNT, NAME, START};

/// For whatever should come at once.
const PATIENCE: Duration = Duration::from_mins(1);

/// Times a thread that ran would have written in the meantime.
const MISSED: u32 = 50;

/// Calls with a freeze after each.
const CALLS: u64 = 6;

fn main() {
    // The process that the simulator starts is this program, too: it has the same functions.
    if simulated_lambda::serve() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(a_worker_goes_on_after_each_freeze_and_does_nothing_meanwhile());
    println!("a worker goes on after each freeze, and does nothing meanwhile ... ok");
}

async fn a_worker_goes_on_after_each_freeze_and_does_nothing_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let ticks = folder.path().join("ticks");
    fs::write(&ticks, "").unwrap();
    let simulator = Simulator::builder()
        .handler(Mark::for_child(NAME).to_string())
        .memory_size_mb(256)
        .freeze_mode(FreezeMode::Process)
        .build()
        .await
        .unwrap();
    let worker = simulator.spawn_process(std::env::current_exe().unwrap(), ProcessRole::Runtime).unwrap();

    let path = ticks.to_str().unwrap();
    assert_eq!(call(&simulator, 0, &START, path.as_bytes()).await, b"");
    let mut last = does_nothing_while_frozen(&simulator, &worker, &ticks).await;
    for id in 1..=CALLS {
        let value = call(&simulator, id, &COUNT, b"").await;
        let counted = u64::from_le_bytes(value.try_into().unwrap());
        // It has run on in between, and it is the same process: a new one would begin with none.
        assert!(counted > last, "{counted} after {last}");
        last = does_nothing_while_frozen(&simulator, &worker, &ticks).await;
        assert!(last >= counted, "{last} written, {counted} counted");
    }
    assert_eq!(simulator.freeze_epoch(), CALLS + 1, "it was thawed for each call, after the first one's start");
}

/// One call, and its value.
async fn call(simulator: &Simulator, id: u64, function: &FunctionEntry, args: &[u8]) -> Vec<u8> {
    let call = CallFrame {
        id: CallId(id),
        attempt: 1,
        function: function.id(),
        timeout: PATIENCE,
        args: Payload::Inline(Bytes::copy_from_slice(args)),
        trace: None,
    };
    let request = Request { deployment: DeploymentId::from("d"), build: build_fingerprint(), calls: vec![call] };
    let mut encoded = vec![0];
    frame::encode_request(&request, &mut encoded);
    let invocation = InvocationBuilder::new().payload(STANDARD.encode(encoded).into()).timeout_ms(120_000);
    let invocation = simulator.enqueue(invocation.build().unwrap()).await;
    let state = simulator.wait_for_invocation_complete(&invocation, PATIENCE).await.unwrap();
    assert_eq!(state.status, InvocationStatus::Success, "{state:?}");
    let answer = STANDARD.decode(state.response.unwrap().payload.as_str().unwrap()).unwrap();
    let events = match answer[0] {
        0 => Bytes::copy_from_slice(&answer[1..]),
        _ => decompress(&answer[1..], 1 << 30).unwrap(),
    };
    let events: Vec<Event> = frame::decode_events(events).map(Result::unwrap).collect();
    match &events[..] {
        [
            Event::Started { call: first, .. },
            Event::Done { call, outcome: Outcome::Ok(Payload::Inline(value)), .. },
        ] => {
            assert_eq!((first.0, call.0), (id, id));
            value.to_vec()
        }
        other => unreachable!("{other:?}"),
    }
}

/// Waits for the freeze, and gives the number of ticks in it, which stays what it is.
async fn does_nothing_while_frozen(simulator: &Simulator, worker: &ManagedProcess, ticks: &Path) -> u64 {
    simulator.wait_for_frozen(PATIENCE).await.unwrap();
    // A signal was sent; `T` in the third field says that it has arrived.
    let stat = format!("/proc/{}/stat", worker.pid());
    let stopped = || fs::read_to_string(&stat).unwrap().contains(") T ");
    while !stopped() {
        thread::yield_now();
    }
    let written = || fs::metadata(ticks).unwrap().len();
    let before = written();
    for _ in 0..MISSED {
        // Nothing to wait for: what is looked for is that nothing happens.
        thread::sleep(Duration::from_millis(1));
        assert_eq!(written(), before, "the worker runs while it is frozen");
    }
    assert!(stopped());
    before
}
