//! The table is complete: every call of this crate names its permission, and each name is in it.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Texts in quotes that look like a permission: `service.things.verb`.
fn named(source: &str) -> impl Iterator<Item = &str> {
    const SERVICES: [&str; 5] = ["artifactregistry.", "pubsub.", "run.", "storage.", "resourcemanager."];
    source.split('"').skip(1).step_by(2).filter(|text| {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'.');
        plain && text.split('.').count() == 3 && SERVICES.iter().any(|service| text.starts_with(service))
    })
}

#[test]
fn every_call_names_a_permission_of_the_table() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut seen = 0;
    for file in files.iter().filter(|file| !file.ends_with("permission.rs")) {
        let text = fs::read_to_string(file).unwrap();
        for action in named(&text).filter(|action| !action.ends_with("googleapis.com")) {
            seen += 1;
            assert!(NEEDS.iter().any(|need| need.action == action), "{action} in {}", file.display());
        }
    }
    assert!(seen > 20, "{seen} calls");
}

#[test]
fn no_permission_stands_twice_for_the_same_use() {
    let mut seen = BTreeSet::new();
    for need in NEEDS {
        assert!(seen.insert((need.by, need.action)), "{need:?}");
    }
}

#[test]
fn options_add_and_leave_out_what_only_they_need() {
    let wanted = |checkup: &Checkup| Wanted::new(&Settings::default(), checkup).unwrap();
    let plain = wanted(&Checkup::new()).needs();
    assert_eq!(plain.get("run.services.create"), Some(&false));
    assert_eq!(plain.get("run.services.setIamPolicy"), Some(&true));
    assert!(!plain.contains_key("pubsub.topics.publish"));
    let queue = wanted(&Checkup::new().with("queue")).needs();
    assert_eq!(queue.get("run.services.setIamPolicy"), Some(&false), "workers' account has to be let in");
    let secret = wanted(&Checkup::new().with("invoker_secret").without("gc").without("doctor")).needs();
    assert!(!secret.contains_key("run.routes.invoke") && !secret.contains_key("run.services.list"));
    assert_eq!(secret.get("run.services.setIamPolicy"), Some(&false), "IAM is turned off for the service");
    let error = Wanted::new(&Settings::default(), &Checkup::new().with("lambda")).unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("invoker_secret")));
}

#[test]
fn credentials_that_can_not_say_who_calls_need_what_the_secret_needs() {
    let mut wanted = Wanted::new(&Settings::default(), &Checkup::new()).unwrap();
    wanted.add_credentials(&Credentials::anonymous(), "p1");
    let needs = wanted.needs();
    assert_eq!(needs.get("run.services.setIamPolicy"), Some(&false));
    assert!(!needs.contains_key("run.routes.invoke") && !needs.contains_key("serviceusage.services.use"));
}

#[test]
fn the_services_of_an_option_have_to_be_enabled() {
    let apis = Wanted::new(&Settings::default(), &Checkup::new().with("spill").without("prices")).unwrap().apis();
    assert_eq!(
        apis.keys().copied().collect::<Vec<_>>(),
        ["artifactregistry.googleapis.com", "run.googleapis.com", "storage.googleapis.com"]
    );
}
