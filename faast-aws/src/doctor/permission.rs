//! All permissions that are missing, at once: IAM is asked what it would decide, and where it may not be asked, what can
//! be tried without harm is tried.
//!
//! IAM's answer counts for every action, also for those that create something. Beside it some calls that only read are
//! made in any case: they show whether the services can be reached, and refusals that IAM does not know of (a session's
//! policy, an endpoint's). What can be neither asked nor tried is said to be unchecked; it is never taken for granted.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::PolicyEvaluationDecisionType as Decision;
use faast_core::provider::{DeploymentId, Finding};

use super::identity::{self, Identity};
use super::probe::{self, Probed};
use crate::classify::control::{Cause, Meaning as _, Refusal};
use crate::permission::{On, Wanted};
use crate::resource;

/// The permission to ask IAM.
const ASK: &str = "iam:SimulatePrincipalPolicy";

/// What is known of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Granted,
    Missing,
}

/// Looks at everything that is wanted.
pub(super) async fn find(identity: &Identity, wanted: &Wanted) -> Vec<Finding> {
    let name = resource::name(&DeploymentId::random());
    let needs = wanted.needs();
    let mut findings = Vec::new();
    let mut known = BTreeMap::new();
    let told = if identity.arn.ends_with(":root") { Told::Everything } else { ask(identity, wanted, &name).await };
    let only_reading = match told {
        Told::Everything => {
            known.extend(needs.keys().map(|need| (*need, Known::Granted)));
            true
        }
        Told::Decisions(decisions) => {
            known.extend(decisions);
            true
        }
        Told::Nothing(refusal) => {
            if refusal.cause() == Cause::Denied {
                known.insert((On::Principal, ASK), Known::Missing);
            }
            false
        }
    };
    let probes = probe::all(&identity.clients, &identity.place, wanted, &name, only_reading).await;
    let mut reached = BTreeSet::new();
    for (need, probed) in probes {
        match probed {
            Probed::Granted => {
                reached.insert(service(need.1));
                known.entry(need).or_insert(Known::Granted);
            }
            Probed::Denied => {
                reached.insert(service(need.1));
                known.insert(need, Known::Missing);
            }
            Probed::Silent => {
                reached.insert(service(need.1));
            }
            Probed::Failed(refusal) => findings.push(identity::refused(&refusal)),
        }
    }
    // One answer for each service is enough to know what is the matter with it.
    findings.dedup_by(|one, other| (one.topic, &one.subject) == (other.topic, &other.subject));
    if findings.is_empty() {
        let reached: Vec<_> = reached.into_iter().collect();
        findings.push(Finding::good("endpoint", "services", format!("reached: {}", reached.join(", "))));
    }
    findings.extend(judge(&needs, &known));
    findings
}

/// What IAM says.
enum Told {
    Everything,
    Decisions(BTreeMap<(On, &'static str), Known>),
    Nothing(Refusal),
}

/// Asks IAM about each kind of resource, with a name that a deployment could have.
async fn ask(identity: &Identity, wanted: &Wanted, name: &str) -> Told {
    let principal = principal(identity).await;
    let mut place = identity.place.clone();
    place.principal = Some(principal.clone());
    let mut by_kind = BTreeMap::<On, Vec<&'static str>>::new();
    for (on, action) in wanted.needs().into_keys() {
        by_kind.entry(on).or_default().push(action);
    }
    // Without this it is not even an option that IAM can be asked.
    by_kind.entry(On::Principal).or_insert_with(|| vec![ASK]);
    let mut decisions = BTreeMap::new();
    for (on, actions) in by_kind {
        let resource = wanted.arns(on, &place, name).into_iter().next().unwrap_or_else(|| "*".into());
        let mut pages = identity
            .clients
            .iam
            .simulate_principal_policy()
            .policy_source_arn(&principal)
            .resource_arns(resource)
            .set_action_names(Some(actions.iter().map(|action| (*action).to_owned()).collect()))
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = match page.meaning(ASK) {
                Ok(page) => page,
                Err(refusal) => return Told::Nothing(refusal),
            };
            for result in page.evaluation_results() {
                let known = if result.eval_decision == Decision::Allowed { Known::Granted } else { Known::Missing };
                let action = actions.iter().find(|action| **action == result.eval_action_name);
                decisions.extend(action.map(|action| ((on, *action), known)));
            }
        }
    }
    Told::Decisions(decisions)
}

/// The caller as IAM knows it: for a session, its role, whose path the session's ARN does not tell.
async fn principal(identity: &Identity) -> String {
    let Some(session) = identity.arn.split_once(":assumed-role/").map(|(_, rest)| rest) else {
        return identity.arn.clone();
    };
    let role = session.split('/').next().unwrap_or_default();
    let found = identity.clients.iam.get_role().role_name(role).send().await.ok().and_then(|found| found.role);
    found.map_or_else(
        || format!("arn:{}:iam::{}:role/{role}", identity.place.partition, identity.place.account),
        |role| role.arn,
    )
}

fn service(action: &str) -> &str {
    action.split(':').next().unwrap_or(action)
}

/// What is missing, each by itself; then what is granted and what could not be checked, in one line each.
fn judge(needs: &BTreeMap<(On, &'static str), bool>, known: &BTreeMap<(On, &'static str), Known>) -> Vec<Finding> {
    let mut missing = BTreeMap::new();
    let (mut granted, mut unchecked) = (BTreeSet::new(), BTreeSet::new());
    for ((on, action), spare) in needs {
        match known.get(&(*on, *action)) {
            Some(Known::Granted) => {
                granted.insert(*action);
            }
            Some(Known::Missing) => {
                let spare_too = missing.entry(*action).or_insert(true);
                *spare_too = *spare_too && *spare;
            }
            None => {
                unchecked.insert(*action);
            }
        }
    }
    let mut findings: Vec<_> = missing.iter().map(|(action, spare)| lacking(action, *spare)).collect();
    if !unchecked.is_empty() {
        let actions = unchecked.into_iter().collect::<Vec<_>>();
        let text = format!("not checked, because trying would change something: {}", actions.join(", "));
        let hint = format!("allow `{ASK}`, which lets IAM say it");
        findings
            .push(Finding::unknown("permission", "", text).with_hint(hint).with_fact("actions", &actions.join(",")));
    }
    if missing.is_empty() && !granted.is_empty() {
        let text = format!("{} that these options need are there", granted.len());
        let actions = granted.into_iter().collect::<Vec<_>>().join(",");
        findings.push(Finding::good("permission", "", text).with_fact("actions", &actions));
    }
    findings
}

fn lacking(action: &'static str, spare: bool) -> Finding {
    let text = format!("`{action}` is missing");
    if !spare {
        return Finding::problem("permission", action, text)
            .with_hint("`faast policy aws` prints a policy that has it");
    }
    let without = match action {
        "lambda:GetAccountSettings" => "the account's concurrency is not known beforehand",
        "logs:PutRetentionPolicy" => "logs of a deployment that was never cleaned up stay",
        "s3:PutBucketTagging" => "a bucket that workers made may be collected under a long job",
        "pricing:GetProducts" => "costs go by the built-in table of prices",
        ASK => "not everything can be checked here",
        _ => "`faast cleanup` and garbage collection do not work",
    };
    Finding::warning("permission", action, format!("{text}; deployments work, but {without}"))
        .with_hint("`faast policy aws` prints a policy that has it")
}
