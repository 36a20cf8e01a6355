//! More requests than the platform takes, and two jobs in one project.

use faast::Hedge;
use faast_google::GoogleOptions as _;
use faast_testkit::emulator_google::{Faults, GoogleEmulator};

use super::{double, on};

/// Every third request is refused with a 429, whatever is tried.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_that_is_refused_again_and_again_loses_no_call() {
    const CALLS: u32 = 1_000;
    let faults = Faults { throttled: 0.3, ..Faults::default() };
    let google = GoogleEmulator::builder().faults(faults).seed(5).start();
    let cloud = on(&google.endpoint()).memory_mb(512).concurrency(32).hedge(Hedge::Off).retries(0);
    let cloud = cloud.deploy().await.unwrap();
    let before = google.bill().requests;
    let doubled = cloud.map((0..CALLS).map(double::call)).try_collect().await.unwrap();
    assert_eq!(doubled, (0..CALLS).map(|n| n * 2).collect::<Vec<_>>());

    let stats = cloud.stats();
    let refused = google.calls().iter().filter(|call| call.action == "Invoke" && call.status == Some(429)).count();
    println!("{CALLS} calls, {refused} refused with a 429, {} counted as throttled", stats.throttled);
    assert!(refused > 100, "{refused} were refused");
    assert_eq!(stats.throttled, refused as u64);
    assert_eq!(google.bill().requests - before, u64::from(CALLS), "each call ran once");
    assert_eq!((stats.completed, stats.retried), (u64::from(CALLS), 0), "a refusal uses no attempt");
    cloud.cleanup().await.unwrap();
    assert_eq!(google.leftovers(), Vec::<String>::new());
}

/// Two jobs in one region that does not have processors for both of them at full size.
#[tokio::test(flavor = "multi_thread")]
async fn two_deployments_at_once_do_not_touch_each_other() {
    const CALLS: u32 = 200;
    let google = GoogleEmulator::builder().cpu_quota(12).start();
    let job = async |concurrency| {
        let builder = on(&google.endpoint()).memory_mb(512).cpu(1.0).concurrency(concurrency);
        builder.deploy().await.unwrap()
    };
    let (one, other) = tokio::join!(job(20), job(6));
    let of = |cloud: &faast::Cloud| {
        let id = cloud.deployment().to_string();
        google.leftovers().into_iter().filter(|left| left.contains(&id)).collect::<Vec<_>>()
    };
    assert_eq!((of(&one).len(), of(&other).len()), (2, 2), "{:?}", google.leftovers());

    let map = |cloud: &faast::Cloud, from: u32| cloud.map((from..from + CALLS).map(double::call)).try_collect();
    let (left, right) = tokio::join!(map(&one, 0), map(&other, 1000));
    assert_eq!(left.unwrap(), (0..CALLS).map(|n| n * 2).collect::<Vec<_>>());
    assert_eq!(right.unwrap(), (1000..1000 + CALLS).map(|n| n * 2).collect::<Vec<_>>());
    let calls = |cloud: &faast::Cloud| (cloud.stats().completed, cloud.stats().failed);
    assert_eq!((calls(&one), calls(&other)), ((u64::from(CALLS), 0), (u64::from(CALLS), 0)));

    one.cleanup().await.unwrap();
    assert_eq!(of(&one), Vec::<String>::new());
    assert_eq!(of(&other).len(), 2, "{:?}", google.leftovers());
    assert_eq!(other.run(double::call(21)).await.unwrap(), 42, "and it goes on");
    other.cleanup().await.unwrap();
    assert_eq!(google.leftovers(), Vec::<String>::new());
}
