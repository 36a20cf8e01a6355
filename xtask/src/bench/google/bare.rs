//! The same calls without faast: a loop of reqwest, which sends each body and reads each answer, and nothing more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use faast_core::provider::{CallFrame, CallId, DeploymentId, FunctionId, Payload, Request};
use faast_core::wire::{frame, sealed};
use serde_json::json;

use super::super::machine::processor_time;
use super::client::nothing_id;
use super::{AT_ONCE, SECRET};

/// Calls before the clock starts: connections are open then.
const WARM_UP: u32 = 2000;

/// A body as faast sends it for one call.
fn body(id: u64) -> Result<Bytes> {
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
    Ok(sealed::seal(bytes)?.into())
}

/// Five hundred tasks that call one after the other, on one client with a pool that is large enough.
pub(super) fn reqwest(endpoint: &str, calls: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (time, used) = runtime.block_on(async {
        let client = reqwest::Client::builder().http1_only().pool_max_idle_per_host(AT_ONCE).build()?;
        let url = format!("{endpoint}/call");
        in_flight(&client, &url, WARM_UP).await?;
        let (start, used) = (Instant::now(), processor_time());
        in_flight(&client, &url, calls).await?;
        anyhow::Ok((start.elapsed(), processor_time().saturating_sub(used)))
    })?;
    let calls = f64::from(calls);
    println!(
        "{}",
        json!({ "per_second": calls / time.as_secs_f64(), "client_cpu_per_10k": used.as_secs_f64() / calls * 1e4 })
    );
    Ok(())
}

async fn in_flight(client: &reqwest::Client, url: &str, calls: u32) -> Result<()> {
    let next = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (next, client, url) = (Arc::clone(&next), client.clone(), url.to_owned());
            tokio::spawn(async move {
                loop {
                    let id = next.fetch_add(1, Ordering::Relaxed);
                    if id >= calls {
                        return anyhow::Ok(());
                    }
                    let request = client.post(&url).header("x-faast-secret", SECRET);
                    let request = request.header("content-type", "application/octet-stream").body(body(id.into())?);
                    let response = request.send().await?;
                    ensure!(response.status() == 200, "{response:?}");
                    ensure!(response.bytes().await?.len() > 2, "an empty answer");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}
