//! The conformance suite in a real project; `cargo xtask test-google` starts it and sweeps afterwards.
//!
//! The project is the one that was named, whatever the environment says. Every deployment has its share of the run's
//! budget, so that the run as a whole can't cost more.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod audit;

use std::time::Duration;

use faast_core::Builder;
use faast_google::{Google, GoogleOptions as _};
use faast_testkit::conformance::Defaults;
use faast_testkit::probe;
use google_cloud_auth::credentials;

use self::audit::Audit;

/// More than the suite makes.
const DEPLOYMENTS: f64 = 150.0;
const REGION: &str = "us-central1";

fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test-google`"))
}

fn region() -> String {
    std::env::var("FAAST_TEST_GOOGLE_REGION").unwrap_or_else(|_| REGION.to_owned())
}

fn builder() -> Builder<Google> {
    Builder::new(Google::new())
        .project(told("FAAST_TEST_GOOGLE_PROJECT"))
        .region(region())
        .label("faast-test-run", told("FAAST_TEST_GOOGLE_RUN"))
}

fn google() -> Google {
    builder().provider_mut().clone()
}

fn defaults() -> Defaults {
    let budget: f64 = told("FAAST_TEST_GOOGLE_BUDGET_USD").parse().expect("xtask has checked it");
    // Small and short, so that a call's worst case fits into the share many times.
    Defaults::default().memory_mb(512).timeout(Duration::from_secs(20)).budget_usd(budget / DEPLOYMENTS)
}

faast_testkit::conformance!(provider: google(), workers: remote, defaults: defaults());

/// The token of whoever runs the tests, from the same place as every client of Google has it.
async fn token() -> String {
    let scope = "https://www.googleapis.com/auth/cloud-platform";
    let credentials = credentials::Builder::default().with_scopes([scope]).build_access_token_credentials().unwrap();
    credentials.access_token().await.unwrap().token
}

#[test]
fn cleanup_leaves_nothing_that_another_client_sees() {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let audit = Audit {
            run: "https://run.googleapis.com".into(),
            artifact_registry: "https://artifactregistry.googleapis.com".into(),
            pubsub: "https://pubsub.googleapis.com".into(),
            storage: "https://storage.googleapis.com".into(),
            project: told("FAAST_TEST_GOOGLE_PROJECT"),
            region: region(),
            token: Some(token().await),
        };
        let cloud = builder().memory_mb(512).timeout(Duration::from_secs(20)).deploy().await.unwrap();
        let id = cloud.deployment().to_string();
        let there = audit.of(&id).await;
        for kind in ["service", "repository"] {
            assert!(there.iter().any(|line| line.starts_with(kind)), "no {kind} in {there:?}");
        }
        assert_eq!(cloud.run(probe::identity(7)).await.unwrap(), 7);
        cloud.cleanup().await.unwrap();
        assert_eq!(audit.of(&id).await, [""; 0]);
    });
}
