//! What tests put into projects directly: resources that somebody else made.

use serde_json::{Map, Value};

use super::{GoogleEmulator, PROJECT, REGION, run};

/// Kinds of resources that [`GoogleEmulator::add_someone_elses`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ResourceKind {
    /// A bucket in Storage.
    Bucket,
    /// A repository in Artifact Registry.
    Repository,
    /// A service in Cloud Run, which never answers.
    Service,
    /// A subscription in Pub/Sub, to a topic that was deleted.
    Subscription,
    /// A topic in Pub/Sub.
    Topic,
}

impl GoogleEmulator {
    /// Makes a resource that somebody else might have made, in the project [`PROJECT`] and the region [`REGION`]; gives
    /// its name. No request is recorded for it.
    pub fn add_someone_elses(&self, kind: ResourceKind, name: &str, labels: &[(&str, &str)]) -> String {
        let labels: Map<String, Value> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
        let labels = Value::Object(labels);
        let now_ms = self.shared.clock.now_ms();
        let mut state = self.shared.state();
        match kind {
            ResourceKind::Bucket => state.storage.add(PROJECT, name, &labels, now_ms),
            ResourceKind::Repository => state.repositories.add(PROJECT, REGION, name, &labels, now_ms),
            ResourceKind::Subscription => state.pubsub.add_subscription(PROJECT, name, &labels),
            ResourceKind::Topic => state.pubsub.add_topic(PROJECT, name, &labels),
            ResourceKind::Service => {
                drop(state);
                run::add(&self.shared, &(PROJECT.into(), REGION.into(), name.into()), &labels)
            }
        }
    }
}
