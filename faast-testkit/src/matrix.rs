//! The fault matrix of a cloud: jobs by seed, some at a time, and what was injected and came out, by name.
//!
//! Responsible for which seeds run and for the sum; faults, calls and the model that knows what may come out are the
//! test's. `cargo xtask faults` asks for more seeds than an ordinary run takes.

use std::collections::BTreeMap;
use std::ops::{AddAssign, Range};

use faast_core::provider::variable;
use futures_util::{StreamExt as _, stream};

/// Set by `cargo xtask faults`: the seeds to run, as `from..to`.
const SEEDS: &str = "FAAST_TEST_SEEDS";

/// Jobs at a time.
const AT_ONCE: usize = 5;

/// How often something was injected or came out, by name.
///
/// ```
/// use faast_testkit::matrix::Tally;
///
/// let mut sum = Tally::default();
/// sum.add("values", 3);
/// sum += Tally::default();
/// assert_eq!((sum.count("values"), sum.count("errors")), (3, 0));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Adds to what is there of that name.
    pub fn add(&mut self, name: impl Into<String>, count: u64) {
        *self.0.entry(name.into()).or_default() += count;
    }

    /// How often that was.
    pub fn count(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        for (name, count) in other.0 {
            self.add(name, count);
        }
    }
}

/// The seeds that were asked for, else these.
///
/// # Panics
///
/// If something else than a range was asked for.
#[expect(clippy::expect_used, reason = "a matrix of other seeds than those that were asked for shows nothing")]
pub fn seeds(few: Range<u64>) -> Range<u64> {
    let Some(text) = variable(SEEDS) else { return few };
    let number = |text: &str| text.parse().ok();
    let range = text.split_once("..").and_then(|(from, to)| Some(number(from)?..number(to)?));
    range.expect("FAAST_TEST_SEEDS is a range such as `0..200`")
}

/// Runs a job for each seed; gives the sum of what they tell.
pub async fn run<F: Future<Output = Tally>>(seeds: Range<u64>, job: impl FnMut(u64) -> F) -> Tally {
    let jobs = stream::iter(seeds).map(job).buffer_unordered(AT_ONCE);
    let sum = async |mut sum: Tally, tally: Tally| {
        sum += tally;
        sum
    };
    jobs.fold(Tally::default(), sum).await
}
