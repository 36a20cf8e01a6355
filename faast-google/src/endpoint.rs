//! Where Google's services are: at their own hosts, or where the options or the environment put them.

use faast_core::provider::endpoint_url;
use faast_core::{Error, ErrorKind, Result};

use crate::NAME;
use crate::config::Settings;

/// A service with an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    Run,
    ArtifactRegistry,
    /// Where images are pushed to: the protocol of container registries, on a host for each region.
    Registry,
    Storage,
    PubSub,
    Billing,
    /// Which services are enabled.
    Usage,
    ResourceManager,
}

impl Service {
    pub(crate) const ALL: [Self; 8] = [
        Self::Run,
        Self::ArtifactRegistry,
        Self::Registry,
        Self::Storage,
        Self::PubSub,
        Self::Billing,
        Self::Usage,
        Self::ResourceManager,
    ];

    /// The name in options and variables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::ArtifactRegistry => "artifactregistry",
            Self::Registry => "registry",
            Self::Storage => "storage",
            Self::PubSub => "pubsub",
            Self::Billing => "billing",
            Self::Usage => "serviceusage",
            Self::ResourceManager => "resourcemanager",
        }
    }

    /// The variable that moves it.
    pub(crate) fn variable(self) -> String {
        format!("FAAST_GOOGLE_ENDPOINT_URL_{}", self.name().to_ascii_uppercase())
    }

    fn usual(self, region: &str) -> String {
        match self {
            Self::Run => "https://run.googleapis.com".into(),
            Self::ArtifactRegistry => "https://artifactregistry.googleapis.com".into(),
            Self::Registry => format!("https://{region}-docker.pkg.dev"),
            Self::Storage => "https://storage.googleapis.com".into(),
            Self::PubSub => "https://pubsub.googleapis.com".into(),
            Self::Billing => "https://cloudbilling.googleapis.com".into(),
            Self::Usage => "https://serviceusage.googleapis.com".into(),
            Self::ResourceManager => "https://cloudresourcemanager.googleapis.com".into(),
        }
    }
}

/// The endpoints that are not the usual ones, and the region that some of the usual ones depend on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Endpoints {
    region: String,
    moved: Vec<(Service, String)>,
}

impl Endpoints {
    /// As the options say, else the environment.
    pub(crate) fn of(settings: &Settings, region: &str) -> Result<Self> {
        let mut moved = Vec::new();
        for service in Service::ALL {
            let set = settings.endpoint_urls.get(service.name()).or(settings.endpoint_url.as_ref()).cloned();
            if let Some(url) = set.or_else(|| endpoint_url(NAME, service.name())) {
                check(&url)?;
                moved.push((service, url.trim_end_matches('/').to_owned()));
            }
        }
        Ok(Self { region: region.into(), moved })
    }

    /// Those of a worker, which has no options; it uses none that depends on a region.
    pub(crate) fn of_worker() -> Result<Self> {
        Self::of(&Settings::default(), "")
    }

    /// The URL of a service, without a slash at its end.
    pub(crate) fn url(&self, service: Service) -> String {
        self.moved(service).map_or_else(|| service.usual(&self.region), ToOwned::to_owned)
    }

    /// The URL of a service that is not at its usual place.
    pub(crate) fn moved(&self, service: Service) -> Option<&str> {
        self.moved.iter().find(|(known, _)| *known == service).map(|(_, url)| url.as_str())
    }

    /// The same with the hosts of another region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        Self { region: region.into(), moved: self.moved.clone() }
    }
}

/// Any text would be taken, and the first call would fail in a way that says nothing.
fn check(url: &str) -> Result<()> {
    if ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Config, format!("`{url}` is no endpoint")).with_hint(
        "an endpoint begins with `https://` or `http://`; look at `.endpoint_url(..)` and `FAAST_GOOGLE_ENDPOINT_URL`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_can_be_moved_and_the_others_stay() {
        let mut settings = Settings::default();
        settings.endpoint_urls.insert("pubsub".into(), "http://127.0.0.1:8085/".into());
        let endpoints = Endpoints::of(&settings, "europe-west1").unwrap();
        assert_eq!(endpoints.url(Service::PubSub), "http://127.0.0.1:8085");
        assert_eq!(endpoints.url(Service::Registry), "https://europe-west1-docker.pkg.dev");
        settings.endpoint_url = Some("https://gateway.example".into());
        let endpoints = Endpoints::of(&settings, "europe-west1").unwrap();
        for service in Service::ALL {
            let expected = if service == Service::PubSub { "http://127.0.0.1:8085" } else { "https://gateway.example" };
            assert_eq!(endpoints.url(service), expected);
        }
    }

    #[test]
    fn an_endpoint_without_a_scheme_is_said_before_the_first_call() {
        let settings = Settings { endpoint_url: Some("localhost:9200".into()), ..Settings::default() };
        let error = Endpoints::of(&settings, "us-central1").unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Config, "`localhost:9200` is no endpoint"));
    }
}
