//! The same calls without faast: a loop of reqwest, which sends each body and reads each answer, and nothing more.

use anyhow::{Result, ensure};
use faast_core::wire::sealed;

use super::super::cloud::bare::{in_flight, request, timed};
use super::{AT_ONCE, SECRET, WARM_UP};

/// Five hundred tasks that call one after the other, on one client with a pool that is large enough.
pub(super) fn reqwest(endpoint: &str, calls: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let measured = runtime.block_on(async {
        let client = reqwest::Client::builder().http1_only().pool_max_idle_per_host(AT_ONCE).build()?;
        let url = format!("{endpoint}/call");
        let call = move |id: u64| {
            let (client, url) = (client.clone(), url.clone());
            async move {
                let call = client.post(url).header("x-faast-secret", SECRET);
                let call = call.header("content-type", "application/octet-stream").body(sealed::seal(request(id))?);
                let response = call.send().await?;
                ensure!(response.status() == 200, "{response:?}");
                ensure!(response.bytes().await?.len() > 2, "an empty answer");
                Ok(())
            }
        };
        timed(WARM_UP, calls, |calls| in_flight(AT_ONCE, calls, call.clone())).await
    })?;
    println!("{measured}");
    Ok(())
}
