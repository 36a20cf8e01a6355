//! Growth of workers' memory: a pure policy over what workers report after each call.
//!
//! Responsible for deciding that a function leaks; not for measuring. Invariant: a function is reported at most once,
//! and only after five steps of growth, the last of them above 80 % of the worker's memory.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::provider::InstanceId;

/// Steps of growth before a function is suspected.
const STEPS: u32 = 5;

/// The share of the memory limit, in percent, above which growth is reported.
const PERCENT: u64 = 80;

/// A step is at least this part of the memory limit. Smaller growth adds up to a step; noise does not.
const STEP_PART: u64 = 1_000;

/// Watches the memory of all workers of a deployment.
///
/// A step is memory above the highest that this worker has had, by at least a thousandth of its limit; it counts
/// against the function that ran. When memory falls back to where the growth began, the count starts anew.
#[derive(Debug, Default)]
pub(crate) struct MemoryGrowth {
    workers: HashMap<InstanceId, Worker>,
    reported: HashSet<String>,
}

#[derive(Debug)]
struct Worker {
    /// Memory when the growth began.
    base: u64,
    /// Memory at the last step.
    level: u64,
    /// Steps by function; a worker rarely has more than one.
    steps: Vec<(String, u32)>,
}

/// A function whose calls make their worker's memory grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemoryLeak {
    /// The function's registered name.
    pub(crate) function: String,
    /// The worker.
    pub(crate) instance: InstanceId,
    /// Memory of the worker in bytes.
    pub(crate) memory: u64,
    /// Memory that the worker may have, in bytes.
    pub(crate) limit: u64,
}

impl MemoryGrowth {
    /// Takes note of a worker's memory after a call, and of its limit, in bytes; gives a report once for each function.
    pub(crate) fn observe(
        &mut self,
        instance: &InstanceId,
        function: &str,
        memory: u64,
        limit: u64,
    ) -> Option<MemoryLeak> {
        let Some(worker) = self.workers.get_mut(instance) else {
            self.workers.insert(instance.clone(), Worker { base: memory, level: memory, steps: Vec::new() });
            return None;
        };
        if memory < worker.base || (memory == worker.base && worker.level > worker.base) {
            *worker = Worker { base: memory, level: memory, steps: Vec::new() };
            return None;
        }
        if memory < worker.level.saturating_add((limit / STEP_PART).max(1)) {
            return None;
        }
        worker.level = memory;
        let steps = worker.step(function);
        let is_leak = steps >= STEPS && u128::from(memory) * 100 > u128::from(limit) * u128::from(PERCENT);
        if !is_leak || !self.reported.insert(function.to_owned()) {
            return None;
        }
        Some(MemoryLeak { function: function.to_owned(), instance: instance.clone(), memory, limit })
    }
}

impl Worker {
    /// Counts a step of a function and returns how many it has.
    fn step(&mut self, function: &str) -> u32 {
        if let Some((_, steps)) = self.steps.iter_mut().find(|(name, _)| name == function) {
            *steps += 1;
            return *steps;
        }
        self.steps.push((function.to_owned(), 1));
        1
    }
}

impl fmt::Display for MemoryLeak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [memory, limit] = [self.memory, self.limit].map(|bytes| bytes / (1 << 20));
        let Self { function, instance, .. } = self;
        write!(
            f,
            "`{function}` may leak memory: worker {instance} has {memory} MiB of {limit} MiB and grows call after call"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 100_000;
    const NEVER: [usize; 0] = [];

    fn worker(name: &str) -> InstanceId {
        InstanceId(name.into())
    }

    /// Indices of the calls after which `leaky` is reported.
    fn reports(memory: impl IntoIterator<Item = u64>) -> Vec<usize> {
        let mut growth = MemoryGrowth::default();
        let report = |(n, memory)| growth.observe(&worker("1"), "leaky", memory, LIMIT).map(|_| n);
        memory.into_iter().enumerate().filter_map(report).collect()
    }

    #[test]
    fn five_steps_above_eighty_percent_are_reported_once() {
        assert_eq!(reports([81_000, 82_000, 83_000, 84_000, 85_000, 86_000, 87_000, 88_000]), [5]);
    }

    #[test]
    fn four_steps_are_not_enough() {
        assert_eq!(reports([81_000, 82_000, 83_000, 84_000, 85_000, 85_000, 85_000]), NEVER);
    }

    #[test]
    fn growth_up_to_eighty_percent_is_not_reported() {
        assert_eq!(reports((10..=80).map(|percent| percent * 1_000)), NEVER);
        assert_eq!(reports((10..=81).map(|percent| percent * 1_000)), [71]);
    }

    #[test]
    fn steady_use_of_much_memory_is_not_reported() {
        assert_eq!(reports((0..1_000).map(|n| 90_000 + n % 7 * 10)), NEVER);
    }

    #[test]
    fn slow_growth_adds_up() {
        assert_eq!(reports((0..1_000).map(|n| 85_000 + n)), [500]);
    }

    #[test]
    fn memory_that_is_given_back_starts_the_count_anew() {
        let saw = [80_000, 82_000, 84_000, 86_000, 88_000];
        assert_eq!(reports(saw.iter().cycle().take(50).copied()), NEVER);
    }

    #[test]
    fn growth_counts_against_the_function_that_ran() {
        let mut growth = MemoryGrowth::default();
        let mut memory = 70_000;
        let mut names = Vec::new();
        for _ in 0..10 {
            names.extend(growth.observe(&worker("1"), "innocent", memory, LIMIT).map(|leak| leak.function));
            memory += 2_000;
            names.extend(growth.observe(&worker("1"), "leaky", memory, LIMIT).map(|leak| leak.function));
        }
        assert_eq!(names, ["leaky"]);
    }

    #[test]
    fn workers_are_counted_each_for_itself() {
        let mut growth = MemoryGrowth::default();
        for n in 0..20 {
            // A worker that is started anew has another name.
            let (name, memory) =
                if n % 5 == 0 { ("old".to_owned(), 90_000) } else { (format!("new {}", n / 5), 90_000 + n * 1_000) };
            assert_eq!(growth.observe(&worker(&name), "f", memory, LIMIT), None);
        }
    }

    #[test]
    fn a_report_names_function_worker_and_sizes() {
        let leak = MemoryLeak { function: "f".into(), instance: worker("w7"), memory: 900 << 20, limit: 1_000 << 20 };
        let text = leak.to_string();
        assert_eq!(text, "`f` may leak memory: worker w7 has 900 MiB of 1000 MiB and grows call after call");
    }
}
