//! Topics and subscriptions of queue mode.

use std::time::{Duration, SystemTime};

use faast_google::GoogleOptions as _;
use serde_json::json;

use crate::project::Fault;
use crate::rig::Rig;

#[tokio::test]
async fn queue_mode_makes_topics_and_subscriptions_and_removes_them() {
    let rig = Rig::queued().await;
    rig.succeeds().await;
    for action in ["PutTopic", "PutSubscription", "DeleteTopic", "DeleteSubscription"] {
        assert_eq!(rig.project.seen_of(action).len(), 2, "{action}");
    }
    let order: Vec<_> = rig.project.seen().into_iter().map(|seen| seen.action).collect();
    let last = |action: &str| order.iter().rposition(|it| it == action).unwrap();
    assert!(last("DeleteSubscription") < last("DeleteTopic"), "a topic that is gone leaves its subscriptions behind");
    assert!(last("DeleteTopic") < last("DeleteService") && last("DeleteRepository") < last("DeleteService"));
}

#[tokio::test]
async fn requests_are_pushed_by_the_workers_account_and_give_up_after_five_times() {
    let rig = Rig::queued().await;
    let function = rig.deploy(|builder| builder).await.unwrap();
    let made = rig.project.seen_of("PutSubscription");
    let pushed = made.iter().find(|seen| seen.path.ends_with("-requests")).unwrap();
    let push = &pushed.body["pushConfig"];
    assert!(push["pushEndpoint"].as_str().unwrap().ends_with("/app/queue"));
    assert_eq!(push["oidcToken"]["serviceAccountEmail"], json!("424242-compute@developer.gserviceaccount.com"));
    assert_eq!(pushed.body["ackDeadlineSeconds"], json!(600));
    assert_eq!(pushed.body["deadLetterPolicy"]["maxDeliveryAttempts"], json!(5));
    let allowed = rig.project.seen_of("setIamPolicyTopic")[0].body.to_string();
    assert!(allowed.contains("service-424242@gcp-sa-pubsub.iam.gserviceaccount.com"), "{allowed}");
    let callers = rig.project.seen_of("setIamPolicy")[0].body["policy"]["bindings"][0]["members"].clone();
    assert_eq!(callers, json!(["user:ann@example.com", "serviceAccount:424242-compute@developer.gserviceaccount.com"]));
    assert!(function.cleanup().await.is_clean());
}

#[tokio::test]
async fn pushed_requests_bring_no_token_where_iam_is_off() {
    let rig = Rig::queued().await;
    let function = rig.deploy(|builder| builder.invoker_secret().service_account("w@p1.iam.gserviceaccount.com")).await;
    let made = rig.project.seen_of("PutSubscription");
    let pushed = made.iter().find(|seen| seen.path.ends_with("-requests")).unwrap();
    assert_eq!(pushed.body["pushConfig"].get("oidcToken"), None);
    assert!(function.unwrap().cleanup().await.is_clean());
}

#[tokio::test]
async fn topics_whose_answers_were_lost_are_found_and_used() {
    let rig = Rig::queued().await;
    rig.project.fault("PutTopic", Fault::Lost);
    rig.project.fault("PutSubscription", Fault::Lost);
    rig.succeeds().await;
}

#[tokio::test]
async fn a_subscription_that_is_refused_leaves_nothing() {
    let mut rig = Rig::failing("PutSubscription", Fault::status(403, "PERMISSION_DENIED", "denied")).await;
    rig.spec.mode = faast_core::provider::Mode::Queue;
    let error = rig.refused(|builder| builder).await;
    assert!(error.hint().is_some_and(|hint| hint.contains("pubsub.subscriptions.create")), "{error:?}");
}

#[tokio::test]
async fn the_expiry_of_topics_moves_too() {
    let rig = Rig::queued().await;
    let function = rig.deploy(|builder| builder).await.unwrap();
    let until = SystemTime::now() + Duration::from_hours(72);
    function.renew(until).await.unwrap();
    let seconds = until.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().to_string();
    for kind in ["topics", "subscriptions"] {
        for ending in ["requests", "responses"] {
            let labels = rig.project.get(&format!("{kind}/{}-{ending}", rig.name())).unwrap()["labels"].clone();
            assert_eq!(labels["faast-expires"], json!(seconds), "{kind} {ending}");
        }
    }
    assert!(function.cleanup().await.is_clean());
}
