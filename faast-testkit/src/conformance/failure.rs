//! Promises about failures: each call fails by itself, with its own kind, and the others go on.

use std::time::Duration;

use faast_core::ErrorKind;

use super::Factory;
use super::factory::{cleaned, deployed, error_of};
use crate::remote::{
    Declined, add, add_undecodable, add_unencodable, add_unregistered, add_with_other_signature, attempt_of, decline,
    endless, explode, identity,
};

/// The user's own error comes back as itself, with its fields.
pub async fn errors_come_back_as_their_type(factory: &Factory) {
    let cloud = factory.deploy().await;
    assert_eq!(cloud.run(decline::call(0)).await.expect("0 is not declined"), 0);
    let error = error_of(ErrorKind::User, cloud.run(decline::call(402)).await);
    assert_eq!(decline::error(&error), Some(Declined { code: 402, reason: Some("no funds".into()) }));
    assert_eq!(error.message(), "declined with code 402");
    assert_eq!(error.function(), Some("faast_testkit::decline"));
    cleaned(cloud).await;
}

/// A panic carries message and place, and costs no other call of its map.
pub async fn a_panic_fails_its_own_call_with_message_and_place(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(2)).await;
    let calls = (0..12).map(|n| explode::call((n == 5).then(|| "the fifth".into())));
    for (index, result) in cloud.map(calls).collect().await.into_iter().enumerate() {
        if index != 5 {
            assert_eq!(result.expect("only the fifth panics"), 1);
            continue;
        }
        let error = error_of(ErrorKind::Panic, result);
        assert!(error.message().contains("the fifth"), "{error:?}");
        assert!(error.location().is_some_and(|place| place.contains("value.rs:")), "{error:?}");
        assert_eq!(error.index(), Some(5));
    }
    cleaned(cloud).await;
}

/// What user code does wrong is not tried again by itself.
pub async fn failures_of_user_code_are_not_retried_by_themselves(factory: &Factory) {
    let cloud = deployed(factory.builder().retries(2)).await;
    assert_eq!(error_of(ErrorKind::User, cloud.run(decline::call(1)).await).attempts(), 1);
    assert_eq!(error_of(ErrorKind::Panic, cloud.run(explode::call(Some("no".into()))).await).attempts(), 1);
    cleaned(cloud).await;
}

/// With `retry_if` they are, as often as `retries` says, under the same idempotency key.
pub async fn retries_are_made_when_asked_for(factory: &Factory) {
    let cloud = factory.deploy().await;
    let call = |wanted| attempt_of::call(wanted).retries(2).retry_if(faast_core::Error::is_user);
    let detail = cloud.run(call(3)).detail().await.expect("the third attempt succeeds");
    assert_eq!((detail.value.0, detail.attempts), (3, 3));
    let error = error_of(ErrorKind::User, cloud.run(call(4)).await);
    assert_eq!(error.attempts(), 3);
    assert_eq!(attempt_of::error(&error), Some(Declined { code: 1, reason: None }));
    let other = cloud.run(call(1)).await.expect("the first attempt succeeds");
    assert!(detail.value.1.is_some() && detail.value.1 != other.1, "each call has a key of its own");
    cleaned(cloud).await;
}

/// A loop that has no end is ended by the time-out, and the next call is served.
pub async fn a_timeout_ends_an_endless_loop(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(1)).await;
    let call = endless::call(std::process::id()).timeout(Duration::from_millis(500));
    let error = error_of(ErrorKind::Timeout, cloud.run(call).await);
    assert_eq!(error.attempts(), 1, "{error:?}");
    assert!(error.is_timeout());
    assert_eq!(cloud.run(add::call(1, 1)).await.expect("a worker serves again"), 2);
    cleaned(cloud).await;
}

/// A worker that has no such function says so, by name; other calls go on.
pub async fn unknown_functions_are_named(factory: &Factory) {
    let cloud = factory.deploy().await;
    let error = error_of(ErrorKind::UnknownFunction, cloud.run(add_unregistered(1, 2)).await);
    assert!(format!("{error:?}").contains("faast_testkit::add_unregistered"), "{error:?}");
    assert_eq!(cloud.run(add::call(1, 1)).await.expect("add succeeds"), 2);
    cleaned(cloud).await;
}

/// A function whose signature has changed since is refused as stale, not called.
pub async fn a_stale_signature_is_refused(factory: &Factory) {
    let cloud = factory.deploy().await;
    error_of(ErrorKind::StaleBuild, cloud.run(add_with_other_signature(1, 2)).await);
    cleaned(cloud).await;
}

/// A worker refuses calls of a client of another build, whatever they are, and they are not tried again.
pub async fn a_worker_of_another_build_is_refused(factory: &Factory) {
    let cloud = deployed(factory.stale()).await;
    for result in cloud.map((0..3).map(identity::call)).collect().await {
        let error = error_of(ErrorKind::StaleBuild, result);
        assert_eq!(error.attempts(), 1, "{error:?}");
    }
    cleaned(cloud).await;
}

/// Arguments that can't be decoded fail their own call.
pub async fn arguments_that_fail_to_decode_fail_their_own_call(factory: &Factory) {
    let cloud = factory.deploy().await;
    let calls = [add::call(1, 1), add_undecodable(), add::call(2, 2)];
    let mut results = cloud.map(calls).collect().await.into_iter();
    assert_eq!(results.next().expect("three").expect("the first succeeds"), 2);
    let error = error_of(ErrorKind::Decode, results.next().expect("three"));
    assert_eq!(error.attempts(), 1, "{error:?}");
    assert_eq!(results.next().expect("three").expect("the third succeeds"), 4);
    cleaned(cloud).await;
}

/// Arguments that can't be encoded fail in the client, before anything is sent.
pub async fn arguments_that_fail_to_encode_are_never_sent(factory: &Factory) {
    let (builder, seen) = factory.spied();
    let cloud = deployed(builder).await;
    let error = error_of(ErrorKind::Encode, cloud.run(add_unencodable()).await);
    assert_eq!((error.attempts(), seen.requests()), (0, 0), "{error:?}");
    cleaned(cloud).await;
}

/// The first error ends `try_collect`, and the deployment serves on.
pub async fn try_collect_ends_with_the_first_error(factory: &Factory) {
    let cloud = deployed(factory.builder().concurrency(2)).await;
    let calls = (0..20_u16).map(|n| decline::call(if n == 3 { 7 } else { 0 }));
    error_of(ErrorKind::User, cloud.map(calls).try_collect().await);
    assert_eq!(cloud.run(identity::call(9)).await.expect("identity succeeds"), 9);
    cleaned(cloud).await;
}

/// Errors and details say where the logs are, and which provider it was.
pub async fn log_urls_are_in_errors_and_details(factory: &Factory) {
    let cloud = factory.deploy().await;
    assert!(!cloud.log_url().is_empty());
    let error = error_of(ErrorKind::User, cloud.run(decline::call(1)).await);
    assert!(error.log_url().is_some_and(|url| url.contains("://")), "{error:?}");
    assert_eq!(error.provider(), Some(factory.provider().name()));
    let detail = cloud.run(add::call(1, 1)).detail().await.expect("add succeeds");
    assert!(detail.log_url.contains("://"), "{}", detail.log_url);
    cleaned(cloud).await;
}
