//! The same calls without faast: what they send, how they are kept in flight, and what they took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use faast_core::provider::{CallFrame, CallId, DeploymentId, FunctionId, Payload, Request};
use faast_core::wire::frame;
use serde_json::{Value, json};

use super::super::machine::processor_time;
use super::client::nothing_id;

/// The request that faast sends for one call, not compressed and not sealed.
pub(in super::super) fn request(id: u64) -> Vec<u8> {
    let (name, signature, args) = nothing_id(id);
    let call = CallFrame {
        id: CallId(id),
        attempt: 1,
        function: FunctionId { name: name.into(), signature },
        timeout: Duration::from_mins(1),
        args: Payload::Inline(args),
        trace: None,
    };
    let request = Request { deployment: DeploymentId::random(), build: 1, calls: vec![call] };
    let mut bytes = vec![0];
    frame::encode_request(&request, &mut bytes);
    bytes
}

/// So many tasks that call one after the other.
pub(in super::super) async fn in_flight<F>(
    tasks: usize,
    calls: u32,
    call: impl Fn(u64) -> F + Clone + Send + 'static,
) -> Result<()>
where
    F: Future<Output = Result<()>> + Send,
{
    let next = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let (next, call) = (Arc::clone(&next), call.clone());
            tokio::spawn(async move {
                loop {
                    let id = next.fetch_add(1, Ordering::Relaxed);
                    if id >= calls {
                        return anyhow::Ok(());
                    }
                    call(id.into()).await?;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Runs so many calls, and before the clock starts some that open the connections.
pub(in super::super) async fn timed<F>(warm_up: u32, calls: u32, run: impl Fn(u32) -> F) -> Result<Value>
where
    F: Future<Output = Result<()>>,
{
    run(warm_up).await?;
    let (start, used) = (Instant::now(), processor_time());
    run(calls).await?;
    let (time, used) = (start.elapsed(), processor_time().saturating_sub(used));
    let calls = f64::from(calls);
    Ok(json!({
        "per_second": calls / time.as_secs_f64(),
        "client_cpu_per_10k": used.as_secs_f64() / calls * 1e4,
    }))
}
