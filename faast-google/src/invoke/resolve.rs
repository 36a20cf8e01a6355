//! Names of hosts: one look-up for all connections that are opened at about the same time. A burst of hundreds of them
//! would otherwise ask the system hundreds of times, on as many threads.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Mutex;

/// How long an answer counts.
const FRESH: Duration = Duration::from_secs(20);

/// The addresses of a name, and when they were found.
type Found = (Vec<SocketAddr>, Instant);

/// Looks names up. Locked by whoever looks, so that the others find what it found.
#[derive(Debug, Clone, Default)]
pub(super) struct Resolver(Arc<Mutex<HashMap<String, Found>>>);

impl Resolver {
    async fn look_up(self, name: String, now: Instant) -> io::Result<Vec<SocketAddr>> {
        let mut known = self.0.lock().await;
        if let Some((addresses, at)) = known.get(&name)
            && now.saturating_duration_since(*at) < FRESH
        {
            return Ok(addresses.clone());
        }
        let addresses: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
        known.insert(name, (addresses.clone(), now));
        Ok(addresses)
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, name) = (self.clone(), name.as_str().to_owned());
        Box::pin(async move {
            let addresses = resolver.look_up(name, Instant::now()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_looked_up_once_and_again_when_that_is_old() {
        let (resolver, now) = (Resolver::default(), Instant::now());
        let address: SocketAddr = ([192, 0, 2, 1], 0).into();
        resolver.0.lock().await.insert("localhost".into(), (vec![address], now));
        assert_eq!(resolver.clone().look_up("localhost".into(), now).await.unwrap(), [address]);
        let again = resolver.look_up("localhost".into(), now + FRESH).await.unwrap();
        assert!(again.iter().all(|found| found.ip().is_loopback()) && !again.is_empty(), "{again:?}");
    }
}
