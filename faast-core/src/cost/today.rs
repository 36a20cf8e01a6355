//! Prices of the day: what a provider's price service says, asked at most once a day.
//!
//! A price is wanted for a report, so that nothing waits for it longer than a moment, and nothing fails for want of it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::future::Future;
use std::time::{Duration, SystemTime};

use crate::cache::{CacheFolder, is_fresh};
use crate::log::Channel;

/// US dollars by metric: those in the cache if they are of today, else what `ask` gives.
///
/// None where that does not come within `patience`, or is refused.
pub async fn prices_of_today<E: Display>(
    cache: &CacheFolder,
    region: &str,
    patience: Duration,
    ask: impl Future<Output = Result<BTreeMap<String, f64>, E>>,
) -> BTreeMap<String, f64> {
    let file = format!("prices/{region}.json");
    let path = cache.root().join(&file);
    let mut found: BTreeMap<String, f64> = BTreeMap::new();
    if is_fresh(&path, CacheFolder::MAX_AGE, SystemTime::now()) {
        // A file that can't be read is as good as none.
        found = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    }
    if found.is_empty() {
        match tokio::time::timeout(patience, ask).await {
            Ok(Ok(asked)) => {
                found = asked;
                // Next time it is asked again, then.
                let _ = serde_json::to_vec(&found).map(|bytes| cache.write(&file, &bytes));
            }
            Ok(Err(why)) => crate::log!(Channel::Provider, "the prices of {region} can't be had: {why}"),
            Err(_) => crate::log!(Channel::Provider, "the prices of {region} did not come in time"),
        }
    }
    found
}
