//! Google's own emulator of Pub/Sub, which pushes requests to workers and keeps their answers. It knows no IAM, which is
//! answered before it, and brings no tokens.

use faast_core::provider::Mode;
use faast_google::{Google, GoogleOptions as _};
use faast_testkit::conformance::{Factory, Workers};
use faast_testkit::emulator_google::GoogleEmulator;
use faast_testkit::probe;

use crate::audit::Audit;
use crate::place;
use crate::relay::Relay;
use crate::rig::{audit, google, run};

struct Rig {
    emulator: GoogleEmulator,
    pubsub: Relay,
}

thread_local! {
    /// Each test has a thread of its own, and with it a project of its own that ends with the test.
    static RIG: Rig =
        Rig { emulator: GoogleEmulator::start(), pubsub: Relay::start(place::pubsub(), ":setIamPolicy") };
}

/// Names of projects in Google's emulator, which all tests share.
fn project() -> String {
    RIG.with(|rig| format!("queue-project-{}", rig.pubsub.endpoint().rsplit(':').next().unwrap()))
}

fn queued() -> Google {
    RIG.with(|rig| {
        let builder = google(&rig.emulator, &project());
        builder.endpoint_url_of("pubsub", rig.pubsub.endpoint()).provider_mut().clone()
    })
}

/// The promises of queue mode that hang on what Pub/Sub does, each a test.
fn conformance_factory() -> Factory {
    Factory::new(Workers::Remote, queued).mode(Mode::Queue)
}

faast_testkit::promises! { @tests
    a_function_returns_its_value
    values_cross_exactly
    every_result_arrives_once_under_its_index
    errors_come_back_as_their_type
    a_panic_fails_its_own_call_with_message_and_place
    a_timeout_ends_an_endless_loop
    a_worker_of_another_build_is_refused
    every_attempt_is_metered
    cleanup_is_idempotent
    cleanup_settles_pending_calls_as_canceled
    two_deployments_do_not_touch_each_other
}

#[test]
fn topics_and_subscriptions_are_there_and_do_not_stay() {
    let audit = RIG.with(|rig| Audit { pubsub: rig.pubsub.endpoint(), ..audit(&rig.emulator, &project()) });
    run(async {
        let mut provider = queued();
        let cloud = faast_core::Builder::new(std::mem::take(&mut provider)).mode(Mode::Queue).deploy().await.unwrap();
        let id = cloud.deployment().to_string();
        let there = audit.of(&id).await;
        for (kind, count) in [("service", 1), ("repository", 1), ("topic", 2), ("subscription", 2)] {
            assert_eq!(there.iter().filter(|line| line.starts_with(kind)).count(), count, "{kind} in {there:?}");
        }
        assert_eq!(cloud.run(probe::identity(7)).await.unwrap(), 7);
        cloud.cleanup().await.unwrap();
        assert_eq!(audit.of(&id).await, [""; 0]);
    });
}
