//! What tests put into the account directly: users with permissions, and resources that somebody else made.

use std::collections::BTreeMap;
use std::fmt;

use super::{ACCOUNT, AwsEmulator, REGION, iam, lambda, logs};

/// Kinds of resources that [`AwsEmulator::add_someone_elses`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ResourceKind {
    /// A bucket in S3, with one object in it.
    Bucket,
    /// A function in Lambda, which ends as soon as it is called.
    Function,
    /// A log group.
    LogGroup,
    /// A queue in SQS.
    Queue,
    /// A role that Lambda may assume; a path is part of its name (`/faast/name`).
    Role,
}

/// Keys of a user of the account. Debug output does not show the secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`
    pub access_key: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl AwsEmulator {
    /// Makes a resource that somebody else might have made, in the region [`REGION`]; gives its ARN.
    ///
    /// No request is recorded for it.
    ///
    /// # Panics
    ///
    /// If the archive of a function can't be written to the disk.
    pub fn add_someone_elses(&self, kind: ResourceKind, name: &str, tags: &[(&str, &str)]) -> String {
        let tags: BTreeMap<String, String> =
            tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let now_ms = self.shared.clock.now_ms();
        match kind {
            ResourceKind::Bucket => {
                self.shared.state().s3.add(name, REGION, tags, now_ms);
                format!("arn:aws:s3:::{name}")
            }
            ResourceKind::Function => lambda::add(&self.shared, REGION, name, tags),
            ResourceKind::LogGroup => {
                logs::add(&mut self.shared.state().logs, name, REGION, tags, now_ms);
                logs::arn(REGION, name)
            }
            ResourceKind::Queue => {
                self.shared.state().sqs.add(name, REGION, tags, now_ms);
                format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
            }
            ResourceKind::Role => {
                let at = name.rfind('/').map_or(0, |at| at + 1);
                let path = if at == 0 { "/" } else { &name[..at] };
                self.shared.state().iam.add_role(&name[at..], path, tags, now_ms);
                format!("arn:aws:iam::{ACCOUNT}:role{path}{}", &name[at..])
            }
        }
    }

    /// Makes a user who may do what the policy allows.
    ///
    /// It matters with [`enforce_iam`](super::AwsEmulatorBuilder::enforce_iam) only.
    ///
    /// # Panics
    ///
    /// If IAM would refuse the policy; its reason is the message.
    pub fn add_user(&self, policy_json: &str) -> Credentials {
        let mut state = self.shared.state();
        let added = state.iam.add_user(policy_json);
        drop(state);
        let keys: iam::Session = match added {
            Ok(keys) => keys,
            #[expect(clippy::panic, reason = "a test with a policy that can't be read has nothing to go on with")]
            Err(reason) => panic!("the policy of a user: {reason}"),
        };
        Credentials { access_key: keys.access_key, secret_key: keys.secret_key }
    }

    /// From now on these credentials are refused as expired, like those of a session that was not renewed.
    pub fn expire(&self, credentials: &Credentials) {
        self.shared.state().iam.expire(&credentials.access_key);
    }
}
