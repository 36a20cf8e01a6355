//! What this crate's own tests and benches use of its inside. No part of the public interface, and free to change.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use faast_core::Result;
use faast_core::provider::{BlobStore, DeploymentId};

use crate::Google;
use crate::config::{Given, Settings};
use crate::credentials::{Credentials, Secret};
pub use crate::deploy::LONGEST_CHAIN;
use crate::endpoint::Endpoints;
pub use crate::invoke::{Invoker, Plan};
use crate::queue::Begun;
pub use crate::queue::Queue;
use crate::rest::{DEPLOYING, Rest};
use crate::store::Store;
use crate::{label, resource};

/// The queue of the deployment called `name` in the project `p`, at an endpoint that wants no credentials.
///
/// # Errors
///
/// [`Config`](faast_core::ErrorKind::Config) when the endpoint is none, or the HTTPS client can't be made.
pub fn queue_at(plan: Plan, endpoint: &str, name: &str, secret: Option<&str>) -> Result<Queue> {
    Ok(Queue::new(plan, rest_at(endpoint)?, "p", name, secret.map(Secret::new), Begun::new(String::new())))
}

/// The same queue, which gives up at once where no worker begins anything, with this advice.
///
/// # Errors
///
/// As [`queue_at`].
pub fn impatient_queue_at(plan: Plan, endpoint: &str, name: &str, secret: &str, advice: &str) -> Result<Queue> {
    let begun = Begun::new(advice.into()).patience(Duration::ZERO);
    Ok(Queue::new(plan, rest_at(endpoint)?, "p", name, Some(Secret::new(secret)), begun))
}

/// The store of a deployment in the project `p`, at an endpoint that wants no credentials.
///
/// # Errors
///
/// [`Config`](faast_core::ErrorKind::Config) when the endpoint is none, or the HTTPS client can't be made.
pub fn store_at(endpoint: &str, deployment: &DeploymentId) -> Result<Arc<dyn BlobStore>> {
    let now = SystemTime::now();
    let labels = label::new(deployment, now, now + Duration::from_hours(1), &[]);
    Ok(Arc::new(Store::new(rest_at(endpoint)?, "p", resource::name(deployment), REGION, labels)))
}

const REGION: &str = "us-central1";

fn rest_at(endpoint: &str) -> Result<Rest> {
    let settings = Settings { endpoint_url: Some(endpoint.into()), ..Settings::default() };
    Rest::new(Endpoints::of(&settings, REGION)?, Credentials::anonymous(), DEPLOYING)
}

/// A provider that looks for no credentials, and has none.
pub fn anonymous(mut google: Google) -> Google {
    google.settings.credentials = Some(Given::Anonymous);
    google
}

/// A provider that looks for no credentials, and has those of this file.
pub fn credentials(mut google: Google, file: serde_json::Value) -> Google {
    google.settings.credentials = Some(Given::File(file));
    google
}

/// A provider whose control plane pauses so long before it calls again, where Google's own pace would keep a test waiting.
pub fn first_pause(mut google: Google, pause: Duration) -> Google {
    google.settings.first_pause = Some(pause);
    google
}
