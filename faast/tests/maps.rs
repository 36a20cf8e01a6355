//! Maps: what comes out, in which order, how the input is pulled, and what happens when either side stops early.

#![expect(clippy::unwrap_used, reason = "functions and helpers of tests fail as tests do")]

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use faast::ErrorKind;
use faast::prelude::*;
use futures_util::{StreamExt, stream};

faast::test_worker!();

#[faast::function]
fn double(n: u64) -> u64 {
    n * 2
}

#[faast::function]
fn length(text: &str) -> usize {
    text.len()
}

/// The later in the input, the sooner done.
#[faast::function]
fn sleeps(millis: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(millis));
    millis
}

#[faast::function]
fn refuses(n: u64) -> Result<u64, String> {
    if n == 3 { Err("three".into()) } else { Ok(n) }
}

/// A job within a job: a function that has a deployment of its own.
#[faast::function]
async fn sum_of_doubles(until: u64) -> faast::Result<u64> {
    let cloud = faast::local().concurrency(1).deploy().await?;
    let doubles = cloud.map((0..until).map(double::call)).try_collect().await?;
    cloud.cleanup().await?;
    Ok(doubles.into_iter().sum())
}

/// The first of them does not return until the file is there.
#[faast::function]
fn waits_at_zero(n: u64, file: &Path) -> u64 {
    while n == 0 && !file.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    n
}

async fn cloud(workers: usize) -> Cloud {
    faast::local().concurrency(workers).deploy().await.unwrap()
}

