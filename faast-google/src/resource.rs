//! The resources of a deployment: their kinds, names and the order in which they are deleted.

use std::time::SystemTime;

pub(crate) use faast_core::control::{deployment_of, resource_name as name};
use faast_core::provider::Resource;

/// What a deployment can leave in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// Pushes requests to the service, in queue mode.
    RequestSubscription,
    /// Where the client reads the answers, in queue mode.
    ResponseSubscription,
    /// Holds the requests, in queue mode.
    RequestTopic,
    /// Holds the answers, in queue mode.
    ResponseTopic,
    /// Holds payloads that are too large for a request or a message. Made when it is needed, so mostly not there.
    Bucket,
    /// Holds the image. One for each deployment, so that deleting it deletes the image.
    Repository,
    /// The last to go: it is found in all regions at once, by its labels.
    Service,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::RequestSubscription,
        Self::ResponseSubscription,
        Self::RequestTopic,
        Self::ResponseTopic,
        Self::Bucket,
        Self::Repository,
        Self::Service,
    ];

    /// The kind as people and the ledger have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RequestSubscription | Self::ResponseSubscription => "subscription",
            Self::RequestTopic | Self::ResponseTopic => "topic",
            Self::Bucket => "bucket",
            Self::Repository => "repository",
            Self::Service => "service",
        }
    }

    /// What follows the deployment's name in the id.
    fn ending(self) -> &'static str {
        match self {
            Self::RequestSubscription | Self::RequestTopic => "-requests",
            Self::ResponseSubscription | Self::ResponseTopic => "-responses",
            Self::Bucket | Self::Repository | Self::Service => "",
        }
    }

    /// Kind and deployment's name of a resource, if it is one that faast makes.
    pub(crate) fn parse(resource: &Resource) -> Option<(Self, &str)> {
        Self::ALL.into_iter().filter(|kind| kind.name() == resource.kind).find_map(|kind| {
            let name = resource.id.strip_suffix(kind.ending())?;
            deployment_of(name).map(|_| (kind, name))
        })
    }

    /// Lower ranks are deleted first.
    pub(crate) fn rank(self) -> u32 {
        match self {
            Self::RequestSubscription | Self::ResponseSubscription => 10,
            Self::RequestTopic | Self::ResponseTopic => 20,
            Self::Bucket => 30,
            Self::Repository => 40,
            Self::Service => 50,
        }
    }

    /// Whether it is in one region; the others are the project's.
    pub(crate) fn is_regional(self) -> bool {
        matches!(self, Self::Bucket | Self::Repository | Self::Service)
    }

    /// The id of this kind's resource for a deployment's name.
    pub(crate) fn id(self, name: &str) -> String {
        format!("{name}{}", self.ending())
    }

    pub(crate) fn resource(self, name: &str, region: &str, expires: Option<SystemTime>) -> Resource {
        let mut resource = Resource::new(self.name(), self.id(name));
        resource.rank = self.rank();
        resource.expires = expires;
        if self.is_regional() {
            resource.region = region.into();
        }
        resource
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "faast-6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11";

    #[test]
    fn a_resource_comes_back_as_its_kind() {
        for kind in Kind::ALL {
            let resource = kind.resource(NAME, "europe-west1", None);
            assert_eq!(Kind::parse(&resource), Some((kind, NAME)));
            assert_eq!(resource.region.is_empty(), !kind.is_regional());
        }
    }

    #[test]
    fn only_names_with_an_id_and_the_right_ending_are_faasts() {
        for (kind, id) in [
            ("service", "faast-batch".to_owned()),
            ("service", NAME.to_uppercase()),
            ("service", format!("{NAME}-requests")),
            ("topic", NAME.to_owned()),
            ("topic", format!("{NAME}-other")),
            ("function", NAME.to_owned()),
        ] {
            assert_eq!(Kind::parse(&Resource::new(kind, id.clone())), None, "{kind} {id}");
        }
    }

    #[test]
    fn names_fit_into_what_every_service_takes() {
        let longest = Kind::ALL.iter().map(|kind| kind.id(NAME).len()).max().unwrap();
        assert!(NAME.len() <= 49, "a service's name has 49 characters at most");
        assert!(longest <= 63, "a bucket's has 63, a topic's 255");
    }
}
