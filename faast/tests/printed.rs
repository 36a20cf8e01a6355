//! What is printed: whole errors, as `docs/errors.md` shows them.

use std::time::{Duration, SystemTime};

use faast::ErrorKind;

faast::test_worker!();

#[faast::function]
fn sleeps(millis: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(millis));
    millis
}

#[faast::function]
fn fills(mebibytes: usize) -> usize {
    let all: Vec<Vec<u8>> = (0..mebibytes).map(|_| vec![1; 1 << 20]).collect();
    std::thread::sleep(Duration::from_secs(5));
    all.len()
}

#[faast::function]
fn age(born: SystemTime) -> u64 {
    born.elapsed().map_or(0, |age| age.as_secs())
}

fn said(error: &faast::Error) -> (ErrorKind, &str, &str) {
    (error.kind(), error.message(), error.hint().unwrap_or_default())
}

#[tokio::test]
async fn what_a_worker_ends_has_a_hint() {
    let cloud = faast::local().concurrency(1).memory_mb(128).deploy().await.unwrap();
    let error = cloud.run(sleeps::call(20_000).timeout(Duration::from_millis(300))).await.unwrap_err();
    assert_eq!(
        said(&error),
        (ErrorKind::Timeout, "took longer than its time-out of 300ms", "raise `timeout`, or give a call less to do")
    );
    let error = cloud.run(fills::call(160)).await.unwrap_err();
    let (kind, message, hint) = said(&error);
    assert!(message.starts_with("needed ") && message.ends_with(" MiB of memory and may have 128 MiB"), "{error:?}");
    assert_eq!((kind, hint), (ErrorKind::OutOfMemory, "raise `memory_mb`, or give a call less at a time"));
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_deadline_says_whether_the_call_had_begun() {
    // The first call starts at once; the next one could start ten seconds later.
    let local = faast::local().concurrency(2).rate(0.1).deadline(Duration::from_millis(300));
    let cloud = local.deploy().await.unwrap();
    let errors: Vec<faast::Error> =
        cloud.map([20_000, 1].map(sleeps::call)).collect().await.into_iter().map(Result::unwrap_err).collect();
    let begun = said(&errors[0]);
    assert!(begun.1.starts_with("had no answer before its deadline, "), "{begun:?}");
    assert_eq!((begun.0, begun.2), (ErrorKind::Deadline, "raise `deadline`, or give a call less to do"));
    let waited = said(&errors[1]);
    assert!(waited.1.starts_with("did not start before its deadline, "), "{waited:?}");
    assert_eq!((waited.0, waited.2), (ErrorKind::Deadline, "raise `deadline`, or `concurrency`"));
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn what_can_not_be_sent_names_the_function_and_says_so_once() {
    let cloud = faast::local().concurrency(1).deploy().await.unwrap();
    let error = cloud.run(age::call(SystemTime::UNIX_EPOCH - Duration::from_secs(1))).await.unwrap_err();
    assert_eq!(
        format!("{error:?}"),
        "`printed::age`: argument `born`: `std::time::SystemTime` can't be encoded exactly: SystemTime must be later than \
         UNIX_EPOCH [encode]\n  hint: send a time before 1970 as signed seconds"
    );
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn an_option_of_zero_has_a_hint() {
    let error = faast::local().concurrency(0).deploy().await.unwrap_err();
    assert_eq!(said(&error), (ErrorKind::Config, "`concurrency` must be above zero", "leave it out for the default"));
}
