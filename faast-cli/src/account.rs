//! The provider that was asked for, with the cache folder of this home, and what is found there.

use std::sync::Arc;
use std::time::SystemTime;

use faast::core::cache::CacheFolder;
use faast::core::provider::{CloudProvider, by_name};
use faast::core::stray::{Found, Query, find};

use crate::cli::Place;

/// Where the command looks.
pub(crate) struct Account {
    pub(crate) provider: Box<dyn CloudProvider>,
    pub(crate) cache: Arc<CacheFolder>,
}

impl Account {
    /// The provider of that name.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(crate) fn open(place: &Place) -> faast::Result<Self> {
        let provider = by_name(&place.provider)?;
        let cache = Arc::new(CacheFolder::open(provider.name()));
        Ok(Self { provider, cache })
    }

    /// Everything that there is now.
    pub(crate) async fn find(&self, place: &Place) -> Found {
        let query = place.regions.iter().fold(Query::default(), |query, region| query.region(region.as_str()));
        let query = place.deployments.iter().fold(query, |query, id| query.deployment(id.as_str().into()));
        find(&*self.provider, &self.cache, &query, SystemTime::now()).await
    }
}
