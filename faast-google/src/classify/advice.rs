//! What a user can do about a refusal: one sentence or two for each cause, with the names that the service gave.

use super::control::{Cause, Told};

/// What somebody needs in the project that pays for calls of theirs.
const USE: &str = "serviceusage.services.use";

/// The advice for a refused action.
pub(crate) fn what_to_do(action: &str, cause: Cause, told: &Told) -> String {
    match cause {
        Cause::NoCredentials => {
            "run `gcloud auth application-default login`, or let `GOOGLE_APPLICATION_CREDENTIALS` name \
                                 the file of a service account's key"
                .into()
        }
        Cause::ExpiredToken => "log in again: `gcloud auth application-default login`".into(),
        Cause::BadCredentials => {
            "the token was not accepted: log in again, and look at `GOOGLE_APPLICATION_CREDENTIALS`".into()
        }
        // Storage has no reason for it, and names the permission.
        Cause::Denied if told.reason == "USER_PROJECT_DENIED" || told.text.contains(USE) => format!(
            "allow `{USE}` in the project that pays for these calls, which `GOOGLE_CLOUD_QUOTA_PROJECT` or the credentials \
             name, or name another one: `gcloud auth application-default set-quota-project`"
        ),
        Cause::Denied => {
            let permission = told.permission.as_deref().unwrap_or(action);
            format!(
                "allow `{permission}` in the project; `faast doctor google` finds all that is missing, `faast policy google` \
                 prints a role with the least permissions"
            )
        }
        Cause::ActAs => "grant yourself `roles/iam.serviceAccountUser` on the service account that workers run as; \
                         `.service_account(..)` names another one"
            .into(),
        Cause::ApiDisabled => {
            let api = told.api.clone().unwrap_or_else(|| api_of(action).to_owned());
            format!("enable it: `gcloud services enable {api}`, and try again in a minute")
        }
        Cause::NoBilling => "link a billing account to the project: Cloud Run and Artifact Registry need one".into(),
        Cause::OrgPolicy => {
            "a policy of the organisation forbids that; ask its administrator, or use another project or \
                             region"
                .into()
        }
        Cause::Gone => "it may have been deleted meanwhile, by hand or by a cleanup; deploy again".into(),
        Cause::Exists => "something that faast did not make has this name; deploy again, which uses another".into(),
        Cause::Busy => "something else changes it now; try again in a minute".into(),
        Cause::NotEmpty => "something was written to it meanwhile; clean up again".into(),
        Cause::Instances(most) => format!(
            "the region's quota allows for {most} instances of this size: lower `.max_instances(..)`, `.cpu(..)` or \
             `.memory_mb(..)`, use another region, or have `CpuAllocPerProjectRegion` and `MemAllocPerProjectRegion` raised"
        ),
        Cause::Quota => {
            "remove what nobody needs (`faast cleanup google -x` removes faast's own), or have the project's \
                         quota raised"
                .into()
        }
        Cause::Container => {
            "the worker did not start; the service's log says why, and `faast::local()` runs the same program \
                             here"
                .into()
        }
        Cause::Invalid => "check the options of the deployment that the message names".into(),
        Cause::Throttled => "Cloud Run takes about 60 changes a minute and region: deploy fewer things at once".into(),
        Cause::Unavailable => {
            "the service has a fault that should pass: try again, and look at the Google Cloud status page".into()
        }
        Cause::Unreachable => {
            "check the network, a proxy, the region's name, and `FAAST_GOOGLE_ENDPOINT_URL` if it is set".into()
        }
    }
}

/// The service that an action belongs to.
pub(crate) fn api_of(action: &str) -> &'static str {
    match action.split('.').next().unwrap_or_default() {
        "artifactregistry" => "artifactregistry.googleapis.com",
        "storage" => "storage.googleapis.com",
        "pubsub" => "pubsub.googleapis.com",
        "cloudbilling" => "cloudbilling.googleapis.com",
        "serviceusage" => "serviceusage.googleapis.com",
        "resourcemanager" => "cloudresourcemanager.googleapis.com",
        _ => "run.googleapis.com",
    }
}
