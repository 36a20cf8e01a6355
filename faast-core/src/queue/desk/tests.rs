//! What requests hear, and what is counted.

use std::future::{pending, ready};

use super::super::Received;
use super::*;
use crate::provider::Metering;

/// A queue that brings nothing by itself, and whose odd records answer a call.
#[derive(Debug)]
struct Silent;

#[async_trait::async_trait]
impl Answers for Silent {
    type Record = u32;
    type Refusal = &'static str;

    async fn receive(&self) -> Result<Received<u32>, &'static str> {
        pending().await
    }

    async fn acknowledge(&self, _receipts: &[String]) -> Result<Option<Quantity>, &'static str> {
        Ok(None)
    }

    fn unclaimed(&self, record: u32) -> Option<Metering> {
        let quantities = vec![Quantity { metric: "messages".into(), amount: 1.0, measured: true }];
        (record % 2 == 1).then(|| Metering { quantities, ..Metering::default() })
    }

    fn lost(&self, refusal: &&'static str) -> Option<InvokeError> {
        Some(InvokeError::new(RetryClass::Permanent, Ran::Maybe, *refusal))
    }
}

fn desk() -> (Runtime, Arc<Desk<Silent>>) {
    (Runtime::start().unwrap(), Desk::new(Silent, 10))
}

/// What a request hears that is polled once.
fn heard(asked: &mut Asked<Silent>) -> Option<Result<u32, String>> {
    asked.next().now_or_never().map(|heard| heard.map_err(|error| error.message))
}

#[test]
fn records_reach_their_request_in_order_though_nobody_says_that_it_was_taken() {
    let (runtime, desk) = desk();
    let mut one = desk.ask(&runtime, |_| pending()).unwrap();
    let mut other = desk.ask(&runtime, |_| ready(Ok(()))).unwrap();
    desk.hand_on(one.id, 1);
    desk.hand_on(one.id, 2);
    assert_eq!([heard(&mut one), heard(&mut one), heard(&mut one)], [Some(Ok(1)), Some(Ok(2)), None]);
    assert_eq!(heard(&mut other), None);
    assert_eq!((one.is_taken(), other.is_taken(), desk.late()), (false, true, 0));
}

#[test]
fn a_request_that_was_not_taken_hears_why() {
    let (runtime, desk) = desk();
    let refused = InvokeError::new(RetryClass::Throttled, Ran::No, "later");
    let mut asked = desk.ask(&runtime, |_| ready(Err(refused))).unwrap();
    assert_eq!(heard(&mut asked), Some(Err("later".into())));
    assert!(!asked.is_taken());
}

#[test]
fn what_came_for_nobody_is_counted_if_it_is_an_answer() {
    let (runtime, desk) = desk();
    let mut asked = desk.ask(&runtime, |_| pending()).unwrap();
    let id = asked.id;
    for record in [1, 3, 4] {
        desk.hand_on(id, record);
    }
    assert_eq!(heard(&mut asked), Some(Ok(1)));
    assert_eq!(desk.late(), 0);
    drop(asked);
    assert_eq!(desk.late(), 1, "a second answer on the heels of the first");
    desk.hand_on(id, 5);
    desk.hand_on(id, 6);
    let used: f64 = desk.usage().quantities().map(|used| used.amount).sum();
    assert_eq!((desk.late(), used), (2, 2.0), "and one that came after the request");
}

#[test]
fn two_listen_until_it_is_quiet_and_a_dropped_request_is_not_outstanding() {
    let (runtime, desk) = desk();
    let asked = desk.ask(&runtime, |_| pending()).unwrap();
    assert!(!desk.leaves(true), "something is outstanding");
    drop(asked);
    assert!(!desk.leaves(false), "what is delivered twice may come now");
    assert!(desk.leaves(true) && desk.leaves(true));
    assert_eq!(desk.expect().unwrap().2, 2, "and they come back");
}

#[test]
fn a_queue_that_is_lost_ends_every_request() {
    let (runtime, desk) = desk();
    let mut asked = [(); 2].map(|()| desk.ask(&runtime, |_| pending()).unwrap());
    desk.give_up(&"denied");
    assert!(asked.iter_mut().all(|asked| heard(asked) == Some(Err("denied".into()))));
}

#[test]
fn after_the_cleanup_nothing_is_expected() {
    let (runtime, desk) = desk();
    let mut asked = desk.ask(&runtime, |_| pending()).unwrap();
    desk.close();
    assert_eq!(heard(&mut asked), Some(Err("the deployment has ended".into())));
    assert_eq!(desk.ask(&runtime, |_| pending()).unwrap_err().class, RetryClass::Canceled);
}