#[tokio::test]
async fn an_empty_map_ends_at_once() {
    let cloud = cloud(1).await;
    assert!(cloud.map(Vec::<Call<u64>>::new()).next().await.is_none());
    assert!(cloud.map_stream(stream::empty::<Call<u64>>()).next().await.is_none());
    assert!(cloud.map(None::<Call<u64>>).try_collect().await.unwrap().is_empty());
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn results_come_as_they_are_ready_or_in_order_or_by_key() {
    let cloud = cloud(2).await;
    let calls = || [500, 10].map(sleeps::call);
    let mut map = cloud.map(calls());
    assert_eq!((map.next().await.unwrap().unwrap(), map.next().await.unwrap().unwrap()), (10, 500));
    assert!(map.next().await.is_none());
    let mut indexed = cloud.map(calls()).indexed();
    assert_eq!(indexed.next().await.map(|(index, result)| (index, result.unwrap())), Some((1, 10)));
    let mut ordered = cloud.map(calls()).ordered();
    assert_eq!((ordered.next().await.unwrap().unwrap(), ordered.next().await.unwrap().unwrap()), (500, 10));
    let words = ["a", "four", "three"];
    let mut keyed = cloud.map_keyed(words.map(|word| (word, length::call(word))));
    let mut lengths = HashMap::new();
    while let Some((word, length)) = keyed.next().await {
        lengths.insert(word, length.unwrap());
    }
    assert_eq!(lengths, HashMap::from([("a", 1), ("four", 4), ("three", 5)]));
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_slow_call_holds_the_others_of_an_ordered_map_back_and_then_the_pulling() {
    const CALLS: u64 = 150_000;
    let cloud = cloud(2).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, pulled) = (folder.path().join("go"), Cell::new(0_u64));
    let input = (0..CALLS).inspect(|n| pulled.set(*n)).map(|n| waits_at_zero::call(n, &file));
    let mut ordered = cloud.map(input).ordered();
    let mut before = None;
    while before != Some(pulled.get()) {
        before = Some(pulled.get());
        assert!(tokio::time::timeout(Duration::from_millis(500), ordered.next()).await.is_err());
    }
    assert!((16_384..60_000).contains(&pulled.get()), "{} were pulled", pulled.get());
    std::fs::write(&file, "").unwrap();
    for n in 0..CALLS {
        assert_eq!(ordered.next().await.unwrap().unwrap(), n);
    }
    assert!(ordered.next().await.is_none());
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn collect_keeps_the_errors_and_try_collect_ends_at_the_first() {
    let cloud = cloud(2).await;
    let results = cloud.map((0..6).map(refuses::call)).collect().await;
    let good: Vec<_> = results.iter().map(|result| result.as_ref().ok().copied()).collect();
    assert_eq!(good, [Some(0), Some(1), Some(2), None, Some(4), Some(5)]);
    assert_eq!(results[3].as_ref().unwrap_err().index(), Some(3));

    let pulled = Cell::new(0_u64);
    let endless = (0..).inspect(|n| pulled.set(*n)).map(refuses::call);
    let error = cloud.map(endless).try_collect().await.unwrap_err();
    assert_eq!((refuses::error(&error).as_deref(), error.index()), (Some("three"), Some(3)));
    assert!(pulled.get() < 100_000, "{} were pulled", pulled.get());
    assert_eq!(cloud.map((0..100).map(double::call)).try_collect().await.unwrap()[99], 198);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn one_map_mixes_functions() {
    let cloud = cloud(1).await;
    let calls = [double::call(4).map(|n| n.to_string()), length::call("four").map(|n| format!("{n} bytes"))];
    assert_eq!(cloud.map(calls).try_collect().await.unwrap(), ["8", "4 bytes"]);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_stream_of_calls_is_as_good_as_an_iterator() {
    let cloud = cloud(2).await;
    let calls = stream::iter(0..20).then(|n| async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        double::call(n)
    });
    let values = cloud.map_stream(calls).try_collect().await.unwrap();
    assert_eq!(values, (0..20).map(|n| n * 2).collect::<Vec<_>>());
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn the_input_may_borrow_and_is_pulled_only_as_it_is_needed() {
    let cloud = cloud(1).await;
    let pulled = Rc::new(Cell::new(0));
    let words: Vec<String> = (0..).take(100_000).map(|n| format!("word {n}")).collect();
    let mut map = cloud.map(words.iter().map(|word| {
        pulled.set(pulled.get() + 1);
        length::call(word)
    }));
    assert_eq!(pulled.get(), 0, "nothing is pulled before the first poll");
    assert!(map.next().await.unwrap().is_ok());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(pulled.get() < 50_000, "{} were pulled for one result", pulled.get());
    drop(map);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn an_iterator_that_panics_panics_in_the_caller_and_the_rest_of_the_map_is_had_all_the_same() {
    let cloud = cloud(1).await;
    let mut map = cloud.map((0..10).map(|n| if n == 5 { panic!("no five") } else { double::call(n) }));
    let mut values = Vec::new();
    let mut panics = 0;
    loop {
        let mut next = std::pin::pin!(map.next());
        let polled = std::future::poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| next.as_mut().poll(cx)));
            polled.map_or_else(|_| std::task::Poll::Ready(Err(())), |polled| polled.map(Ok))
        });
        match polled.await {
            Ok(Some(result)) => values.push(result.unwrap()),
            Ok(None) => break,
            Err(()) => panics += 1,
        }
    }
    values.sort_unstable();
    assert_eq!((values, panics), (vec![0, 2, 4, 6, 8], 1));
    assert_eq!(cloud.run(double::call(1)).await.unwrap(), 2);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_map_that_is_dropped_cancels_its_calls_and_nothing_else() {
    let cloud = cloud(1).await;
    let mut map = cloud.map([1, 60_000, 60_000].map(sleeps::call));
    assert_eq!(map.next().await.unwrap().unwrap(), 1);
    drop(map);
    let run = cloud.run(double::call(2));
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), run).await.unwrap().unwrap(), 4);
    assert!(cloud.stats().canceled >= 1);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_map_beside_others_that_fill_the_line_comes_to_its_end() {
    let cloud = faast::local().concurrency(1).batch(1).deploy().await.unwrap();
    // Tasks of their own: nobody else wakes the map.
    let others: Vec<_> = (1..5).map(|n| tokio::spawn(cloud.run(sleeps::call(n * 10)))).collect();
    while cloud.stats().queued < 3 {
        tokio::task::yield_now().await;
    }
    // Nothing of it is on its way when it first finds no room.
    let map = tokio::spawn({
        let cloud = cloud.clone();
        async move { cloud.map((1..6).map(sleeps::call)).try_collect().await }
    });
    for other in others {
        other.await.unwrap().unwrap();
    }
    let values = tokio::time::timeout(Duration::from_secs(20), map).await.unwrap().unwrap();
    assert_eq!(values.unwrap(), (1..6).collect::<Vec<_>>());
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_run_that_is_dropped_is_canceled() {
    let cloud = cloud(1).await;
    let run = tokio::time::timeout(Duration::from_millis(100), cloud.run(sleeps::call(60_000))).await;
    assert!(run.is_err());
    let next = tokio::time::timeout(Duration::from_secs(20), cloud.run(double::call(2)));
    assert_eq!(next.await.unwrap().unwrap(), 4);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn a_function_maps_over_a_deployment_of_its_own() {
    let cloud = cloud(2).await;
    let sums = cloud.map([10, 100].map(sum_of_doubles::call)).try_collect().await.unwrap();
    assert_eq!(sums, [90, 9900]);
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn clouds_are_used_from_several_runtimes_and_from_none() {
    let cloud = cloud(2).await;
    let elsewhere = cloud.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(elsewhere.run(double::call(1))).unwrap()
    });
    assert_eq!(cloud.run(double::call(2)).await.unwrap(), 4);
    assert_eq!(thread.join().unwrap(), 2);
    let run = cloud.run(double::call(3));
    let bare = std::thread::spawn(move || futures_executor(run));
    assert_eq!(bare.join().unwrap().unwrap(), 6);
    cloud.cleanup().await.unwrap();
    let error = cloud.run(double::call(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Canceled);
}

/// The least that can run a future.
fn futures_executor<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::task::Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}
