//! What whoever deploys has to be allowed, and for what: the one table behind `faast policy google`, `faast doctor google`
//! and ARCHITECTURE.md.
//!
//! It is about the caller; what workers may do is their service account's. Two tests keep it true: each call in this crate
//! names its permission, and each name is in here; and runs of every use, against an emulator that enforces permissions,
//! ask for what is in here.

use std::collections::{BTreeMap, BTreeSet};

use faast_core::provider::Checkup;
use faast_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::config::Settings;
use crate::credentials::Credentials;

/// What a permission is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// every deployment
    Deploy,
    /// calls that Google's IAM lets in: not with `invoker_secret`
    Invoke,
    /// `invoker_secret`, and credentials that can't say who calls
    Secret,
    /// queue mode
    Queue,
    /// arguments and results that go through a bucket
    Spill,
    /// `vpc`
    Vpc,
    /// a quota project, and granted in that one
    QuotaProject,
    /// prices of the day; without it the built-in table serves
    Prices,
    /// `faast cleanup`, `faast list`, garbage collection
    Collect,
    /// `faast doctor`
    Doctor,
}

/// One permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) by: Use,
    pub(crate) action: &'static str,
    /// Without it a deployment works too, and something beside it does not.
    pub(crate) spare: bool,
}

const fn need(by: Use, action: &'static str) -> Need {
    Need { by, action, spare: false }
}

const fn nice(by: Use, action: &'static str) -> Need {
    Need { by, action, spare: true }
}

/// The whole table.
pub(crate) const NEEDS: &[Need] = &[
    need(Use::Deploy, "artifactregistry.repositories.create"),
    need(Use::Deploy, "artifactregistry.repositories.delete"),
    need(Use::Deploy, "artifactregistry.repositories.downloadArtifacts"),
    need(Use::Deploy, "artifactregistry.repositories.get"),
    need(Use::Deploy, "artifactregistry.repositories.update"),
    need(Use::Deploy, "artifactregistry.repositories.uploadArtifacts"),
    need(Use::Deploy, "iam.serviceAccounts.actAs"),
    need(Use::Deploy, "run.operations.get"),
    need(Use::Deploy, "run.services.create"),
    need(Use::Deploy, "run.services.delete"),
    need(Use::Deploy, "run.services.get"),
    need(Use::Deploy, "run.services.update"),
    nice(Use::Deploy, "storage.buckets.delete"),
    nice(Use::Deploy, "storage.buckets.update"),
    need(Use::Invoke, "run.routes.invoke"),
    nice(Use::Invoke, "run.services.setIamPolicy"),
    need(Use::Secret, "run.services.setIamPolicy"),
    need(Use::Queue, "pubsub.subscriptions.consume"),
    need(Use::Queue, "pubsub.subscriptions.create"),
    need(Use::Queue, "pubsub.subscriptions.delete"),
    need(Use::Queue, "pubsub.subscriptions.get"),
    need(Use::Queue, "pubsub.subscriptions.setIamPolicy"),
    need(Use::Queue, "pubsub.subscriptions.update"),
    need(Use::Queue, "pubsub.topics.attachSubscription"),
    need(Use::Queue, "pubsub.topics.create"),
    need(Use::Queue, "pubsub.topics.delete"),
    need(Use::Queue, "pubsub.topics.get"),
    need(Use::Queue, "pubsub.topics.publish"),
    need(Use::Queue, "pubsub.topics.setIamPolicy"),
    need(Use::Queue, "pubsub.topics.update"),
    need(Use::Queue, "resourcemanager.projects.get"),
    need(Use::Queue, "run.services.setIamPolicy"),
    need(Use::Spill, "storage.buckets.create"),
    need(Use::Spill, "storage.buckets.delete"),
    need(Use::Spill, "storage.buckets.get"),
    need(Use::Spill, "storage.buckets.list"),
    need(Use::Spill, "storage.buckets.update"),
    need(Use::Spill, "storage.objects.create"),
    need(Use::Spill, "storage.objects.delete"),
    need(Use::Spill, "storage.objects.get"),
    need(Use::Spill, "storage.objects.list"),
    need(Use::Vpc, "compute.networks.get"),
    need(Use::Vpc, "compute.subnetworks.get"),
    need(Use::Vpc, "compute.subnetworks.use"),
    need(Use::QuotaProject, "serviceusage.services.use"),
    nice(Use::Collect, "artifactregistry.repositories.delete"),
    nice(Use::Collect, "artifactregistry.repositories.get"),
    nice(Use::Collect, "artifactregistry.repositories.list"),
    nice(Use::Collect, "pubsub.subscriptions.delete"),
    nice(Use::Collect, "pubsub.subscriptions.get"),
    nice(Use::Collect, "pubsub.subscriptions.list"),
    nice(Use::Collect, "pubsub.topics.delete"),
    nice(Use::Collect, "pubsub.topics.get"),
    nice(Use::Collect, "pubsub.topics.list"),
    nice(Use::Collect, "run.operations.get"),
    nice(Use::Collect, "run.services.delete"),
    nice(Use::Collect, "run.services.get"),
    nice(Use::Collect, "run.services.list"),
    nice(Use::Collect, "storage.buckets.delete"),
    nice(Use::Collect, "storage.buckets.get"),
    nice(Use::Collect, "storage.buckets.list"),
    nice(Use::Collect, "storage.objects.delete"),
    nice(Use::Collect, "storage.objects.list"),
    nice(Use::Doctor, "resourcemanager.projects.get"),
    nice(Use::Doctor, "serviceusage.services.get"),
];

