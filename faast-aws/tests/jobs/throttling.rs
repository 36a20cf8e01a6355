//! More requests than the account lets run.

use std::time::Instant;

use faast_testkit::emulator_aws::AwsEmulator;

use super::{double, on};

/// The account's limit is known to each of two jobs, and each of them fills it.
#[tokio::test(flavor = "multi_thread")]
async fn two_bursts_against_one_account_limit_lose_no_call() {
    const CALLS: u32 = 2_500;
    let aws = AwsEmulator::builder().account_concurrency(100).requests_per_environment(1_000).start();
    let job = async || on(&aws.endpoint()).memory_mb(128).concurrency(500).deploy().await.unwrap();
    let (first, second) = tokio::join!(job(), job());

    let start = Instant::now();
    let map = |cloud: &faast::Cloud| cloud.map((0..CALLS).map(double::call)).try_collect();
    let (one, other) = tokio::join!(map(&first), map(&second));
    let took = start.elapsed();
    let expected: Vec<u32> = (0..CALLS).map(|n| n * 2).collect();
    assert_eq!((one.unwrap(), other.unwrap()), (expected.clone(), expected));

    let throttled = first.stats().throttled + second.stats().throttled;
    let refused = aws.calls().iter().filter(|call| call.status == Some(429)).count();
    println!("{} calls in {took:.1?}, {refused} refused by the account, {throttled} counted as throttled", 2 * CALLS);
    assert!(throttled > 0, "two jobs of 100 do not fit into an account of 100");
    assert_eq!(throttled, refused as u64);
    assert_eq!(aws.bill().requests, u64::from(2 * CALLS), "each call ran once");
    let (one, other) = tokio::join!(first.cleanup(), second.cleanup());
    one.and(other).unwrap();
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}
