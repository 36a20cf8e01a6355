//! moto: a second control plane by other people. It runs no code, so that this is about deploying and removing only.

use std::time::SystemTime;

use faast_aws::{Aws, AwsOptions as _};
use faast_core::Builder;
use faast_core::cache::CacheFolder;
use faast_core::stray::{Query, Reach, find};

use crate::{audit, place};

fn at(endpoint: &str) -> Builder<Aws> {
    Builder::new(Aws::new()).endpoint_url(endpoint).region("us-west-2").credentials("test", "test", None)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_deployment_is_made_found_and_removed() {
    let endpoint = place::moto();
    run(async {
        let cloud = at(&endpoint).tag("team", "ml").description("a test").deploy().await.unwrap();
        let id = cloud.deployment().clone();
        let there = audit::of(&endpoint, id.as_str());
        for kind in ["function", "role", "log-group"] {
            assert!(there.iter().any(|line| line.starts_with(kind)), "no {kind} in {there:?}");
        }
        let home = tempfile::tempdir().unwrap();
        let query = Query::default().deployment(id.clone());
        let provider = at(&endpoint).provider_mut().clone();
        let found = find(&provider, &CacheFolder::at(home.path()), &query, SystemTime::now()).await;
        assert!(found.failures.is_empty(), "{:?}", found.failures);
        let kinds: Vec<_> = found.doomed(Reach::LiveToo).map(|resource| resource.kind.as_str()).collect();
        assert_eq!(kinds, ["function", "log group", "role"], "{found:?}");
        cloud.cleanup().await.unwrap();
        assert_eq!(audit::of(&endpoint, id.as_str()), [""; 0]);
    });
}

#[test]
fn the_role_is_as_narrow_as_it_was_asked_for_and_goes_all_the_same() {
    let endpoint = place::moto();
    run(async {
        let cloud = at(&endpoint).least_privilege().deploy().await.unwrap();
        let id = cloud.deployment().to_string();
        cloud.cleanup().await.unwrap();
        assert_eq!(audit::of(&endpoint, &id), [""; 0]);
    });
}

#[test]
fn a_role_that_does_not_exist_is_no_reason_to_become_administrator() {
    let endpoint = place::moto();
    run(async {
        let cloud = at(&endpoint).role_name("no-such-role").deploy().await.unwrap();
        let id = cloud.deployment().to_string();
        assert!(audit::of(&endpoint, &id).iter().any(|line| line.starts_with("role")));
        let attached = std::process::Command::new(place::aws_cli())
            .args(["--endpoint-url", &endpoint, "iam", "list-attached-role-policies", "--output", "text"])
            .args(["--role-name", &format!("faast-{id}")])
            .output()
            .unwrap();
        assert!(attached.status.success(), "{attached:?}");
        assert!(!String::from_utf8_lossy(&attached.stdout).contains("AdministratorAccess"), "{attached:?}");
        cloud.cleanup().await.unwrap();
        assert_eq!(audit::of(&endpoint, &id), [""; 0]);
    });
}
