//! Tariffs: what a run would cost on another provider, by how long its calls ran here.
//!
//! What is used and what a unit costs is the other provider's to say; nothing is deployed there. All of it is an estimate:
//! another machine is faster or slower, and starts of its own are not counted.

use std::sync::Arc;
use std::time::Duration;

use super::{PriceTable, Quantity, Usage};
use crate::error::Result;
use crate::provider::{CloudProvider, DeploySpec};

/// A provider with what would be deployed on it.
#[derive(Debug, Clone)]
pub(crate) struct Tariff {
    provider: Arc<dyn CloudProvider>,
    spec: DeploySpec,
}

impl Tariff {
    pub(crate) fn new(provider: Arc<dyn CloudProvider>, spec: DeploySpec) -> Self {
        Self { provider, spec }
    }

    /// The other provider's prices, whose sources say that they are.
    pub(crate) async fn prices(&self) -> Result<PriceTable> {
        let mut table = self.provider.prices("").await?;
        let name = self.provider.name();
        for price in table.prices.values_mut() {
            price.source = format!("as if on {name}: {}", price.source);
        }
        Ok(table)
    }

    /// What one call would use at the very most.
    pub(crate) fn worst_case(&self) -> Usage {
        self.provider.worst_case(&self.spec).unwrap_or_default()
    }

    /// What an attempt uses that runs for so long.
    pub(crate) fn quantities(&self, ran: Duration) -> Vec<Quantity> {
        let used = self.provider.usage_of(&self.spec, ran);
        used.quantities().map(|used| Quantity { measured: false, ..used }).collect()
    }
}
