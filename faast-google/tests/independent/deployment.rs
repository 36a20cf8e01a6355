//! Whole deployments: what they push, and what they leave.

use faast_core::ErrorKind;
use faast_google::GoogleOptions as _;
use faast_testkit::emulator_google::GoogleEmulator;
use faast_testkit::probe;

use crate::place;
use crate::registry::{pull, pull_by_skopeo, repositories};
use crate::rig::{audit, google, run};

/// Deploys in a project, with the registry of others; gives the repository and the digest of what it pushed. Our emulator
/// runs no image of another registry, so that the deployment ends there.
fn pushed(project: &str) -> (String, String) {
    let emulator = GoogleEmulator::start();
    let error = run(google(&emulator, project).endpoint_url_of("registry", place::registry()).deploy()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    let (_, image) = error.message().rsplit_once("obtained ").unwrap_or_else(|| panic!("{error:?}"));
    let (_, digest) = image.split_once('@').unwrap();
    assert!(emulator.leftovers().is_empty(), "{:?}", emulator.leftovers());
    let repositories = repositories(project);
    assert_eq!(repositories.len(), 1, "{repositories:?}");
    (repositories[0].clone(), digest.split(|it: char| it == '`' || it.is_whitespace()).next().unwrap().to_owned())
}

#[test]
fn a_registry_of_others_takes_what_a_deployment_pushes() {
    let (repository, digest) = pushed("deployed-project");
    let image = pull(&repository, &digest);
    assert_eq!(image, pull(&repository, "faast"));
    let config = &image.blobs[image.manifest["config"]["digest"].as_str().unwrap()];
    let config: serde_json::Value = serde_json::from_slice(config).unwrap();
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/faast"]));
}

#[test]
fn a_client_of_others_pulls_what_a_deployment_pushed() {
    let (repository, digest) = pushed("pulled-project");
    assert_eq!(pull_by_skopeo(&place::skopeo(), &repository, &digest), pull(&repository, &digest));
}

#[test]
fn another_client_sees_everything_and_afterwards_nothing() {
    let emulator = GoogleEmulator::start();
    run(async {
        let audit = audit(&emulator, "seen-project");
        let cloud = google(&emulator, "seen-project").deploy().await.unwrap();
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
