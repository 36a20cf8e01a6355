//! The fault matrix of local workers: jobs in trouble, chosen by seed, and a model that knows what must come out.
//!
//! Each seed is a job in a client process of its own ([`client`]), with faults on the line to the workers and one trouble
//! of the machine ([`plan`]). The parent stops, wakes or kills the client, reads what it heard, and compares that with
//! the model ([`model`]). `cargo xtask faults --provider local --seeds 0..1000` runs more of them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "functions and helpers of tests fail as tests do, and clients tell by printing"
)]

mod client;
mod function;
mod model;
mod nemesis;
mod parent;
mod plan;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use model::Tally;
use plan::{Plan, Trouble};

faast::test_worker!();

/// Set by `cargo xtask faults`: the seeds to run, as `from..to`.
const SEEDS: &str = "FAAST_TEST_SEEDS";

/// What an ordinary test run takes.
const FEW: Range<u64> = 0..36;

/// Clients at the same time: most of a run is pauses before retries.
const AT_ONCE: usize = 20;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var(SEEDS) else { return FEW };
    let (from, to) = text.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

/// Does nothing in a test run: [`parent::run`] starts it in processes of its own.
#[test]
fn client_of_a_seed() {
    if let Some(seed) = parent::seed_of_this_client() {
        client::run(&Plan::of(seed));
    }
}

#[test]
fn every_call_of_every_seed_ends_once_with_the_right_value_or_the_right_error() {
    let seeds = seeds();
    let (next, tally) = (AtomicU64::new(seeds.start), Mutex::new(Tally::default()));
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let plan = Plan::of(seed);
                    match parent::run(&plan).and_then(|heard| model::check(&plan, &heard)) {
                        Ok(found) => tally.lock().unwrap().add(&found),
                        Err(why) => wrong.lock().unwrap().push(format!("seed {seed} ({:?}): {why}", plan.trouble)),
                    }
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    println!("fault matrix, local workers, seeds {}..{}\n{tally}", seeds.start, seeds.end);
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} seeds went wrong:\n{}", wrong.len(), wrong.join("\n"));
    // What was never injected was not survived.
    if seeds.end - seeds.start >= FEW.end - FEW.start {
        for name in plan::EVERY_FAULT {
            assert!(tally.injected(name) > 0, "`{name}` was never injected");
        }
    }
}

#[test]
fn a_seed_always_makes_the_same_plan_and_every_trouble_comes() {
    assert_eq!(Plan::of(7), Plan::of(7));
    for trouble in Trouble::ALL {
        assert!(FEW.map(Plan::of).any(|plan| plan.trouble == *trouble), "{trouble:?} does not come");
    }
}
