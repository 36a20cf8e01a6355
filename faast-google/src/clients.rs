//! The clients of the control plane, for one project and region: the SDK's for Cloud Run, plain REST for everything else.
//!
//! Invocations have a client of their own (`invoke/`), because nothing here fits them: these try again by themselves, and
//! give a call up after half a minute.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use faast_core::control::Pace;
use faast_core::provider::variable;
use faast_core::{Error, ErrorKind, Result};
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_run_v2::client::Services;

use crate::config::{Given, Settings};
use crate::credentials::Credentials;
use crate::endpoint::{Endpoints, Service};
use crate::rest::{DEPLOYING, Patience, Rest};

/// The region where nothing says another one.
const USUAL_REGION: &str = "us-central1";

/// Cloud Run takes 60 changes a minute in each region of a project: one a second, and what a few deployments need at once.
const BETWEEN: Duration = Duration::from_millis(1200);
const BURST: u32 = 10;

/// Written by whoever first needs a region; ends with the clients.
type Paces = Arc<Mutex<HashMap<String, Arc<Pace>>>>;

/// The clients for one project and region. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) project: String,
    pub(crate) region: String,
    pub(crate) credentials: Credentials,
    pub(crate) rest: Rest,
    pub(crate) run: Services,
    pub(crate) patience: Patience,
    /// Turns for Cloud Run's changes, which are counted for the project and region as a whole.
    pub(crate) pace: Arc<Pace>,
    /// The turns of all regions, so that many things that go in another one keep to its limit too.
    paces: Paces,
}

impl Clients {
    /// Reads the environment and the credentials, as far as the options leave things open.
    pub(crate) async fn load(settings: &Settings) -> Result<Self> {
        Self::with_patience(settings, DEPLOYING).await
    }

    /// The same for somebody who wants an answer sooner.
    pub(crate) async fn with_patience(settings: &Settings, mut patience: Patience) -> Result<Self> {
        let region = region_of(settings)?;
        let endpoints = Endpoints::of(settings, &region)?;
        let credentials = match settings.credentials.clone() {
            Some(Given::Anonymous) => Credentials::anonymous(),
            Some(Given::File(file)) => Credentials::of_file(Some(file))?,
            None => Credentials::find(endpoints.moved(Service::Run))?,
        };
        let project = project_of(settings, &credentials).await?;
        if let Some(pause) = settings.first_pause {
            patience.pauses.first = pause;
            patience.pauses.most = patience.pauses.most.min(pause * 8);
        }
        let run = Services::builder()
            .with_endpoint(endpoints.url(Service::Run))
            .with_credentials(credentials.for_sdk())
            .with_attempt_timeout(patience.attempt)
            // `service.rs` tries again by the policy that all calls here have.
            .with_retry_policy(NeverRetry)
            .build()
            .await
            .map_err(|error| Error::new(ErrorKind::Config, "Cloud Run's client can't be made").with_source(error))?;
        let rest = Rest::new(endpoints, credentials.clone(), patience)?;
        let paces = Paces::default();
        let pace = pace_of(&paces, &region);
        Ok(Self { project, region, credentials, rest, run, patience, pace, paces })
    }

    /// The same project in another region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        if region.is_empty() || region == self.region {
            return self.clone();
        }
        let mut other = self.clone();
        region.clone_into(&mut other.region);
        other.rest = self.rest.in_region(region);
        other.pace = pace_of(&self.paces, region);
        other
    }

    /// `projects/<project>/locations/<region>`.
    pub(crate) fn location(&self) -> String {
        format!("projects/{}/locations/{}", self.project, self.region)
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("project", &self.project).field("region", &self.region).finish_non_exhaustive()
    }
}

fn pace_of(paces: &Paces, region: &str) -> Arc<Pace> {
    let mut paces = paces.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(paces.entry(region.into()).or_insert_with(|| Arc::new(Pace::new(BETWEEN, BURST))))
}

/// The region, which always is one: there is a usual one.
pub(crate) fn region_of(settings: &Settings) -> Result<String> {
    let region = settings.region.clone().or_else(|| variable("GOOGLE_CLOUD_REGION"));
    let region = region.or_else(|| variable("CLOUDSDK_COMPUTE_REGION")).unwrap_or_else(|| USUAL_REGION.into());
    check_region(&region)?;
    Ok(region)
}

fn check_region(region: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.contains('-') && region.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Config, format!("`{region}` is no region of Google Cloud")).with_hint(
        "a region is written like `us-central1`; look at `.region(..)`, `GOOGLE_CLOUD_REGION` and `CLOUDSDK_COMPUTE_REGION`",
    ))
}

async fn project_of(settings: &Settings, credentials: &Credentials) -> Result<String> {
    let mut project = settings.project.clone().or_else(|| variable("GOOGLE_CLOUD_PROJECT"));
    if project.is_none() {
        project = credentials.project().await;
    }
    let Some(project) = project else {
        return Err(Error::new(ErrorKind::Config, "no project of Google Cloud is set").with_hint(
            "call `.project(\"my-project\")`, or set `GOOGLE_CLOUD_PROJECT`; credentials of a service account name theirs",
        ));
    };
    check_project(&project)?;
    Ok(project)
}

/// An id, with the domain in front that old ones may have. A number would do for some services and not for others.
fn check_project(project: &str) -> Result<()> {
    let id = project.rsplit(':').next().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if id.starts_with(|first: char| first.is_ascii_lowercase()) && id.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Config, format!("`{project}` is no project's id")).with_hint(
        "an id is lower-case letters, digits and `-`, and neither the number nor the name: `gcloud projects list` shows it",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_region_is_said_before_the_first_call() {
        check_region("northamerica-northeast1").unwrap();
        for region in ["us central1", "US-CENTRAL1", "europe", ""] {
            assert_eq!(check_region(region).unwrap_err().kind(), ErrorKind::Config, "{region}");
        }
    }

    #[test]
    fn a_project_is_named_by_its_id() {
        check_project("my-project-1").unwrap();
        check_project("example.com:my-project").unwrap();
        for project in ["123456789", "My Project", ""] {
            assert_eq!(check_project(project).unwrap_err().kind(), ErrorKind::Config, "{project}");
        }
    }
}