/// What `--with` takes, and then what `--without` takes.
pub(crate) const OPTIONS: &[(&str, &str)] = &[
    ("queue", "`mode` is `Queue`"),
    ("spill", "arguments or results above the limit of a request"),
    ("vpc", "workers in a network of one's own"),
    ("invoker_secret", "requests are let in by a secret, and not by IAM"),
    ("quota_project", "another project pays for calls of Google's services"),
    ("gc", "without it: neither garbage collection nor `faast cleanup`"),
    ("prices", "without it: the built-in table of prices"),
    ("doctor", "without it: nothing that only `faast doctor` needs"),
];

/// The permissions that some options need.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    uses: BTreeSet<Use>,
}

impl Wanted {
    /// What is set, with what the checkup adds and leaves out.
    pub(crate) fn new(settings: &Settings, checkup: &Checkup) -> Result<Self> {
        let uses = BTreeSet::from([Use::Deploy, Use::Invoke, Use::Prices, Use::Collect, Use::Doctor]);
        let mut wanted = Self { uses };
        wanted.uses.extend(settings.vpc.is_some().then_some(Use::Vpc));
        if settings.invoker_secret {
            wanted.let_in_by_secret();
        }
        for option in &checkup.with {
            match option.as_str() {
                "queue" => wanted.uses.insert(Use::Queue),
                "spill" => wanted.uses.insert(Use::Spill),
                "vpc" => wanted.uses.insert(Use::Vpc),
                "invoker_secret" => wanted.let_in_by_secret(),
                "quota_project" => wanted.uses.insert(Use::QuotaProject),
                other => return Err(unknown(other)),
            };
        }
        for option in &checkup.without {
            let left_out = match option.as_str() {
                "gc" => Use::Collect,
                "prices" => Use::Prices,
                "doctor" => Use::Doctor,
                other => return Err(unknown(other)),
            };
            wanted.uses.remove(&left_out);
        }
        Ok(wanted)
    }

    /// What the credentials need besides: those that can't say who calls have a secret, and some name a project that pays.
    /// Whether another project than this one lets itself be used, each call tells.
    pub(crate) fn add_credentials(&mut self, credentials: &Credentials, project: &str) {
        if !credentials.can_identify() {
            self.let_in_by_secret();
        }
        if credentials.quota_project() == Some(project) {
            self.uses.insert(Use::QuotaProject);
        }
    }

    /// Who turns the check of callers off changes who may call.
    fn let_in_by_secret(&mut self) -> bool {
        self.uses.remove(&Use::Invoke);
        self.uses.insert(Use::Secret)
    }

    /// The permissions, each once. One that anything can't do without is not spare.
    pub(crate) fn needs(&self) -> BTreeMap<&'static str, bool> {
        let mut needs = BTreeMap::new();
        for need in NEEDS.iter().filter(|need| self.uses.contains(&need.by)) {
            let spare = needs.entry(need.action).or_insert(true);
            *spare = *spare && need.spare;
        }
        needs
    }

    /// The services that have to be enabled in the project, by their names; those that a deployment works without are spare.
    pub(crate) fn apis(&self) -> BTreeMap<&'static str, bool> {
        let mut apis = BTreeMap::from([("run.googleapis.com", false), ("artifactregistry.googleapis.com", false)]);
        for (by, api, spare) in [
            (Use::Queue, "pubsub.googleapis.com", false),
            (Use::Queue, "cloudresourcemanager.googleapis.com", false),
            (Use::Spill, "storage.googleapis.com", false),
            (Use::Vpc, "compute.googleapis.com", false),
            (Use::Prices, "cloudbilling.googleapis.com", true),
        ] {
            if self.uses.contains(&by) {
                apis.insert(api, spare);
            }
        }
        apis
    }

    /// A role with the least permissions, as `gcloud iam roles create faast --project=.. --file=..` takes it.
    pub(crate) fn role(&self) -> Value {
        json!({
            "title": "faast",
            "description": "The least permissions of whoever deploys functions with faast",
            "stage": "GA",
            "includedPermissions": self.needs().into_keys().collect::<Vec<_>>(),
        })
    }
}

fn unknown(option: &str) -> Error {
    let known: Vec<_> = OPTIONS.iter().map(|(name, _)| *name).collect();
    Error::new(ErrorKind::Config, format!("`google` has no option `{option}` here"))
        .with_hint(format!("there are {}", known.join(", ")))
}

#[cfg(test)]
mod tests;
