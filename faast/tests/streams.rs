//! Generator functions: items as they are made, their errors, and the end of a stream that nobody wants any more.

#![expect(clippy::panic, clippy::unwrap_used, reason = "functions and helpers of tests fail as tests do")]

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use faast::ErrorKind;
use faast::prelude::*;
use futures_util::{Stream, stream};

faast::test_worker!();

#[faast::function]
fn count(until: u64) -> impl Iterator<Item = u64> {
    0..until
}

/// Never ends by itself; the file grows with every item.
#[faast::function]
fn endless(file: &Path) -> impl Iterator<Item = u64> {
    let file = File::create(file).unwrap();
    (0..).inspect(move |n| {
        file.set_len(*n).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    })
}

#[faast::function]
fn slow_stream(items: u32) -> impl Stream<Item = u32> {
    stream::unfold(0, move |n| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        (n < items).then_some((n, n + 1))
    })
}

#[faast::function]
fn lines(path: &Path) -> std::io::Result<impl Iterator<Item = String>> {
    let text = fs::read_to_string(path)?;
    Ok(text.lines().map(str::to_owned).collect::<Vec<_>>().into_iter())
}

#[faast::function]
fn breaks_down(after: u32) -> impl Iterator<Item = u32> {
    (0..).map(move |n| if n == after { panic!("worn out") } else { n })
}

#[faast::function]
fn stalls() -> impl Iterator<Item = u32> {
    (0..2).inspect(|n| std::thread::sleep(Duration::from_secs(u64::from(*n) * 60)))
}

async fn cloud() -> Cloud {
    faast::local().concurrency(1).deploy().await.unwrap()
}

#[tokio::test]
async fn items_come_in_order_and_while_more_are_made() {
    let cloud = cloud().await;
    let mut items = cloud.stream(count::call(10_000));
    let mut next = 0;
    while let Some(item) = items.next().await {
        assert_eq!(item.unwrap(), next);
        next += 1;
    }
    assert_eq!(next, 10_000);

    let mut items = cloud.stream(slow_stream::call(50));
    let start = Instant::now();
    assert_eq!(items.next().await.unwrap().unwrap(), 0);
    let first = start.elapsed();
    while let Some(item) = items.next().await {
        item.unwrap();
    }
    assert!(first < start.elapsed() / 2, "the first after {first:?} of {:?}", start.elapsed());
    assert!(cloud.stream(count::call(0)).next().await.is_none());
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn breaking_off_stops_the_worker() {
    let cloud = cloud().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("items");
    let mut items = cloud.stream(endless::call(&file));
    for n in 0..10 {
        assert_eq!(items.next().await.unwrap().unwrap(), n);
    }
    drop(items);
    // Its only worker is free again, so the producer has stopped.
    let mut again = cloud.stream(count::call(1));
    let first = tokio::time::timeout(Duration::from_secs(20), again.next()).await.unwrap();
    assert_eq!(first.unwrap().unwrap(), 0);
    let made = fs::metadata(&file).unwrap().len();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fs::metadata(&file).unwrap().len(), made, "it still makes items");
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_slow_reader_holds_the_worker_back() {
    let cloud = cloud().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("items");
    let mut items = cloud.stream(big_items::call(&file));
    assert!(items.next().await.unwrap().is_ok());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let made = fs::metadata(&file).unwrap().len();
    assert!(made < 1000, "{made} items of 100 kB were made for a reader that has taken one");
    drop(items);
    cloud.cleanup().await.unwrap();
}

#[faast::function]
fn big_items(file: &Path) -> impl Iterator<Item = Vec<u8>> {
    let file = File::create(file).unwrap();
    (0..).map(move |n| {
        file.set_len(n).unwrap();
        vec![0; 100_000]
    })
}

#[tokio::test]
async fn a_generator_fails_before_or_in_the_middle() {
    let cloud = cloud().await;
    let mut items = cloud.stream(lines::call(Path::new("/nowhere")));
    assert_eq!(items.next().await.unwrap().unwrap_err().kind(), ErrorKind::User);
    assert!(items.next().await.is_none());

    let mut items = cloud.stream(breaks_down::call(3));
    for n in 0..3 {
        assert_eq!(items.next().await.unwrap().unwrap(), n);
    }
    let error = items.next().await.unwrap().unwrap_err();
    assert!(error.is_panic() && error.message().contains("worn out"), "{error:?}");
    assert!(items.next().await.is_none());
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn the_time_out_of_a_generator_is_between_two_items() {
    let cloud = cloud().await;
    let mut items = cloud.stream(slow_stream::call(20).timeout(Duration::from_millis(300)));
    let mut received = 0;
    while let Some(item) = items.next().await {
        item.unwrap();
        received += 1;
    }
    assert_eq!(received, 20, "all of it takes longer than the time-out, no single item does");

    let mut items = cloud.stream(stalls::call().timeout(Duration::from_millis(300)));
    assert_eq!(items.next().await.unwrap().unwrap(), 0);
    let error = items.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 1), "{error:?}");
    cloud.cleanup().await.unwrap();
}
