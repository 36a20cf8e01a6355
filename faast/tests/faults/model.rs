//! What must come out of a job, and what came out of many.

use std::collections::BTreeMap;
use std::fmt;

use super::parent::Heard;
use super::plan::{Plan, Task, Trouble};

/// How one call may end: with this value, or with an error of one of these kinds.
struct Allowed {
    value: Option<u64>,
    kinds: Vec<&'static str>,
}

fn allowed(plan: &Plan, task: Task) -> Allowed {
    let (value, kind, once) = match task {
        Task::Double { n, .. } => (Some(n * 2), None, false),
        // What arrives is compared byte by byte.
        Task::Bytes { .. } => (Some(1), None, false),
        Task::Once { n } => (Some(n), None, true),
        Task::Prints { n } => (Some(n), None, false),
        Task::Declines => (None, Some("User"), false),
        Task::Panics => (None, Some("Panic"), false),
        Task::Crashes { .. } => (None, Some("Crash"), false),
        Task::Hogs => (None, Some("OutOfMemory"), false),
    };
    let mut kinds: Vec<_> = kind.into_iter().collect();
    if once {
        // It may have run, and is not sent again.
        kinds.extend(["WorkerLost", "Unavailable"]);
    }
    // A time-out is not tried again unless a call asks for it, as those that always give a value do here.
    let asks = matches!(task, Task::Double { .. } | Task::Bytes { .. });
    if plan.lossy && !asks {
        kinds.push("Timeout");
    }
    Allowed { value, kinds }
}

/// What one client went through.
#[derive(Debug, Default)]
pub(crate) struct Found {
    values: u64,
    kinds: BTreeMap<String, u64>,
    faults: BTreeMap<String, u64>,
}

/// Compares what a client heard with what it had to hear.
pub(crate) fn check(plan: &Plan, heard: &Heard) -> Result<Found, String> {
    let mut found = Found::default();
    let mut ends = vec![0_u32; plan.tasks.len()];
    let mut streams = vec![0_u32; plan.streams.len()];
    for (count, name) in &heard.faults {
        *found.faults.entry((*name).to_owned()).or_default() += count;
    }
    for line in &heard.lines {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["result", index, how, what] => {
                let index: usize = index.parse().map_err(|_| line.clone())?;
                ends[index] += 1;
                result(plan, plan.tasks[index], how, what, &mut found).map_err(|why| wrong(line, &why, heard))?;
            }
            ["stream", index, how, ..] => {
                let index: usize = index.parse().map_err(|_| line.clone())?;
                streams[index] += 1;
                let what = words[3..].join(" ");
                stream(plan, plan.streams[index], how, &what, &mut found).map_err(|why| wrong(line, &why, heard))?;
            }
            ["fault", count, ..] => {
                let count: u64 = count.parse().map_err(|_| line.clone())?;
                *found.faults.entry(words[2..].join(" ")).or_default() += count;
            }
            ["deploy", kind]
                if plan.trouble == Trouble::Descriptors && ["Deploy", "Io", "Internal"].contains(&kind) =>
            {
                *found.kinds.entry(kind.to_owned()).or_default() += 1;
            }
            ["end"] => {}
            _ => return Err(wrong(line, "nobody asked for that", heard)),
        }
    }
    let expected = |times: &u32| if heard.ended { *times == 1 } else { *times <= 1 };
    if let Some(index) = ends.iter().position(|times| !expected(times)) {
        return Err(format!("call {index} ended {} times\n{}", ends[index], heard.other));
    }
    if let Some(index) = streams.iter().position(|times| !expected(times)) {
        return Err(format!("stream {index} ended {} times\n{}", streams[index], heard.other));
    }
    let mut notes = heard.notes.clone();
    notes.sort_unstable();
    notes.dedup();
    if notes.len() < heard.notes.len() {
        return Err(format!("what may run once ran twice: {:?}", heard.notes));
    }
    Ok(found)
}

fn wrong(line: &str, why: &str, heard: &Heard) -> String {
    format!("`{line}`: {why}\n{}", heard.other)
}

fn result(plan: &Plan, task: Task, how: &str, what: &str, found: &mut Found) -> Result<(), String> {
    let allowed = allowed(plan, task);
    if how == "ok" && allowed.value.is_some_and(|value| value.to_string() == what) {
        found.values += 1;
        return Ok(());
    }
    if how == "err" && allowed.kinds.contains(&what) {
        *found.kinds.entry(what.to_owned()).or_default() += 1;
        return Ok(());
    }
    Err(format!("{task:?} may give {:?} or one of {:?}", allowed.value, allowed.kinds))
}

/// A generator gives all of its items in order, or fails: after its first item it is not started again.
fn stream(plan: &Plan, below: u64, how: &str, what: &str, found: &mut Found) -> Result<(), String> {
    let kinds: &[&str] =
        if plan.lossy { &["WorkerLost", "Unavailable", "Timeout"] } else { &["WorkerLost", "Unavailable"] };
    if how == "ok" && what == below.to_string() {
        found.values += 1;
        return Ok(());
    }
    if how == "err" && kinds.contains(&what) {
        *found.kinds.entry(what.to_owned()).or_default() += 1;
        return Ok(());
    }
    Err(format!("a generator of {below} items may give all of them, or one of {kinds:?}"))
}

/// What all seeds went through.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    seeds: u64,
    sum: Found,
}

impl Tally {
    pub(crate) fn add(&mut self, found: &Found) {
        self.seeds += 1;
        self.sum.values += found.values;
        for (from, to) in [(&found.kinds, &mut self.sum.kinds), (&found.faults, &mut self.sum.faults)] {
            for (name, count) in from {
                *to.entry(name.clone()).or_default() += count;
            }
        }
    }

    pub(crate) fn injected(&self, name: &str) -> u64 {
        self.sum.faults.get(name).copied().unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |all: &BTreeMap<String, u64>| {
            all.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
        };
        let failed: u64 = self.sum.kinds.values().sum();
        writeln!(
            f,
            "  {} seeds, each call ended once: {} with its value, {failed} with its error",
            self.seeds, self.sum.values
        )?;
        writeln!(f, "  errors: {}", list(&self.sum.kinds))?;
        write!(f, "  injected: {} ({})", self.sum.faults.values().sum::<u64>(), list(&self.sum.faults))
    }
}
