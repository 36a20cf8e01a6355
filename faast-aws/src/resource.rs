//! The resources of a deployment: their kinds, names and the order in which they are deleted.

use std::time::SystemTime;

pub(crate) use faast_core::control::{deployment_of, resource_name as name};
use faast_core::provider::Resource;

/// What a deployment can leave in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// Holds the answers in queue mode.
    Queue,
    /// Holds what is too large for Lambda: payloads, and an archive. Made when it is needed, so mostly not there.
    Bucket,
    Function,
    LogGroup,
    /// Global, and the last to go: it is found by its path, at once, where the tagging service needs a while.
    Role,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Queue, Self::Bucket, Self::Function, Self::LogGroup, Self::Role];

    /// The kind as people and the ledger have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Bucket => "bucket",
            Self::Function => "function",
            Self::LogGroup => "log group",
            Self::Role => "role",
        }
    }

    pub(crate) fn of(resource: &Resource) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == resource.kind)
    }

    /// Lower ranks are deleted first.
    pub(crate) fn rank(self) -> u32 {
        match self {
            Self::Queue => 10,
            Self::Bucket => 20,
            Self::Function => 30,
            Self::LogGroup => 40,
            Self::Role => 50,
        }
    }

    /// The id of this kind's resource for a deployment's name.
    pub(crate) fn id(self, name: &str) -> String {
        match self {
            Self::LogGroup => format!("{LOG_GROUPS}{name}"),
            _ => name.into(),
        }
    }

    /// The deployment's name in an id of this kind.
    pub(crate) fn name_in(self, id: &str) -> Option<&str> {
        match self {
            Self::LogGroup => id.strip_prefix(LOG_GROUPS),
            _ => Some(id),
        }
    }

    pub(crate) fn resource(self, name: &str, region: &str, expires: Option<SystemTime>) -> Resource {
        let mut resource = Resource::new(self.name(), self.id(name));
        resource.rank = self.rank();
        resource.expires = expires;
        if self != Self::Role {
            resource.region = region.into();
        }
        resource
    }
}

/// Where Lambda keeps the logs of functions, unless told otherwise.
pub(crate) const LOG_GROUPS: &str = "/aws/lambda/";

/// The path of faast's roles.
pub(crate) const ROLE_PATH: &str = "/faast/";

/// Kind and name of the resource with this ARN, if faast makes such resources.
pub(crate) fn parse_arn(arn: &str) -> Option<(Kind, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (Some("arn"), Some(_), Some(service)) = (parts.next(), parts.next(), parts.next()) else { return None };
    let rest = parts.nth(2)?;
    match service {
        "lambda" => Some((Kind::Function, rest.strip_prefix("function:")?)),
        "logs" => {
            let group = rest.strip_prefix("log-group:")?;
            Some((Kind::LogGroup, Kind::LogGroup.name_in(group.strip_suffix(":*").unwrap_or(group))?))
        }
        "s3" => Some((Kind::Bucket, rest)),
        "sqs" => Some((Kind::Queue, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "faast-6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11";

    #[test]
    fn arns_of_what_faast_makes_are_read() {
        let function = format!("arn:aws:lambda:us-west-2:123456789012:function:{NAME}");
        let group = format!("arn:aws-cn:logs:cn-north-1:123456789012:log-group:/aws/lambda/{NAME}:*");
        let bucket = format!("arn:aws:s3:::{NAME}");
        let queue = format!("arn:aws:sqs:us-west-2:123456789012:{NAME}");
        assert_eq!(parse_arn(&function), Some((Kind::Function, NAME)));
        assert_eq!(parse_arn(&group), Some((Kind::LogGroup, NAME)));
        assert_eq!(parse_arn(&bucket), Some((Kind::Bucket, NAME)));
        assert_eq!(parse_arn(&queue), Some((Kind::Queue, NAME)));
        for other in ["arn:aws:sns:us-west-2:1:topic", "arn:aws:lambda:us-west-2:1:layer:x", "nonsense"] {
            assert_eq!(parse_arn(other), None, "{other}");
        }
    }

    #[test]
    fn a_resource_comes_back_as_its_kind() {
        for kind in Kind::ALL {
            let resource = kind.resource(NAME, "eu-west-1", None);
            assert_eq!(Kind::of(&resource), Some(kind));
            assert_eq!(kind.name_in(&resource.id), Some(NAME));
        }
    }
}
